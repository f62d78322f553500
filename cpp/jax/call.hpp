// What a handler was called with, checked against a vector's layout: from XLA's buffers to the engine's pointers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/batch.hpp"
#include "engine/layout.hpp"
#include "jax/ffi.hpp"

namespace fastvec::jax {

// Becomes XLA's error with this code.
class CallError : public std::runtime_error {
 public:
  CallError(int code, const std::string& message) : std::runtime_error(message), code_(code) {}
  int code() const { return code_; }

 private:
  int code_;
};

// The buffers of one call, taken one after the other. Made and used within the call, on its thread.
class Call {
 public:
  explicit Call(ffi::CallFrame& frame);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // A number among the attributes. Throws CallError if it is missing.
  std::int64_t attribute(const char* name) const;

  // The next argument, or the next result. Throws CallError if there is none or it has another element type.
  const ffi::Buffer& argument(int dtype, const char* what);
  ffi::Buffer& result(int dtype, const char* what);

  // The next arguments as a batch of `rows` actions; what has to be converted is.
  engine::ActionView actions(const engine::Layout& layout, bool accepts_float64, std::int64_t rows);

  // The next results as a batch of `rows` rows; the view is valid as long as this. What XLA's arrays hold in 32 bits is
  // written to memory of the thread's own until `finish`.
  const engine::BatchView& rows(const engine::Layout& layout, std::int64_t rows);
  // The next results of a batch of `rows` rows for the episodes that ended: their mask (returned), then the view,
  // without rewards and flags.
  std::uint8_t* final_rows(const engine::Layout& layout, std::int64_t rows, engine::BatchView& view);
  // Sets all rewards and flags of `rows` to zero.
  void clear_rewards(std::int64_t rows) const;
  // Converts what is to be converted.
  void finish();
  // Throws CallError if there are arguments or results that nobody has taken.
  void require_all_taken() const;

 private:
  struct Later {
    const void* from;
    std::int32_t dtype;
    ffi::Buffer* to;
  };

  void* leaf(std::int32_t dtype, std::int64_t bytes, const char* what);
  void leaves(const engine::Layout& layout, std::int64_t rows, engine::BatchView& view);

  ffi::CallFrame& frame_;
  std::int64_t next_argument_ = 0, next_result_ = 0;
  std::vector<const void*> actions_;
  engine::BatchView view_;
  std::vector<Later> later_;
};

std::int64_t num_elements(const ffi::Buffer& buffer);
std::string shape_of(const ffi::Buffer& buffer);

// Throws CallError unless the buffer has this many elements.
void require_elements(const ffi::Buffer& buffer, std::int64_t count, const char* what);

// Runs a handler's body: what it throws becomes XLA's error, envs that failed are named. Answers XLA's question for the
// version. `env_id` may be set by the body: whose errors they are.
ffi::Error* handle(ffi::CallFrame* frame, void (*body)(Call& call, std::string& env_id));

}  // namespace fastvec::jax
