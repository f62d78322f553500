// Whether this process is the one that made an object. Threads do not survive a fork, worker processes belong to the
// parent: who has some compares.
#pragma once

#include <cstdint>

namespace fastvec::platform {

// How often this process image was forked: grows by one in the child of every fork. Any thread may call it.
std::uint64_t fork_generation();

// The process in which it was made. Asking costs a load.
class Home {
 public:
  Home() : generation_(fork_generation()) {}
  // False in a process that was forked from it.
  bool is_here() const { return follows_ || generation_ == fork_generation(); }
  // From now on forked processes count as home: for who has nothing that a fork takes away.
  void follow_forks() { follows_ = true; }

 private:
  std::uint64_t generation_;
  bool follows_ = false;
};

}  // namespace fastvec::platform
