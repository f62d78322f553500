// Commands from one process to its workers, and their replies, through memory that all of them share.
//
// Each worker has a ring of commands that the parent alone writes and the worker alone reads, and a ring of replies
// the other way round. Nobody locks: a worker that dies at any point holds up nobody else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ipc/shared_counter.hpp"

namespace fastvec::ipc {

struct Command {
  std::int32_t kind = 0;
  std::int32_t first = 0;  // meaning depends on the kind
  std::int32_t second = 0;
};

struct Reply {
  std::int64_t time = 0;  // nanoseconds of the steady clock, which all processes of a machine share
  std::int32_t env = 0;
  std::int32_t flags = 0;
};

class CommandQueues {
 public:
  // Bytes of shared memory (zero at first, aligned to 64) for `workers` with at most `capacity` commands or
  // replies under way each.
  static std::size_t size(int workers, int capacity);
  CommandQueues(void* memory, int workers, int capacity);

  int workers() const { return workers_; }

  // Parent. Not more than `capacity` commands may be unanswered.
  void post(int worker, const Command& command);
  // Waits until at least `count` replies can be collected, or one that is to wake the parent now.
  WaitResult wait(std::int64_t count, const Patience& patience);
  std::int64_t available() const;
  // Appends all replies that are there, with their workers, in the order in which they were given.
  struct Received {
    int worker = 0;
    Reply reply;
  };
  void collect(std::vector<Received>& into);
  // Forgets all commands and replies of a worker that has ended, before another takes its place.
  void clear(int worker);

  // Worker. Spins for the command only if the last one came within `patience.spin`: a caller who is busy
  // with something else for longer is left the core.
  WaitResult next(int worker, Patience patience, Command& command);
  // `wake_now`: the parent is to collect it now, however many others it waits for.
  void reply(int worker, std::int32_t env, std::int32_t flags, bool wake_now = false);

 private:
  struct WorkerQueue;  // one worker's part of the memory

  WorkerQueue& queue(int worker) const;
  Command* commands(int worker) const;
  Reply* replies(int worker) const;
  bool any_wake_now() const;

  std::byte* memory_;
  int workers_;
  std::uint32_t capacity_;
  std::vector<std::uint32_t> read_;  // parent: replies read per worker
  std::uint32_t taken_ = 0;          // worker: commands taken
  std::int64_t last_wait_ = 0;       // worker: nanoseconds it waited for the last one
};

}  // namespace fastvec::ipc
