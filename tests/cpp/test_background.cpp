#include "engine/background.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>

#include "engine/errors.hpp"
#include "fault_of.hpp"

namespace {

using fastvec::engine::Background;
using fastvec::engine::Fault;
using fastvec::engine::StopCheck;

struct Gate {
  std::atomic<bool> is_open{false};
  std::atomic<bool> was_stopped{false};
  int value = 0;  // written by the work, read after it was waited for
  std::thread::id thread;
};

void pass(void* raw, const StopCheck& stop) {
  auto& gate = *static_cast<Gate*>(raw);
  gate.thread = std::this_thread::get_id();
  while (!gate.is_open.load()) {
    if (stop.should_stop(stop.context)) {
      gate.was_stopped.store(true);
      return;
    }
    std::this_thread::yield();
  }
  ++gate.value;
}

}  // namespace

TEST_CASE("work in the background runs on another thread, again and again") {
  Background background;
  Gate gate;
  gate.is_open.store(true);
  for (int i = 1; i <= 200; ++i) {
    background.start(pass, &gate);
    CHECK(background.wait(std::nullopt, {}));
    CHECK(gate.value == i);
    CHECK(background.error() == nullptr);
  }
  CHECK(gate.thread != std::this_thread::get_id());
}

TEST_CASE("a wait that ends early can be repeated") {
  Background background;
  Gate gate;
  background.start(pass, &gate);
  for (const double timeout : {0.0, -1.0, 0.001, -std::numeric_limits<double>::infinity()}) {
    CHECK_FALSE(background.wait(timeout, {}));
  }
  CHECK(fault_of([&] { background.wait(std::nan(""), {}); }) == Fault::kInvalidArgument);
  const StopCheck stop{[](void*) { return true; }, nullptr};
  CHECK(fault_of([&] { background.wait(std::nullopt, stop); }) == Fault::kInterrupted);
  gate.is_open.store(true);
  CHECK(background.wait(std::numeric_limits<double>::infinity(), {}));
  CHECK(background.wait(0.0, {}));  // it stays done
  CHECK(gate.value == 1);
}

TEST_CASE("what the work throws is kept for the caller") {
  Background background;
  background.start([](void*, const StopCheck&) { throw std::runtime_error("it broke"); }, nullptr);
  REQUIRE(background.wait(std::nullopt, {}));
  REQUIRE(background.error() != nullptr);
  CHECK_THROWS_WITH(std::rethrow_exception(background.error()), "it broke");
  Gate gate;
  gate.is_open.store(true);
  background.start(pass, &gate);
  REQUIRE(background.wait(std::nullopt, {}));
  CHECK(background.error() == nullptr);
}

TEST_CASE("work that nobody waits for is asked to stop when its thread has to end") {
  Gate gate;
  {
    Background background;
    background.start(pass, &gate);
  }
  // Either it had not begun, or it was told.
  CHECK(gate.value == 0);
}
