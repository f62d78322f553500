#include "programs/loop.hpp"

#include <algorithm>

#include "platform/clock.hpp"

namespace fastvec::programs {

namespace {

constexpr std::int64_t kLookInterval = 20'000'000;  // nanoseconds between two looks for Ctrl-C

}  // namespace

struct Loop::Part {
  Loop* loop;
  const Phase* phase;
  std::int64_t row;
};

void Loop::call(const Part& part, std::int64_t index) {
  thread_local bool is_started = false;
  if (!is_started && start_.function != nullptr && std::this_thread::get_id() != caller_) {
    is_started = true;
    start_.function(start_.context);
  }
  const Phase& phase = *part.phase;
  void** buffers = buffers_.data() + index * phase.width;
  for (std::int64_t b = 0; b < phase.width; ++b) {
    const std::int64_t at = index * phase.width + b;
    buffers[b] = reinterpret_cast<void*>(phase.addresses[at] + part.row * phase.strides[at]);
  }
  statuses_[static_cast<std::size_t>(index)] = phase.program(buffers, gemm_);
}

Outcome Loop::run(std::span<const Phase> phases, std::int64_t rows, const engine::StopCheck& stop) {
  caller_ = std::this_thread::get_id();
  for (const Phase& phase : phases) {
    buffers_.resize(std::max(buffers_.size(), static_cast<std::size_t>(phase.calls * phase.width)));
    statuses_.resize(std::max(statuses_.size(), static_cast<std::size_t>(phase.calls)));
  }
  std::int64_t last_look = platform::now_ns();
  for (std::int64_t row = 0; row < rows; ++row) {
    for (const Phase& phase : phases) {
      Part part{this, &phase, row};
      pool_.run({.count = phase.calls,
                 .grain = 1,
                 .participants = static_cast<int>(std::min<std::int64_t>(phase.calls, pool_.num_threads())),
                 .function =
                     [](void* context, std::int64_t first, std::int64_t last) {
                       const Part& own = *static_cast<Part*>(context);
                       for (std::int64_t index = first; index < last; ++index) own.loop->call(own, index);
                     },
                 .context = &part},
                {});
      for (std::int64_t index = 0; index < phase.calls; ++index) {
        if (const int status = statuses_[static_cast<std::size_t>(index)]; status != 0) return {.status = status};
      }
    }
    if (stop.should_stop == nullptr || platform::now_ns() - last_look < kLookInterval) continue;
    last_look = platform::now_ns();
    if (stop.should_stop(stop.context)) return {.stopped = true};
  }
  return {};
}

}  // namespace fastvec::programs
