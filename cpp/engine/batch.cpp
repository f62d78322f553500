#include "engine/batch.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "engine/batch_rows.hpp"
#include "fastvec/flags.hpp"

namespace fastvec::engine {

namespace {

// One range, on one thread.
class RangeCall {
 public:
  RangeCall(Batch& batch, std::int64_t first, std::int64_t last)
      : batch_(batch),
        out_(batch.out),
        episodes_(batch.episodes),
        first_(first),
        last_(last),
        io_(io_of(batch.out, batch.episodes.rngs)) {
    io_.actions = batch.actions.leaves;
    io_.actions_are_float64 = batch.actions.are_float64 ? 1 : 0;
    io_.envs = batch.states;
    if (batch.options != nullptr) {
      io_.option_values = batch.options->values.data();
      io_.option_present = batch.options->present.data();
    }
    io_.report_context = this;
    io_.report = [](void* context, std::int64_t env, std::int32_t code, const char* message) {
      auto& call = *static_cast<RangeCall*>(context);
      const std::lock_guard lock(call.batch_.mutex);  // the env's code may have threads of its own
      call.failures_.push_back({env, code, message});
    };
  }
  RangeCall(const RangeCall&) = delete;
  RangeCall& operator=(const RangeCall&) = delete;

  void step();
  void reset();

 private:
  fv_range range() const { return {first_, last_, first_, first_}; }
  std::int64_t count() const { return last_ - first_; }

  void reset_run(std::int64_t first, std::int64_t last);
  void reset_pending();
  void autoreset_same_step();
  void withdraw_failed();
  void settle_failed();

  Batch& batch_;
  const BatchView& out_;
  const EpisodeRows episodes_;
  const std::int64_t first_, last_;
  fv_io io_;
  std::vector<EnvFailure> failures_;
};

void RangeCall::reset() {
  const std::uint8_t* const mask = batch_.mask;
  clear_info_masks(out_, first_, count());
  if (mask == nullptr) reset_run(first_, last_);
  for (std::int64_t i = first_; mask != nullptr && i < last_;) {
    const bool is_reset = mask[i] != 0;
    const std::int64_t end = is_reset ? next_clear(mask, i, last_) : next_set(mask, i, last_);
    if (is_reset) reset_run(i, end);
    else batch_.envs.observe({i, end, i, i}, io_);
    i = end;
  }
  clear_absent_info(batch_.layout, out_, first_, count());
  if (!failures_.empty()) settle_failed();
}

void RangeCall::reset_run(std::int64_t first, std::int64_t last) {
  batch_.envs.reset({first, last, first, first}, io_);
  episodes_.begin(first, last);
}

void RangeCall::step() {
  clear_info_masks(out_, first_, count());
  const bool any_pending = episodes_.next_pending(first_, last_) != last_;
  if (any_pending) io_.resetting = episodes_.pending;
  if (!any_pending || episodes_.next_not_pending(first_, last_) != last_) batch_.envs.step(range(), io_);
  episodes_.count_steps(first_, last_, out_.truncated + first_);
  if (any_pending) reset_pending();
  if (!failures_.empty()) withdraw_failed();
  episodes_.note_ended(first_, last_, out_.terminated + first_, out_.truncated + first_);
  if (batch_.autoreset == AutoresetMode::kSameStep) autoreset_same_step();
  clear_absent_info(batch_.layout, out_, first_, count());
  if (!failures_.empty()) settle_failed();
}

// Resets the envs that are pending, in place of their step. Whatever their rows got from the others' step is put right.
void RangeCall::reset_pending() {
  for (auto i = episodes_.next_pending(first_, last_); i < last_; i = episodes_.next_pending(i + 1, last_)) {
    out_.rewards[i] = 0.0;
    out_.terminated[i] = 0;
    out_.truncated[i] = 0;
    clear_info_masks(out_, i, 1);
  }
  batch_.envs.reset(range(), io_);
  episodes_.begin_pending(first_, last_);
}

// SameStep: keeps the last observation and info of the episodes that ended, and resets their envs.
void RangeCall::autoreset_same_step() {
  std::memset(batch_.final_mask + first_, 0, static_cast<std::size_t>(count()));
  std::int64_t ended = episodes_.next_pending(first_, last_);
  if (ended == last_) return;
  for (; ended < last_; ended = episodes_.next_pending(ended + 1, last_)) {
    batch_.final_mask[ended] = 1;
    copy_observation_and_info(batch_.layout, out_, ended, *batch_.final_rows, ended);
    clear_info_masks(out_, ended, 1);
  }
  io_.resetting = episodes_.pending;
  batch_.envs.reset(range(), io_);
  episodes_.begin_pending(first_, last_);
}

// Envs that failed so far have no episode that ends: not by the flags that they left in their rows, nor by their time
// limit.
void RangeCall::withdraw_failed() {
  for (const EnvFailure& failure : failures_) {
    out_.terminated[failure.env] = 0;
    out_.truncated[failure.env] = 0;
    episodes_.begin(failure.env, failure.env + 1);
  }
}

// The range is done: the rows of the envs that failed, which are to be reset at their next turn.
void RangeCall::settle_failed() {
  for (const EnvFailure& failure : failures_) {
    write_failed_row(batch_.layout, out_, failure.env);
    episodes_.pending[failure.env] = 1;
  }
  const std::lock_guard lock(batch_.mutex);
  batch_.failures.insert(batch_.failures.end(), failures_.begin(), failures_.end());
}

}  // namespace

void step_range(Batch& batch, std::int64_t first, std::int64_t last) { RangeCall(batch, first, last).step(); }

void reset_range(Batch& batch, std::int64_t first, std::int64_t last) { RangeCall(batch, first, last).reset(); }

void throw_failures(Batch& batch) {
  if (batch.failures.empty()) return;
  std::sort(batch.failures.begin(), batch.failures.end(),
            [](const EnvFailure& a, const EnvFailure& b) { return a.env < b.env; });
  throw EnvFailures(std::move(batch.failures));
}

void require_no_ended(const std::uint8_t* pending, std::int64_t num_envs, const std::string& how) {
  const std::int64_t done = next_set(pending, 0, num_envs);
  if (done == num_envs) return;
  throw EngineError(Fault::kNeedsReset, "step: with autoreset disabled, expected finished envs to be reset with " +
                                            how + ", got env " + std::to_string(done) + " finished and not reset");
}

}  // namespace fastvec::engine
