#include <doctest/doctest.h>

#include <cstdint>

#include "engine/scheduler.hpp"

using namespace fastvec::engine;

namespace {

Work plan(Scheduler& scheduler, ThreadPool& pool, std::int64_t count) {
  Work work{.count = count};
  scheduler.plan(work, pool);
  return work;
}

// What a batch reports in which each env took `nanoseconds`.
void teach(Scheduler& scheduler, std::int64_t count, double nanoseconds) {
  RunReport report;
  report.busy = static_cast<std::int64_t>(nanoseconds * static_cast<double>(count));
  scheduler.learn(report, count);
}

}  // namespace

TEST_CASE("a plan stays within the pool and the batch") {
  for (const int threads : {1, 2, 6}) {
    ThreadPool pool(threads, false);
    Scheduler scheduler;
    for (const double cost : {0.0, 5.0, 100.0, 1e5, 1e9}) {
      for (const std::int64_t count : {1, 2, 3, 100, 255, 256, 5000, 1'000'000}) {
        const Work work = plan(scheduler, pool, count);
        CHECK(work.participants >= 1);
        CHECK(work.participants <= threads);
        CHECK(work.participants <= count);
        CHECK(work.grain >= 1);
      }
      if (cost > 0.0) teach(scheduler, 1000, cost);
    }
  }
}

TEST_CASE("small quick batches run inline, large slow ones are shared out") {
  ThreadPool pool(4, false);
  Scheduler quick;
  teach(quick, 8, 20.0);
  CHECK(plan(quick, pool, 8).participants == 1);
  Scheduler slow;
  teach(slow, 8, 1e7);  // 10 ms per env
  CHECK(plan(slow, pool, 8).participants == 4);
  CHECK(plan(slow, pool, 8).grain == 1);
}

TEST_CASE("while nothing is known ranges are short") {
  ThreadPool pool(2, false);
  Scheduler scheduler;
  CHECK(plan(scheduler, pool, 100'000).grain <= 64);
  CHECK(plan(scheduler, pool, 100'000).participants == 2);
  CHECK(plan(scheduler, pool, 4).participants == 1);
}

TEST_CASE("the estimate follows the measurements, and one outlier moves it little") {
  Scheduler scheduler;
  CHECK(scheduler.nanoseconds_per_env() == 0.0);
  for (int i = 0; i < 50; ++i) teach(scheduler, 100, 50.0);
  CHECK(scheduler.nanoseconds_per_env() == doctest::Approx(50.0));
  teach(scheduler, 100, 1e6);
  CHECK(scheduler.nanoseconds_per_env() < 100.0);
  for (int i = 0; i < 200; ++i) teach(scheduler, 100, 500.0);
  CHECK(scheduler.nanoseconds_per_env() == doctest::Approx(500.0).epsilon(0.05));
}

TEST_CASE("a batch that was stopped teaches nothing") {
  Scheduler scheduler;
  teach(scheduler, 10, 30.0);
  RunReport report;
  report.busy = 1'000'000;
  report.stopped = true;
  scheduler.learn(report, 10);
  CHECK(scheduler.nanoseconds_per_env() == doctest::Approx(30.0));
}
