// Time and waiting for what spins: a monotonic clock, and the hint that lets the other half of a core run.
#pragma once

#include <chrono>
#include <cstdint>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#elif !defined(__aarch64__) || defined(_MSC_VER)
#include <thread>
#endif

namespace fastvec::platform {

// Nanoseconds of a clock that never goes back.
inline std::int64_t now_ns() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
}

// Between two looks at a word that another thread will change.
inline void pause() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && !defined(_MSC_VER)
  asm volatile("yield");
#else
  std::this_thread::yield();
#endif
}

}  // namespace fastvec::platform
