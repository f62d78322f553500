// A thread that runs one piece of work while its caller goes on with something else.
//
// One caller at a time, in the process that made it. The thread sleeps while there is nothing to do.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "engine/thread_pool.hpp"

namespace fastvec::engine {

class Background {
 public:
  // What is to be done. `stop` becomes true when nobody wants the result any more.
  using Function = void (*)(void* context, const StopCheck& stop);

  Background();
  ~Background();  // stops the work under way, waits for it and joins the thread
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // Begins. The work before it was waited for.
  void start(Function function, void* context);
  // Waits until the work is done: for `timeout` seconds at most, or as long as it takes. False if it is not done.
  // Throws EngineError (kInvalidArgument for NaN; kInterrupted if `stop` says so, and the work goes on).
  bool wait(std::optional<double> timeout, const StopCheck& stop);
  // What the work threw, once it is done: null if nothing.
  std::exception_ptr error() const { return error_; }

 private:
  void loop();

  std::mutex mutex_;  // guards what follows, but for the work itself
  std::condition_variable begun_, done_;
  Function function_ = nullptr;  // not null: work to do, or under way
  void* context_ = nullptr;
  std::exception_ptr error_;  // written by the thread, read once `is_done_`
  std::atomic<bool> is_done_{true};
  std::atomic<bool> unwanted_{false};
  bool quit_ = false;
  std::thread thread_;
};

}  // namespace fastvec::engine
