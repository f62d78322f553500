#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <thread>
#include <vector>

#include "engine/thread_pool.hpp"

using namespace fastvec::engine;

namespace {

struct Hits {
  explicit Hits(std::int64_t count) : counts(static_cast<std::size_t>(count)) {}
  std::vector<std::atomic<int>> counts;
  std::atomic<std::int64_t> widest{0};

  static void add(void* self, std::int64_t first, std::int64_t last) {
    auto& hits = *static_cast<Hits*>(self);
    for (std::int64_t i = first; i < last; ++i) hits.counts[static_cast<std::size_t>(i)].fetch_add(1);
    std::int64_t seen = hits.widest.load();
    while (last - first > seen && !hits.widest.compare_exchange_weak(seen, last - first)) {
    }
  }
  bool all(int expected) const {
    for (const auto& count : counts) {
      if (count.load() != expected) return false;
    }
    return true;
  }
};

}  // namespace

TEST_CASE("every index is handed out exactly once") {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads, false);
    for (const std::int64_t count : {1, 2, 7, 64, 1000}) {
      for (const std::int64_t grain : {1, 3, 64, 5000}) {
        for (int participants = 1; participants <= threads; ++participants) {
          Hits hits(count);
          const RunReport report = pool.run({count, grain, participants, Hits::add, &hits}, {});
          CHECK(hits.all(1));
          CHECK(hits.widest.load() <= grain);
          CHECK_FALSE(report.stopped);
          CHECK(report.wall >= 0);
        }
      }
    }
  }
}

TEST_CASE("a pool is used again and again, spinning and parked") {
  ThreadPool pool(4, false);
  constexpr int kRuns = 500;
  Hits hits(257);
  for (int run = 0; run < kRuns; ++run) {
    pool.set_spin(run % 3 == 0 ? 0 : 2'000);
    pool.run({257, 5, 1 + run % 4, Hits::add, &hits}, {});
  }
  CHECK(hits.all(kRuns));
}

TEST_CASE("plain data written by one batch is seen by the next") {
  // Unsynchronised on purpose: the pool itself must order the batches (a thread sanitizer checks it).
  ThreadPool pool(3, false);
  std::vector<std::int64_t> data(999);
  std::iota(data.begin(), data.end(), 0);
  for (int run = 0; run < 200; ++run) {
    pool.run({999, 10, 1 + run % 3,
              [](void* context, std::int64_t first, std::int64_t last) {
                auto* values = static_cast<std::vector<std::int64_t>*>(context)->data();
                for (std::int64_t i = first; i < last; ++i) values[i] += 1;
              },
              &data},
             {});
    data[static_cast<std::size_t>(run)] += 1;  // the caller writes in between
  }
  for (std::int64_t i = 0; i < 999; ++i) CHECK(data[static_cast<std::size_t>(i)] == i + 200 + (i < 200 ? 1 : 0));
}

TEST_CASE("more participants than threads are as many as there are") {
  ThreadPool pool(2, false);
  Hits hits(100);
  pool.run({100, 1, 50, Hits::add, &hits}, {});
  pool.run({100, 1, 0, Hits::add, &hits}, {});
  CHECK(hits.all(2));
}

TEST_CASE("a stop check ends the work early, and the pool goes on") {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads, false);
    std::atomic<std::int64_t> done{0};
    const Work work{1'000'000, 1, threads,
                    [](void* context, std::int64_t first, std::int64_t last) {
                      static_cast<std::atomic<std::int64_t>*>(context)->fetch_add(last - first);
                      std::this_thread::sleep_for(std::chrono::microseconds(200));
                    },
                    &done};
    const RunReport report = pool.run(work, {[](void*) { return true; }, nullptr});
    CHECK(report.stopped);
    CHECK(done.load() < 1'000'000);
    Hits hits(500);
    CHECK_FALSE(pool.run({500, 3, threads, Hits::add, &hits}, {}).stopped);
    CHECK(hits.all(1));
  }
}

TEST_CASE("ranges that turn out slow are cut, so that the stop check is asked") {
  // One range for everything, as for an env thought to be quick; each index takes a millisecond.
  ThreadPool pool(1, false);
  struct State {
    std::int64_t done = 0;
    int asked = 0;
  } state;
  const Work work{2000, 100, 1,
                  [](void* context, std::int64_t first, std::int64_t last) {
                    static_cast<State*>(context)->done += last - first;
                    std::this_thread::sleep_for(std::chrono::milliseconds(last - first));
                  },
                  &state};
  const RunReport report =
      pool.run(work, {[](void* context) { return ++static_cast<State*>(context)->asked >= 4; }, &state});
  CHECK(report.stopped);
  CHECK(state.done < 200);  // 100, and then ranges of about ten
}

TEST_CASE("a stop check that never stops changes nothing") {
  ThreadPool pool(2, false);
  Hits hits(300);
  for (int run = 0; run < 20; ++run) pool.run({300, 7, 2, Hits::add, &hits}, {[](void*) { return false; }, nullptr});
  CHECK(hits.all(20));
}

TEST_CASE("pools can be nested and stand side by side") {
  struct Nested {
    ThreadPool pool{3, false};
    Hits hits{50};
  };
  ThreadPool outer(2, false);
  Nested inner[2];
  outer.run({2, 1, 2,
             [](void* context, std::int64_t first, std::int64_t last) {
               for (std::int64_t i = first; i < last; ++i) {
                 Nested& nested = static_cast<Nested*>(context)[i];
                 for (int run = 0; run < 20; ++run) nested.pool.run({50, 2, 3, Hits::add, &nested.hits}, {});
               }
             },
             inner},
            {});
  CHECK(inner[0].hits.all(20));
  CHECK(inner[1].hits.all(20));
}

TEST_CASE("a slow range does not hold up the others' share") {
  // The caller's share is taken over by the worker while the caller is busy with its first index.
  ThreadPool pool(2, false);
  struct State {
    std::thread::id caller = std::this_thread::get_id();
    std::atomic<int> others{0};
    std::vector<std::thread::id> who = std::vector<std::thread::id>(100);
  } state;
  pool.run({100, 1, 2,
            [](void* context, std::int64_t first, std::int64_t) {
              auto& s = *static_cast<State*>(context);
              s.who[static_cast<std::size_t>(first)] = std::this_thread::get_id();
              if (std::this_thread::get_id() != s.caller) s.others.fetch_add(1);
              if (first == 0) {  // until all others are done
                while (s.others.load() < 99) std::this_thread::yield();
              }
            },
            &state},
           {});
  CHECK(state.others.load() == 99);
}

TEST_CASE("pools come and go") {
  for (int i = 0; i < 50; ++i) {
    ThreadPool pool(1 + i % 5, i % 2 == 0);
    if (i % 3 == 0) continue;  // never used
    Hits hits(20);
    pool.run({20, 1, 5, Hits::add, &hits}, {});
    CHECK(hits.all(1));
  }
}
