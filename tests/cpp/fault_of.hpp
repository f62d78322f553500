#pragma once

#include <doctest/doctest.h>

#include <functional>

#include "engine/errors.hpp"

// The fault of the EngineError that `call` throws; fails the test if it throws none.
inline fastvec::engine::Fault fault_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const fastvec::engine::EngineError& error) {
    return error.fault();
  }
  FAIL("expected an EngineError");
  return {};
}
