#include "vector_core.hpp"

#include "actions.hpp"
#include "call.hpp"
#include "interrupts.hpp"
#include "xla.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

namespace {

const std::uint8_t* mask_data(const py::object& mask) {
  return mask.is_none() ? nullptr : static_cast<const std::uint8_t*>(py::reinterpret_borrow<py::array>(mask).data());
}

std::optional<engine::ResetOptions> read_options(const fv_env_type& type, const py::object& options) {
  if (options.is_none()) return std::nullopt;
  engine::ResetOptions result;
  result.values.resize(static_cast<std::size_t>(type.num_options));
  result.present.resize(static_cast<std::size_t>(type.num_options) + 1);  // never null, even with no options declared
  for (const py::handle item : options) {
    const auto pair = py::reinterpret_borrow<py::tuple>(item);
    const auto index = pair[0].cast<std::size_t>();
    result.values[index] = pair[1].cast<double>();
    result.present[index] = 1;
  }
  return result;
}

}  // namespace

VectorCore::VectorCore(const EnvType& type, const py::list& kwargs, const CoreOptions& options,
                       std::shared_ptr<platform::Home> home)
    : options_(options), home_(home ? std::move(home) : std::make_shared<platform::Home>()) {
  const KwargValues values(*type.table, kwargs);
  const engine::EngineOptions engine_options{.num_envs = options.num_envs,
                                             .num_threads = options.num_threads,
                                             .pin_threads = options.pin_threads,
                                             .autoreset = static_cast<engine::AutoresetMode>(options.autoreset_mode),
                                             .max_episode_steps = options.max_episode_steps};
  without_gil([&] { engine_ = std::make_unique<engine::Engine>(*type.table, values.get(), engine_options); });
  const engine::Layout& layout = engine_->layout();
  buffers_ = std::make_unique<BufferRing>(layout, options.num_envs, !options.copy);
  results_ = std::make_unique<Results>(*engine_);
}

VectorCore::~VectorCore() {
  remove_port();
  free_engine();
}

void VectorCore::free_engine() {
  if (!home_->is_here()) {  // a copy of what the parent's threads may have been at work on: it is left as it is
    static_cast<void>(background_.release());
    static_cast<void>(runner_.release());
    static_cast<void>(engine_.release());
    return;
  }
  background_.reset();
  runner_.reset();
  engine_.reset();
}

engine::Engine& VectorCore::engine() const {
  if (!engine_) raise(Error::kClosed, "this vector env is closed");
  return *engine_;
}

void VectorCore::apply_seeds(const py::object& seeds, const py::object& seed_mask) {
  if (seeds.is_none()) return;
  const auto words = py::reinterpret_borrow<py::array>(seeds);
  engine_->seed({static_cast<const std::uint32_t*>(words.data()), static_cast<std::size_t>(words.size())},
                static_cast<std::size_t>(words.shape(1)), mask_data(seed_mask));
}

void VectorCore::seed(const py::object& seeds, const py::object& seed_mask) {
  const Call call(*this, "seed");
  apply_seeds(seeds, seed_mask);
}

py::tuple VectorCore::reset(const py::object& seeds, const py::object& seed_mask, const py::object& mask,
                            const py::object& options, const py::object& out) {
  const Call call(*this, "reset");
  engine::Engine& engine = call.engine();
  const auto reset_options = read_options(engine.envs().type(), options);
  const std::int64_t rows = engine.num_envs();
  BatchBuffer& buffer = buffers_->acquire();
  engine::BatchView view = buffer.view();
  OutArrays given;
  if (!out.is_none()) {
    given = parse_out(engine, out, rows);
    if (!given.observations.empty()) view.observations = given.observations;
  }
  // Options are checked before the seeds are applied: a refused reset changes nothing.
  without_gil([&] {
    if (reset_options) engine.envs().check_options(*reset_options);
  });
  apply_seeds(seeds, seed_mask);
  try {
    without_gil([&] { engine.reset(mask_data(mask), reset_options ? &*reset_options : nullptr, view, kStopCheck); });
  } catch (const engine::EnvFailures& failures) {
    raise(failures, results_->of_reset(buffer, given));
  }
  return results_->of_reset(buffer, given);
}

py::tuple VectorCore::step(py::handle actions, py::handle out) {
  const Call call(*this, "step");
  engine::Engine& engine = call.engine();
  const Actions converted(engine, actions, engine.num_envs(), options_.action_kinds);
  BatchBuffer& buffer = buffers_->acquire();
  const auto run = [&](const engine::BatchView& view, const OutArrays& given) {
    try {
      without_gil([&] { engine.step(converted.view(), view, kStopCheck); });
    } catch (const engine::EnvFailures& failures) {
      raise(failures, results_->of_step(buffer, given));
    }
    return results_->of_step(buffer, given);
  };
  if (out.is_none()) {
    static const OutArrays kNone;
    return run(buffer.view(), kNone);
  }
  PendingBatch batch(engine, buffer);
  batch.write_to(parse_out(engine, out, engine.num_envs()));
  return run(batch.view, batch.given);
}

void VectorCore::start_reset(const py::object& seeds, const py::object& seed_mask, const py::object& mask,
                             const py::object& options, const py::object& out) {
  const Call call(*this, "reset_async");
  engine::Engine& engine = call.engine();
  auto batch = std::make_unique<PendingBatch>(engine, buffers_->acquire());
  batch->options = read_options(engine.envs().type(), options);
  if (!out.is_none()) batch->write_to(parse_out(engine, out, engine.num_envs()));
  if (const std::uint8_t* which = mask_data(mask); which != nullptr) {
    batch->mask.emplace(which, which + engine.num_envs());
  }
  without_gil([&] {
    if (batch->options) engine.envs().check_options(*batch->options);
  });
  apply_seeds(seeds, seed_mask);
  start(std::move(batch));
}

void VectorCore::start_step(py::handle actions, py::handle out) {
  const Call call(*this, "step_async");
  engine::Engine& engine = call.engine();
  auto batch = std::make_unique<PendingBatch>(engine, buffers_->acquire());
  batch->actions.emplace(engine, actions, engine.num_envs(), options_.action_kinds, true);
  if (!out.is_none()) batch->write_to(parse_out(engine, out, engine.num_envs()));
  without_gil([&] { engine.check_step(batch->actions->view()); });
  start(std::move(batch));
}

void VectorCore::start(std::unique_ptr<PendingBatch> batch) {
  if (!background_) background_ = std::make_unique<engine::Background>();
  pending_ = std::move(batch);
  background_->start(PendingBatch::run, pending_.get());
}

py::tuple VectorCore::finish(std::optional<double> timeout) {
  const Call call(*this, "wait", Call::Beside::kAnything);
  if (!pending_) raise(Error::kAsyncState, "expected a call that is pending, got none");
  pending_->is_overdue = true;
  bool is_done = false;
  without_gil([&] { is_done = background_->wait(timeout, kStopCheck); });
  if (!is_done) {
    raise(Error::kCallTimeout, "the envs did not finish within " + std::to_string(timeout.value_or(0.0)) +
                                   " s; what was begun goes on and can be waited for again");
  }
  const std::unique_ptr<PendingBatch> batch = std::move(pending_);
  const auto result = [&] {
    return batch->actions ? results_->of_step(batch->buffer, batch->given)
                          : results_->of_reset(batch->buffer, batch->given);
  };
  try {
    if (const std::exception_ptr error = background_->error()) std::rethrow_exception(error);
  } catch (const engine::EnvFailures& failures) {
    raise(failures, result());
  } catch (const engine::EngineError& error) {
    raise(error);
  }
  return result();
}

void VectorCore::drop_pending() {
  without_gil([&] { background_->wait(std::nullopt, kStopCheck); });
  pending_.reset();
}

void VectorCore::hold(std::string name) {
  if (in_use_.exchange(true, std::memory_order_acquire)) raise_in_use();
  held_ = std::move(name);
  in_use_.store(false, std::memory_order_release);
}

void VectorCore::async_reset(const py::object& seeds, const py::object& seed_mask, const py::object& mask,
                             const py::object& options) {
  // Options are checked by the env's own code, which nobody else may be in meanwhile.
  const bool any_option = !options.is_none() && py::len(options) != 0;
  const Call call(*this, any_option ? "async_reset with options" : "async_reset",
                  any_option ? Call::Beside::kNothing : Call::Beside::kFlying);
  engine::Engine& engine = call.engine();
  const auto reset_options = read_options(engine.envs().type(), options);
  const std::uint8_t* which = mask_data(mask);
  std::vector<std::int64_t> envs;
  for (std::int64_t i = 0; i < engine.num_envs(); ++i) {
    if (which == nullptr || which[i] != 0) envs.push_back(i);
  }
  without_gil([&] {
    if (!runner_) runner_ = std::make_unique<engine::AsyncRunner>(engine);
    runner_->require_idle(envs, "async_reset");
    if (reset_options && in_flight() == 0) engine.envs().check_options(*reset_options);
  });
  apply_seeds(seeds, seed_mask);
  without_gil([&] { runner_->reset(envs, reset_options ? &*reset_options : nullptr); });
}

void VectorCore::send(py::handle actions, const py::array_t<std::int64_t>& envs) {
  const Call call(*this, "send", Call::Beside::kFlying);
  engine::Engine& engine = call.engine();
  const Actions converted(engine, actions, envs.size(), options_.action_kinds);
  without_gil([&] {
    if (!runner_) runner_ = std::make_unique<engine::AsyncRunner>(engine);
    runner_->step({envs.data(), static_cast<std::size_t>(envs.size())}, converted.view());
  });
}

py::tuple VectorCore::recv(std::optional<double> timeout, std::int64_t count) {
  const Call call(*this, "recv", Call::Beside::kFlying);
  engine::Engine& engine = call.engine();
  if (!runner_) raise(Error::kAsyncState, "recv: expected envs in flight, got none; call async_reset() first");
  if (!async_buffers_)
    async_buffers_ = std::make_unique<BufferRing>(engine.layout(), options_.batch_size, !options_.copy);
  // A batch of another size has memory of its own, which its arrays keep.
  std::optional<BatchBuffer> own;
  if (count != options_.batch_size) own.emplace(engine.layout(), count);
  BatchBuffer& buffer = own ? *own : async_buffers_->acquire();
  py::array_t<std::int64_t> envs(count);
  try {
    without_gil([&] { runner_->receive(count, timeout, buffer.view(), envs.mutable_data(), kStopCheck); });
  } catch (const engine::EnvFailures& failures) {
    raise(failures, results_->of_recv(buffer, envs));
  }
  return results_->of_recv(buffer, envs);
}

void VectorCore::close() {
  if (!engine_) return;
  if (!home_->is_here()) {
    free_engine();
    return;
  }
  const Call call(*this, "close", Call::Beside::kAnything);
  {
    const py::gil_scoped_release release;  // joining threads may wait for an env's step
    free_engine();
  }
  pending_.reset();
  async_buffers_.reset();
  buffers_.reset();
}

std::int64_t VectorCore::max_episode_steps() const { return engine().episodes().own_time_limit(); }
bool VectorCore::can_render() const { return engine().envs().can_render(); }
int VectorCore::num_threads() const { return options_.num_threads; }
double VectorCore::nanoseconds_per_env() { return engine().nanoseconds_per_env(); }

std::int64_t VectorCore::bytes_per_env() {
  const Call call(*this, "bytes_per_env");
  return call.engine().envs().bytes_per_env() + engine::Episodes::kBytesPerEnv;
}

}  // namespace fastvec::bindings
