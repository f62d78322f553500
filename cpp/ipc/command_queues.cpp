#include "ipc/command_queues.hpp"

#include <algorithm>
#include <atomic>

#include "platform/clock.hpp"

namespace fastvec::ipc {

struct CommandQueues::WorkerQueue {
  SharedCounter commands;             // counts the commands posted; the worker waits for it
  alignas(64) std::uint32_t replies;  // counts the replies given
  std::uint32_t wake_now;             // 1: one of them is to wake the parent now
};

namespace {

constexpr std::size_t kAlign = 64;
constexpr std::uint32_t kWakeNow = 1u << 24;  // more than anyone waits for: it reaches any target of the ready counter

std::size_t padded(std::size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

// Rings are indexed by counters that wrap around, so their size must divide 2^32.
std::uint32_t power_of_two(int capacity) {
  std::uint32_t size = 1;
  while (size < static_cast<std::uint32_t>(capacity)) size *= 2;
  return size;
}

std::atomic_ref<std::uint32_t> word(std::uint32_t& value) { return std::atomic_ref<std::uint32_t>(value); }

}  // namespace

std::size_t CommandQueues::size(int workers, int capacity) {
  const std::size_t entries = power_of_two(capacity);
  const std::size_t one =
      padded(sizeof(WorkerQueue)) + padded(entries * sizeof(Command)) + padded(entries * sizeof(Reply));
  return padded(sizeof(SharedCounter)) + static_cast<std::size_t>(workers) * one;
}

CommandQueues::CommandQueues(void* memory, int workers, int capacity)
    : memory_(static_cast<std::byte*>(memory)),
      workers_(workers),
      capacity_(power_of_two(capacity)),
      read_(static_cast<std::size_t>(workers)) {}

CommandQueues::WorkerQueue& CommandQueues::queue(int worker) const {
  const std::size_t one =
      padded(sizeof(WorkerQueue)) + padded(capacity_ * sizeof(Command)) + padded(capacity_ * sizeof(Reply));
  return *reinterpret_cast<WorkerQueue*>(memory_ + padded(sizeof(SharedCounter)) +
                                         static_cast<std::size_t>(worker) * one);
}

Command* CommandQueues::commands(int worker) const {
  return reinterpret_cast<Command*>(reinterpret_cast<std::byte*>(&queue(worker)) + padded(sizeof(WorkerQueue)));
}

Reply* CommandQueues::replies(int worker) const {
  return reinterpret_cast<Reply*>(reinterpret_cast<std::byte*>(commands(worker)) + padded(capacity_ * sizeof(Command)));
}

// Raising the signal publishes the entry (release); the worker's wait acquires it.
void CommandQueues::post(int worker, const Command& command) {
  SharedCounter& posted = queue(worker).commands;
  commands(worker)[posted.now() & (capacity_ - 1)] = command;
  posted.raise();
}

WaitResult CommandQueues::next(int worker, Patience patience, Command& command) {
  const std::int64_t begin = platform::now_ns();
  if (last_wait_ > patience.spin) patience.spin = 0;
  const WaitResult result = queue(worker).commands.wait(taken_ + 1, patience);
  if (result != WaitResult::kReached) return result;
  last_wait_ = platform::now_ns() - begin;
  command = commands(worker)[taken_++ & (capacity_ - 1)];
  return result;
}

void CommandQueues::reply(int worker, std::int32_t env, std::int32_t flags, bool wake_now) {
  std::uint32_t& given = queue(worker).replies;
  const std::uint32_t at = word(given).load(std::memory_order_relaxed);  // only this worker writes it
  replies(worker)[at & (capacity_ - 1)] = {platform::now_ns(), env, flags};
  word(given).store(at + 1, std::memory_order_release);  // publishes the entry to `available` and `collect`
  if (wake_now) word(queue(worker).wake_now).store(1, std::memory_order_release);  // `collect` clears it
  reinterpret_cast<SharedCounter*>(memory_)->raise(wake_now ? kWakeNow : 1);
}

bool CommandQueues::any_wake_now() const {
  for (int worker = 0; worker < workers_; ++worker) {
    if (word(queue(worker).wake_now).load(std::memory_order_acquire) != 0) return true;
  }
  return false;
}

std::int64_t CommandQueues::available() const {
  std::int64_t sum = 0;
  for (int worker = 0; worker < workers_; ++worker) {
    sum += word(queue(worker).replies).load(std::memory_order_acquire) - read_[static_cast<std::size_t>(worker)];
  }
  return sum;
}

// The ready counter is read before the replies are counted. So the replies that are missing will raise it as often as
// they are many, or more often if one counted here has yet to raise it: the wait may end early, never late.
WaitResult CommandQueues::wait(std::int64_t count, const Patience& patience) {
  SharedCounter& ready = *reinterpret_cast<SharedCounter*>(memory_);
  for (;;) {
    const std::uint32_t seen = ready.now();
    const std::int64_t missing = count - available();
    if (missing <= 0 || any_wake_now()) return WaitResult::kReached;
    const WaitResult result = ready.wait(seen + static_cast<std::uint32_t>(missing), patience);
    if (result != WaitResult::kReached) return available() >= count ? WaitResult::kReached : result;
  }
}

void CommandQueues::collect(std::vector<Received>& into) {
  const std::size_t begin = into.size();
  for (int worker = 0; worker < workers_; ++worker) {
    // Cleared before the replies are read: one given with `wake_now` in between is collected now or noticed later.
    word(queue(worker).wake_now).store(0, std::memory_order_seq_cst);
    std::uint32_t& read = read_[static_cast<std::size_t>(worker)];
    const std::uint32_t given = word(queue(worker).replies).load(std::memory_order_acquire);
    for (; read != given; ++read) into.push_back({worker, replies(worker)[read & (capacity_ - 1)]});
  }
  std::stable_sort(into.begin() + static_cast<std::ptrdiff_t>(begin), into.end(),
                   [](const Received& a, const Received& b) { return a.reply.time < b.reply.time; });
}

void CommandQueues::clear(int worker) {
  WorkerQueue& cleared = queue(worker);
  word(cleared.commands.count).store(0, std::memory_order_relaxed);
  word(cleared.commands.parked).store(0, std::memory_order_relaxed);
  word(cleared.replies).store(0, std::memory_order_release);
  word(cleared.wake_now).store(0, std::memory_order_relaxed);
  read_[static_cast<std::size_t>(worker)] = 0;
}

}  // namespace fastvec::ipc
