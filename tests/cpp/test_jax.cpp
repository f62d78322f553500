// XLA's handlers, called as XLA does it.
#include <doctest/doctest.h>

#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "jax/handlers.hpp"
#include "jax/pure_env.hpp"
#include "toy_env.hpp"

using namespace fastvec::engine;
using namespace fastvec::jax;

namespace {

ffi::Handler handler(const char* name) {
  for (const auto handlers : {pure_handlers(), port_handlers()}) {
    for (const NamedHandler& each : handlers) {
      if (std::strcmp(each.name, name) == 0) return each.handler;
    }
  }
  FAIL("expected a handler of this name");
  return nullptr;
}

// An error is its message.
ffi::Error* create_error(ffi::ErrorCreateArgs* args) {
  return reinterpret_cast<ffi::Error*>(new std::string(args->message));
}

// An array that a handler reads or writes.
struct Array {
  template <class Value>
  Array(int dtype, std::vector<std::int64_t> shape, const std::vector<Value>& values) : dims(std::move(shape)) {
    const std::size_t size = values.size() * sizeof(Value);
    bytes.resize(size + 1);  // never null
    if (size != 0) std::memcpy(bytes.data(), values.data(), size);
    buffer = {sizeof buffer, nullptr, dtype, bytes.data(), static_cast<std::int64_t>(dims.size()), dims.data()};
  }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  template <class Value>
  const Value* as() const {
    return reinterpret_cast<const Value*>(bytes.data());
  }

  std::vector<std::int64_t> dims;
  std::vector<std::uint8_t> bytes;
  ffi::Buffer buffer{};
};

// Calls a handler; the message of its error, or nothing.
std::string call(const char* name, std::int64_t key, std::deque<Array>& arguments, std::deque<Array>& results) {
  std::vector<void*> args, rets;
  for (Array& array : arguments) args.push_back(&array.buffer);
  for (Array& array : results) rets.push_back(&array.buffer);
  std::vector<int> ones(args.size() + rets.size() + 1, 1);
  ffi::Api api{};
  api.error_create = create_error;
  ffi::ByteSpan attribute{"env", 3};
  ffi::ByteSpan* names[] = {&attribute};
  ffi::Scalar scalar{ffi::kS64, &key};
  void* attrs[] = {&scalar};
  int attr_types[] = {ffi::kScalarAttr};
  ffi::CallFrame frame{};
  frame.api = &api;
  frame.stage = ffi::kExecute;
  frame.args = {sizeof(ffi::Args), nullptr, static_cast<std::int64_t>(args.size()), ones.data(), args.data()};
  frame.rets = {sizeof(ffi::Rets), nullptr, static_cast<std::int64_t>(rets.size()), ones.data(), rets.data()};
  frame.attrs = {sizeof(ffi::Attrs), nullptr, 1, attr_types, names, attrs};
  const std::unique_ptr<std::string> error(reinterpret_cast<std::string*>(handler(name)(&frame)));
  return error ? *error : "";
}

// A state and the rows of `n` toy envs, to be written.
std::deque<Array> room(std::int64_t n, AutoresetMode mode) {
  const auto count = static_cast<std::size_t>(n);
  std::deque<Array> all;
  all.emplace_back(ffi::kU8, std::vector{n, std::int64_t{sizeof(toy::Toy)}},
                   std::vector<std::uint8_t>(count * sizeof(toy::Toy)));
  all.emplace_back(ffi::kU32, std::vector<std::int64_t>{n, 10}, std::vector<std::uint32_t>(10 * count));
  all.emplace_back(ffi::kS32, std::vector{n}, std::vector<std::int32_t>(count));
  all.emplace_back(ffi::kPred, std::vector{n}, std::vector<std::uint8_t>(count));
  const auto flags = [&] { all.emplace_back(ffi::kPred, std::vector{n}, std::vector<std::uint8_t>(count, 7)); };
  const auto observations = [&] {
    all.emplace_back(ffi::kF64, std::vector<std::int64_t>{n, 2}, std::vector<double>(2 * count, 7.0));
  };
  const auto infos = [&] {
    all.emplace_back(ffi::kS32, std::vector{n}, std::vector<std::int32_t>(count, 7));  // narrow: without x64
    flags();
    all.emplace_back(ffi::kF64, std::vector{n}, std::vector<double>(count, 7.0));
    flags();
  };
  observations();
  all.emplace_back(ffi::kF32, std::vector{n}, std::vector<float>(count, 7.0f));
  flags();
  flags();
  infos();
  if (mode == AutoresetMode::kSameStep) {
    flags();
    observations();
    infos();
  }
  return all;
}

std::int64_t key_of(AutoresetMode mode) {
  const auto key = static_cast<std::int64_t>(mode) + 1;
  keep_pure_env(key, std::make_unique<PureEnv>(toy::type(), toy::kwargs(12), -1, mode, 3));
  return key;
}

std::deque<Array> seeds(std::int64_t n, std::uint32_t first) {
  std::vector<std::uint32_t> words;
  for (std::int64_t i = 0; i < n; ++i) words.push_back(first + static_cast<std::uint32_t>(i));
  std::deque<Array> arguments;
  arguments.emplace_back(ffi::kU32, std::vector<std::int64_t>{n, 1}, words);
  return arguments;
}

// The state of some results, and actions.
std::deque<Array> stepping(const std::deque<Array>& before, std::int64_t n, int step) {
  std::deque<Array> arguments;
  for (std::size_t i = 0; i < 4; ++i) {
    std::vector<std::uint8_t> bytes(before[i].bytes.begin(), before[i].bytes.end() - 1);
    arguments.emplace_back(before[i].buffer.dtype, before[i].dims, bytes);
  }
  std::vector<std::int32_t> actions;
  for (std::int64_t env = 0; env < n; ++env) actions.push_back(static_cast<std::int32_t>((env * 5 + step * 3) % 4));
  arguments.emplace_back(ffi::kS32, std::vector{n}, actions);
  return arguments;
}

}  // namespace

TEST_CASE("pure envs do what a vector does") {
  for (const AutoresetMode mode : {AutoresetMode::kNextStep, AutoresetMode::kSameStep}) {
    for (const std::int64_t n : {1, 5, 600}) {
      CAPTURE(static_cast<int>(mode));
      CAPTURE(n);
      const std::int64_t key = key_of(mode);
      toy::Setup setup(toy::type(), {.num_envs = n, .autoreset = mode}, 12);
      setup.seed(100);
      setup.reset();
      auto arguments = seeds(n, 100);
      auto results = room(n, mode);
      REQUIRE(call("fastvec_pure_reset", key, arguments, results) == "");
      CHECK(std::memcmp(results[4].as<double>(), setup.observation(0), static_cast<std::size_t>(n) * 16) == 0);
      for (int step = 0; step < 25; ++step) {
        auto next = room(n, mode);
        auto given = stepping(results, n, step);
        REQUIRE(call("fastvec_pure_step", key, given, next) == "");
        std::vector<std::int64_t> actions;
        for (std::int64_t env = 0; env < n; ++env) actions.push_back((env * 5 + step * 3) % 4);
        setup.step(actions);
        const BatchView& view = setup.view();
        const auto count = static_cast<std::size_t>(n);
        CHECK(std::memcmp(next[4].as<double>(), setup.observation(0), count * 16) == 0);
        CHECK(std::memcmp(next[6].as<std::uint8_t>(), view.terminated, count) == 0);
        CHECK(std::memcmp(next[7].as<std::uint8_t>(), view.truncated, count) == 0);
        CHECK(std::memcmp(next[9].as<std::uint8_t>(), view.info_mask[0], count) == 0);
        CHECK(std::memcmp(next[10].as<double>(), view.info[1], count * 8) == 0);
        bool same = true;
        for (std::int64_t env = 0; env < n; ++env) {
          same = same && next[5].as<float>()[env] == static_cast<float>(view.rewards[env]);
          same = same && next[8].as<std::int32_t>()[env] == static_cast<const std::int64_t*>(view.info[0])[env];
          if (mode == AutoresetMode::kSameStep) {
            const bool ended = setup.engine.final_mask()[env] != 0;
            same = same && (next[12].as<std::uint8_t>()[env] != 0) == ended;
            const double* const final_row = static_cast<const double*>(setup.engine.final_batch().observations[0]);
            same = same && next[13].as<double>()[2 * env] == (ended ? final_row[2 * env] : 0.0);
          }
        }
        CHECK(same);
        results.swap(next);
      }
    }
  }
}

TEST_CASE("pure envs are stepped by several threads") {
  constexpr std::int64_t kEnvs = 300;
  const AutoresetMode mode = AutoresetMode::kNextStep;
  const std::int64_t key = key_of(mode);
  const auto run = [&](std::uint32_t seed, std::deque<Array>& last) {
    auto arguments = seeds(kEnvs, seed);
    last = room(kEnvs, mode);
    std::string error = call("fastvec_pure_reset", key, arguments, last);
    for (int step = 0; step < 20; ++step) {
      auto next = room(kEnvs, mode);
      auto given = stepping(last, kEnvs, step);
      error += call("fastvec_pure_step", key, given, next);
      last.swap(next);
    }
    return error;
  };
  std::vector<std::deque<Array>> alone(3), together(3);
  std::vector<std::string> errors(3);
  for (std::uint32_t i = 0; i < 3; ++i) CHECK(run(i, alone[i]) == "");
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < 3; ++i) threads.emplace_back([&, i] { errors[i] = run(i, together[i]); });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(errors[i] == "");
    for (std::size_t k = 0; k < alone[i].size(); ++k) CHECK(alone[i][k].bytes == together[i][k].bytes);
  }
}

TEST_CASE("what XLA hands in wrongly is an error that says so") {
  const AutoresetMode mode = AutoresetMode::kNextStep;
  const std::int64_t key = key_of(mode);
  auto arguments = seeds(3, 0);
  auto results = room(3, mode);
  CHECK(call("fastvec_pure_reset", 999, arguments, results).find("was not made in this process") != std::string::npos);
  auto few = room(2, mode);
  CHECK(call("fastvec_pure_reset", key, arguments, few).find("Toy-v0: state: expected") == 0);
  REQUIRE(call("fastvec_pure_reset", key, arguments, results) == "");
  auto given = stepping(results, 3, 0);
  given.pop_back();
  auto next = room(3, mode);
  CHECK(call("fastvec_pure_step", key, given, next) == "Toy-v0: expected another argument: actions");
  given.emplace_back(ffi::kS32, std::vector<std::int64_t>{3}, std::vector<std::int32_t>{0, 12, 0});
  CHECK(call("fastvec_pure_step", key, given, next) == "Toy-v0: expected actions from 0 to 9, got 12 for env 1");
  given.pop_back();
  given.emplace_back(ffi::kF32, std::vector<std::int64_t>{3}, std::vector<float>{0, 1, 0});
  CHECK(call("fastvec_pure_step", key, given, next) == "Toy-v0: actions: expected int64, got float32");
  given.pop_back();
  given.emplace_back(ffi::kS32, std::vector<std::int64_t>{3}, std::vector<std::int32_t>{0, 9, 9});
  CHECK(call("fastvec_pure_step", key, given, next) == "Toy-v0: env 1: step failed (and 1 more)");
}

TEST_CASE("a handler says for which version it was built") {
  ffi::Metadata metadata{};
  ffi::MetadataExtension extension{{sizeof extension, ffi::kMetadataExtension, nullptr}, &metadata};
  ffi::CallFrame frame{};
  frame.extension_start = &extension.base;
  CHECK(handler("fastvec_pure_step")(&frame) == nullptr);
  CHECK(metadata.api_version.major_version == 0);
  CHECK(metadata.api_version.minor_version == 1);
}

TEST_CASE("an env whose state is not plain is no pure env") {
  CHECK_FALSE(is_plain(toy::heap_type()));
  CHECK(is_plain(toy::type()));
  fv_env_type older = toy::type();
  older.struct_size = offsetof(fv_env_type, plain_state_size);  // a library of minor 2
  CHECK_FALSE(is_plain(older));
  CHECK_THROWS_AS(PureEnv(toy::heap_type(), toy::kwargs(5), -1, AutoresetMode::kNextStep, 1), EngineError);
}
