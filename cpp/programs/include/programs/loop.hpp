// Calls of compiled programs in a loop, for the trainer: phases one after the other, the calls of a phase side by side.
#pragma once

#include <cstdint>
#include <span>
#include <thread>
#include <vector>

#include "engine/thread_pool.hpp"

namespace fastvec::programs {

// A program as the trainer's code generator writes it. It returns 0, or a number that says why it broke off.
using Program = int (*)(void** buffers, void* gemm);

// Calls of one program that do not touch what another of them writes. Buffer b of call c lies, for a row, at
// addresses[c * width + b] + row * strides[c * width + b].
struct Phase {
  Program program = nullptr;
  std::int64_t calls = 0;
  std::int64_t width = 0;
  const std::int64_t* addresses = nullptr;
  const std::int64_t* strides = nullptr;
};

struct Outcome {
  int status = 0;        // of the first call that broke off: nothing is called after its phase
  bool stopped = false;  // should_stop said so, between two rows
};

// Called once in every thread of the pool before its first program.
struct ThreadStart {
  void (*function)(void* context) = nullptr;
  void* context = nullptr;
};

// Belongs to one caller at a time, in the process that made it.
class Loop {
 public:
  Loop(int num_threads, void* gemm, ThreadStart start) : pool_(num_threads, false), gemm_(gemm), start_(start) {}

  // For each of `rows`: all phases. A phase sees what those before it wrote.
  Outcome run(std::span<const Phase> phases, std::int64_t rows, const engine::StopCheck& stop);

 private:
  struct Part;
  void call(const Part& part, std::int64_t index);

  engine::ThreadPool pool_;
  void* gemm_;
  ThreadStart start_;
  std::thread::id caller_;
  std::vector<void*> buffers_;
  std::vector<int> statuses_;
};

}  // namespace fastvec::programs
