// How threads of this room wait for one another's work.
#pragma once

#include <chrono>
#include <cstdint>

namespace fastvec::engine {

using Clock = std::chrono::steady_clock;

inline constexpr auto kStopCheckInterval = std::chrono::milliseconds(20);  // between two looks for Ctrl-C
inline constexpr double kLongest = 365.0 * 24 * 3600;  // seconds; a longer timeout does not fit the clock's ticks
inline constexpr std::int64_t kSpin = 20'000;          // nanoseconds that who waits spins before it sleeps

}  // namespace fastvec::engine
