// fastvec/detail/guarded.hpp: calls of the author's code from which no exception leaves; the C table has none.
//
// What is thrown decides the code: OutOfRange FV_OUT_OF_RANGE, InvalidArgument FV_INVALID_ARGUMENT, all else FV_ERROR.
#pragma once

#include <cstdint>
#include <cstring>
#include <exception>

#include "fastvec/abi.h"
#include "fastvec/inline.hpp"
#include "fastvec/spec.hpp"

namespace fastvec::detail {

// Cuts a message that is longer than an fv_error holds.
inline void fill_error(fv_error* error, std::int32_t code, const char* message) {
  error->code = code;
  std::strncpy(error->message, message, sizeof error->message - 1);
  error->message[sizeof error->message - 1] = '\0';
}

// Runs `action`; an exception becomes a code and a message.
template <class Action>
std::int32_t guarded(fv_error* error, Action&& action) {
  try {
    action();
    return FV_OK;
  } catch (const OutOfRange& caught) {
    fill_error(error, FV_OUT_OF_RANGE, caught.what());
  } catch (const InvalidArgument& caught) {
    fill_error(error, FV_INVALID_ARGUMENT, caught.what());
  } catch (const std::exception& caught) {
    fill_error(error, FV_ERROR, caught.what());
  } catch (...) {
    fill_error(error, FV_ERROR, "an exception that is not a std::exception");
  }
  return error->code;
}

// Calls `body(offset)` for each env of the range that `next` names: `next(offset)` is the first one from `offset` on.
// One that throws is reported and the next one goes on.
// Inlined by force, with a body that captures by value: then the loop's pointers stay in registers.
template <class Next, class Body>
FASTVEC_ALWAYS_INLINE void for_each_env(const fv_range* range, const fv_io* io, const Next& next, const Body& body) {
  const std::int64_t count = range->last - range->first;
  std::int64_t offset = 0;
  const auto report = [&](std::int32_t code, const char* message) {
    io->report(io->report_context, range->first + offset, code, message);
  };
  while (offset < count) {
    try {
      for (offset = next(offset); offset < count; offset = next(offset + 1)) body(offset);
    } catch (const InvalidArgument& caught) {
      report(FV_INVALID_ARGUMENT, caught.what());
    } catch (const std::exception& caught) {
      report(FV_ERROR, caught.what());
    } catch (...) {
      report(FV_ERROR, "an exception that is not a std::exception");
    }
    ++offset;
  }
}

constexpr auto kEveryEnv = [](std::int64_t offset) { return offset; };

}  // namespace fastvec::detail
