// The guard of VectorCore's calls.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "errors.hpp"
#include "vector_core.hpp"

namespace fastvec::bindings {

// Raises ForkedError in a process that was forked from the one where `home` was made.
inline void require_home(const platform::Home& home) {
  if (home.is_here()) return;
  raise(
      Error::kForked,
      "this process was forked from the one that made this vector env, which alone can use it; make another one here");
}

[[noreturn]] inline void raise_in_use() {
  raise(Error::kRuntime,
        "this vector env is in use by another thread: expected one caller at a time; guard it with a lock or give each "
        "thread its own");
}

// One call of a VectorCore's under way: the one guard that every call which touches envs begins with.
//
// It refuses a vector that is closed, that a forked child has got from its parent, that another thread is in, or that
// has something under way which the call cannot be beside. XLA's calls (xla.hpp) take and give back the same flag,
// without the GIL.
class VectorCore::Call {
 public:
  // What else may be under way: nothing; envs in flight; a pending batch as well.
  enum class Beside { kNothing, kFlying, kAnything };

  Call(VectorCore& core, const char* what, Beside beside = Beside::kNothing) : core_(core) {
    if (!core.engine_) raise(Error::kClosed, "this vector env is closed");
    require_home(*core.home_);  // first: what else is noted may be of a call that another thread had under way
    if (core.in_use_.exchange(true, std::memory_order_acquire)) raise_in_use();
    try {
      if (!core.engine_) raise(Error::kClosed, "this vector env is closed");
      if (beside != Beside::kAnything) refuse_if_pending(what);
      if (beside == Beside::kNothing && core.in_flight() != 0) {
        raise(Error::kAsyncState, std::string(what) + ": expected no env in flight, got " +
                                      std::to_string(core.in_flight()) + "; recv() them first");
      }
      if (beside != Beside::kAnything && core.pending_) core.drop_pending();
    } catch (...) {
      core_.in_use_.store(false, std::memory_order_release);
      throw;
    }
  }
  ~Call() { core_.in_use_.store(false, std::memory_order_release); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  engine::Engine& engine() const { return *core_.engine_; }

 private:
  void refuse_if_pending(const char* what) const {
    const bool is_pending = core_.pending_ && !core_.pending_->is_overdue;
    if (!is_pending && core_.held_.empty()) return;
    raise_already_pending(what, is_pending ? core_.pending_->name() : core_.held_);
  }

  VectorCore& core_;
};

}  // namespace fastvec::bindings
