// The state of envs as bytes, from which they go on bit for bit: generator, elapsed steps, pending
// autoreset and the env's own state. The bytes are for this id, these keyword arguments and this ABI;
// whoever stores them (the Python side) records and checks that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/engine.hpp"

namespace fastvec::engine {

// The format that save_state writes. Format 1 has no time limits.
inline constexpr int kStateFormat = 2;

// Not while envs are in flight. Throws EnvFailures if an env cannot be saved.
std::vector<std::byte> save_state(Engine& engine, std::span<const std::int64_t> envs);

// Loads what save_state wrote for as many envs, in any format up to its own. Throws EngineError(kInvalidArgument), with
// every env as it was, if the bytes do not fit.
void load_state(Engine& engine, std::span<const std::int64_t> envs, std::span<const std::byte> data,
                int format = kStateFormat);

}  // namespace fastvec::engine
