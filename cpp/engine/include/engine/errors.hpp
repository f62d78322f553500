// What the engine throws; the bindings turn each into a Python exception.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace fastvec::engine {

enum class Fault {
  kInvalidArgument,  // ValueError
  kOutOfRange,       // OverflowError
  kInvalidAction,    // an action outside its space
  kNeedsReset,       // step before reset, or of a finished env
  kWrongMode,        // send/recv and step mixed
  kTimeout,
  kInterrupted,  // the stop check ended the work
};

class EngineError : public std::runtime_error {
 public:
  EngineError(Fault fault, const std::string& message) : std::runtime_error(message), fault_(fault) {}
  Fault fault() const { return fault_; }

 private:
  Fault fault_;
};

// One env's own failure during a batch.
struct EnvFailure {
  std::int64_t env = 0;
  std::int32_t code = 0;  // FV_ERROR or FV_INVALID_ARGUMENT
  std::string message;
};

// Thrown after a batch in which envs failed: the others have stepped, and their results are in place.
class EnvFailures : public std::runtime_error {
 public:
  explicit EnvFailures(std::vector<EnvFailure> failures)
      : std::runtime_error("envs failed"), failures_(std::move(failures)) {}
  const std::vector<EnvFailure>& failures() const { return failures_; }

 private:
  std::vector<EnvFailure> failures_;
};

}  // namespace fastvec::engine
