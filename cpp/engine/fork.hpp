// How often this process image was forked. Threads do not survive a fork; who owns some compares.
#pragma once

#include <cstdint>

namespace fastvec::engine {

// Grows by one in the child of every fork. Any thread may call it.
std::uint64_t fork_generation();

}  // namespace fastvec::engine
