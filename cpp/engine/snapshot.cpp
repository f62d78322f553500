#include "engine/snapshot.hpp"

#include <cstddef>
#include <cstring>
#include <string>

namespace fastvec::engine {

namespace {

// Before the bytes of each env's own state. Its parameters follow them, if any env's were ever set.
struct Header {
  fv_rng rng;
  std::int32_t elapsed;
  std::uint8_t pending;
  std::uint8_t started;
  std::uint16_t num_parameters;  // 0: the defaults
  std::uint64_t state_size;
  // From format 2 on.
  std::int32_t time_limit;  // 0: that of the vector which loads it
  std::int32_t reserved;
};

std::size_t header_size(int format) { return format == 1 ? offsetof(Header, time_limit) : sizeof(Header); }

[[noreturn]] void refuse(const std::string& why) { throw EngineError(Fault::kInvalidArgument, "set_state: " + why); }

void append(std::vector<std::byte>& bytes, const void* data, std::size_t size) {
  const auto* from = static_cast<const std::byte*>(data);
  bytes.insert(bytes.end(), from, from + size);
}

// The parameters of one env, all of which were its own at one time. An author may refuse what lies between (a low above
// its high), so one that is refused is tried again once another has changed.
void load_parameters(EnvVector& envs, std::int64_t env, std::span<const std::byte> values) {
  if (values.empty() && !envs.parameters_were_set()) return;
  std::vector<double> wanted = envs.parameter_defaults();
  if (!values.empty()) std::memcpy(wanted.data(), values.data(), values.size());
  std::vector<std::int64_t> left;
  for (std::int64_t i = 0; i < envs.num_parameters(); ++i) {
    if (wanted[static_cast<std::size_t>(i)] != envs.parameter(env, i)) left.push_back(i);
  }
  while (!left.empty()) {
    std::vector<std::int64_t> refused;
    for (const std::int64_t i : left) {
      try {
        envs.set_parameter(env, i, wanted[static_cast<std::size_t>(i)]);
      } catch (const EngineError&) {
        if (refused.size() + 1 == left.size()) throw;
        refused.push_back(i);
      }
    }
    left = std::move(refused);
  }
}

void load_time_limit(Engine& engine, std::int64_t env, std::int32_t steps) {
  if (steps != 0) engine.set_time_limit(env, steps);
  else if (engine.episodes().time_limits_were_set()) engine.set_time_limit(env, engine.episodes().own_time_limit());
}

void load_all(Engine& engine, std::span<const std::int64_t> envs, std::span<const std::byte> data, int format) {
  const std::size_t size_of_header = header_size(format);
  for (const std::int64_t env : envs) {
    Header header{};
    if (data.size() < size_of_header) refuse("the data ends before env " + std::to_string(env));
    std::memcpy(&header, data.data(), size_of_header);
    data = data.subspan(size_of_header);
    if (header.state_size > data.size()) refuse("the data ends within env " + std::to_string(env));
    try {
      engine.envs().load(env, data.first(static_cast<std::size_t>(header.state_size)));
    } catch (const EngineError& error) {
      refuse("env " + std::to_string(env) + ": " + error.what());
    }
    data = data.subspan(static_cast<std::size_t>(header.state_size));
    if (header.num_parameters != 0 && header.num_parameters != engine.envs().num_parameters()) {
      refuse("expected " + std::to_string(engine.envs().num_parameters()) + " parameters per env, got " +
             std::to_string(header.num_parameters));
    }
    const std::size_t size = header.num_parameters * sizeof(double);
    if (size > data.size()) refuse("the data ends within env " + std::to_string(env));
    load_parameters(engine.envs(), env, data.first(size));
    data = data.subspan(size);
    load_time_limit(engine, env, header.time_limit);
    engine.set_episode(env, {header.rng, header.elapsed, header.pending != 0, header.started != 0});
  }
  if (!data.empty()) refuse("expected the state of " + std::to_string(envs.size()) + " envs, got more");
}

}  // namespace

std::vector<std::byte> save_state(Engine& engine, std::span<const std::int64_t> envs) {
  std::vector<std::byte> bytes;
  if (engine.spec().state_size >= 0) {
    bytes.reserve(envs.size() * (sizeof(Header) + static_cast<std::size_t>(engine.spec().state_size)));
  }
  EnvVector& vector = engine.envs();
  const Episodes& episodes = engine.episodes();
  const std::int64_t parameters = vector.parameters_were_set() ? vector.num_parameters() : 0;
  for (const std::int64_t env : envs) {
    const std::size_t start = bytes.size();
    const Episode episode = episodes.get(env);
    Header header{};
    header.rng = episode.rng;
    header.elapsed = episode.elapsed;
    header.pending = episode.is_pending ? 1 : 0;
    header.started = episode.is_started ? 1 : 0;
    header.num_parameters = static_cast<std::uint16_t>(parameters);
    header.time_limit = episodes.time_limits_were_set() ? episodes.time_limit(env) : 0;
    append(bytes, &header, sizeof header);
    vector.save(env, bytes);
    header.state_size = bytes.size() - start - sizeof header;
    std::memcpy(bytes.data() + start, &header, sizeof header);
    for (std::int64_t i = 0; i < parameters; ++i) {
      const double value = vector.parameter(env, i);
      append(bytes, &value, sizeof value);
    }
  }
  return bytes;
}

void load_state(Engine& engine, std::span<const std::int64_t> envs, std::span<const std::byte> data, int format) {
  const std::vector<std::byte> before = save_state(engine, envs);
  try {
    load_all(engine, envs, data, format);
  } catch (const EngineError&) {
    load_all(engine, envs, before, kStateFormat);
    throw;
  }
}

}  // namespace fastvec::engine
