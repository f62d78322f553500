#include "switchboard.hpp"

#include <algorithm>
#include <atomic>

#include "clock.hpp"

namespace fastvec::engine {

struct Switchboard::Desk {
  SharedSignal commands;              // counts the commands posted; the worker waits for it
  alignas(64) std::uint32_t answers;  // counts the answers given
  std::uint32_t urgent;               // 1: one of them cannot wait
};

namespace {

constexpr std::size_t kAlign = 64;
constexpr std::uint32_t kUrgent = 1u << 24;  // more than anyone waits for: the bell wakes the parent at once

std::size_t padded(std::size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

// Rings are indexed by counters that wrap around, so their size must divide 2^32.
std::uint32_t power_of_two(int capacity) {
  std::uint32_t size = 1;
  while (size < static_cast<std::uint32_t>(capacity)) size *= 2;
  return size;
}

std::atomic_ref<std::uint32_t> word(std::uint32_t& value) { return std::atomic_ref<std::uint32_t>(value); }

}  // namespace

std::size_t Switchboard::size(int workers, int capacity) {
  const std::size_t slots = power_of_two(capacity);
  const std::size_t one = padded(sizeof(Desk)) + padded(slots * sizeof(Command)) + padded(slots * sizeof(Answer));
  return padded(sizeof(SharedSignal)) + static_cast<std::size_t>(workers) * one;
}

Switchboard::Switchboard(void* memory, int workers, int capacity)
    : memory_(static_cast<std::byte*>(memory)),
      workers_(workers),
      capacity_(power_of_two(capacity)),
      read_(static_cast<std::size_t>(workers)) {}

Switchboard::Desk& Switchboard::desk(int worker) const {
  const std::size_t one =
      padded(sizeof(Desk)) + padded(capacity_ * sizeof(Command)) + padded(capacity_ * sizeof(Answer));
  return *reinterpret_cast<Desk*>(memory_ + padded(sizeof(SharedSignal)) + static_cast<std::size_t>(worker) * one);
}

Command* Switchboard::commands(int worker) const {
  return reinterpret_cast<Command*>(reinterpret_cast<std::byte*>(&desk(worker)) + padded(sizeof(Desk)));
}

Answer* Switchboard::answers(int worker) const {
  return reinterpret_cast<Answer*>(reinterpret_cast<std::byte*>(commands(worker)) +
                                   padded(capacity_ * sizeof(Command)));
}

// Raising the signal publishes the entry (release); the worker's wait acquires it.
void Switchboard::post(int worker, const Command& command) {
  SharedSignal& posted = desk(worker).commands;
  commands(worker)[posted.now() & (capacity_ - 1)] = command;
  posted.raise();
}

WaitResult Switchboard::next(int worker, Patience patience, Command& command) {
  const std::int64_t begin = now_ns();
  if (last_wait_ > patience.spin) patience.spin = 0;
  const WaitResult result = desk(worker).commands.wait(taken_ + 1, patience);
  if (result != WaitResult::kReached) return result;
  last_wait_ = now_ns() - begin;
  command = commands(worker)[taken_++ & (capacity_ - 1)];
  return result;
}

void Switchboard::answer(int worker, std::int32_t env, std::int32_t flags, bool urgent) {
  std::uint32_t& given = desk(worker).answers;
  const std::uint32_t at = word(given).load(std::memory_order_relaxed);  // only this worker writes it
  answers(worker)[at & (capacity_ - 1)] = {now_ns(), env, flags};
  word(given).store(at + 1, std::memory_order_release);  // publishes the entry to `available` and `collect`
  if (urgent) word(desk(worker).urgent).store(1, std::memory_order_release);  // `collect` clears it
  reinterpret_cast<SharedSignal*>(memory_)->raise(urgent ? kUrgent : 1);
}

bool Switchboard::any_urgent() const {
  for (int worker = 0; worker < workers_; ++worker) {
    if (word(desk(worker).urgent).load(std::memory_order_acquire) != 0) return true;
  }
  return false;
}

std::int64_t Switchboard::available() const {
  std::int64_t sum = 0;
  for (int worker = 0; worker < workers_; ++worker) {
    sum += word(desk(worker).answers).load(std::memory_order_acquire) - read_[static_cast<std::size_t>(worker)];
  }
  return sum;
}

// The bell is read before the answers are counted. So the answers that are missing will raise it as often as
// they are many, or more often if one counted here has yet to ring it: the wait may end early, never late.
WaitResult Switchboard::wait(std::int64_t count, const Patience& patience) {
  SharedSignal& bell = *reinterpret_cast<SharedSignal*>(memory_);
  for (;;) {
    const std::uint32_t rung = bell.now();
    const std::int64_t missing = count - available();
    if (missing <= 0 || any_urgent()) return WaitResult::kReached;
    const WaitResult result = bell.wait(rung + static_cast<std::uint32_t>(missing), patience);
    if (result != WaitResult::kReached) return available() >= count ? WaitResult::kReached : result;
  }
}

void Switchboard::collect(std::vector<Received>& into) {
  const std::size_t begin = into.size();
  for (int worker = 0; worker < workers_; ++worker) {
    // Cleared before the answers are read: one that turns urgent in between is collected now or noticed later.
    word(desk(worker).urgent).store(0, std::memory_order_seq_cst);
    std::uint32_t& read = read_[static_cast<std::size_t>(worker)];
    const std::uint32_t given = word(desk(worker).answers).load(std::memory_order_acquire);
    for (; read != given; ++read) into.push_back({worker, answers(worker)[read & (capacity_ - 1)]});
  }
  std::stable_sort(into.begin() + static_cast<std::ptrdiff_t>(begin), into.end(),
                   [](const Received& a, const Received& b) { return a.answer.time < b.answer.time; });
}

void Switchboard::clear(int worker) {
  Desk& cleared = desk(worker);
  word(cleared.commands.count).store(0, std::memory_order_relaxed);
  word(cleared.commands.parked).store(0, std::memory_order_relaxed);
  word(cleared.answers).store(0, std::memory_order_release);
  word(cleared.urgent).store(0, std::memory_order_relaxed);
  read_[static_cast<std::size_t>(worker)] = 0;
}

}  // namespace fastvec::engine
