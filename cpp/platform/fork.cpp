#include "platform/fork.hpp"

#include <atomic>

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace fastvec::platform {

namespace {
// Written in a forked child, where there is one thread only; read by any thread: relaxed is enough.
std::atomic<std::uint64_t> generation{0};
}  // namespace

std::uint64_t fork_generation() {
#if !defined(_WIN32)
  static const int registered =
      pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); });
  static_cast<void>(registered);
#endif
  return generation.load(std::memory_order_relaxed);
}

}  // namespace fastvec::platform
