// The SDK headers by themselves: spaces, specs, keyword arguments, rows, and the C table of a class.
#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "toy_env.hpp"

using namespace fastvec;

TEST_CASE("spaces describe themselves") {
  const Space box = Box<float>({-1.0f, -2.0f}, {1.0f, 2.0f}, {2});
  CHECK(box.dtype == FV_FLOAT32);
  CHECK(box.size() == 2);
  float high[2];
  std::memcpy(high, box.high.data(), sizeof high);
  CHECK(high[1] == 2.0f);
  CHECK(Box<std::uint8_t>(std::uint8_t{0}, std::uint8_t{255}, {4, 5, 3}).size() == 60);
  CHECK(Box<double>(0.0, 1.0, {}).size() == 1);
  CHECK(Discrete(3, -1).start == -1);
  CHECK(MultiDiscrete({2, 3, 4}).size() == 3);
  CHECK(MultiBinary(5).dtype == FV_INT8);
  CHECK_FALSE(Tuple({Discrete(2)}).is_leaf());
  CHECK_THROWS_WITH_AS(Box<float>({0.0f}, {1.0f, 2.0f}, {2}), "Box: expected 2 bounds, got 1 low and 2 high",
                       std::invalid_argument);
}

TEST_CASE("dtypes have their numbers") {
  CHECK(dtype_of<bool>() == FV_BOOL);
  CHECK(dtype_of<std::int8_t>() == FV_INT8);
  CHECK(dtype_of<std::int16_t>() == FV_INT16);
  CHECK(dtype_of<std::int32_t>() == FV_INT32);
  CHECK(dtype_of<std::int64_t>() == FV_INT64);
  CHECK(dtype_of<std::uint8_t>() == FV_UINT8);
  CHECK(dtype_of<std::uint16_t>() == FV_UINT16);
  CHECK(dtype_of<std::uint32_t>() == FV_UINT32);
  CHECK(dtype_of<std::uint64_t>() == FV_UINT64);
  CHECK(dtype_of<float>() == FV_FLOAT32);
  CHECK(dtype_of<double>() == FV_FLOAT64);
}

namespace {

struct Config {
  bool flag = true;
  std::int32_t small = 3;
  double real = 0.5;
  std::string text = "t";
  std::vector<std::int64_t> ints{1, 2};
  std::vector<double> reals{0.5};
  std::vector<std::string> texts{"a", "b"};

  static constexpr auto kwargs() {
    return std::tuple{kwarg("flag", &Config::flag, "a flag"), kwarg("small", &Config::small),
                      kwarg("real", &Config::real),           kwarg("text", &Config::text),
                      kwarg("ints", &Config::ints),           kwarg("reals", &Config::reals),
                      kwarg("texts", &Config::texts)};
  }
};

}  // namespace

TEST_CASE("keyword arguments go to C and back") {
  const detail::KwargTable<Config> table(Config{});
  REQUIRE(table.size() == 7);
  const fv_kwarg* const* kwargs = table.data();
  CHECK(std::string(kwargs[0]->name) == "flag");
  CHECK(std::string(kwargs[0]->doc) == "a flag");
  const std::int32_t types[] = {FV_KWARG_BOOL,     FV_KWARG_INT,        FV_KWARG_FLOAT,      FV_KWARG_STRING,
                                FV_KWARG_INT_LIST, FV_KWARG_FLOAT_LIST, FV_KWARG_STRING_LIST};
  std::vector<fv_value> values;
  for (int i = 0; i < 7; ++i) {
    CHECK(kwargs[i]->type == types[i]);
    values.push_back(kwargs[i]->default_value);
  }
  const Config same = table.read(values.data());
  CHECK(same.flag);
  CHECK(same.small == 3);
  CHECK(same.real == 0.5);
  CHECK(same.text == "t");
  CHECK(same.ints == std::vector<std::int64_t>{1, 2});
  CHECK(same.reals == std::vector<double>{0.5});
  CHECK(same.texts == std::vector<std::string>{"a", "b"});

  values[1].i = 1ll << 40;
  CHECK_THROWS_AS(table.read(values.data()), InvalidArgument);
  values[1].i = -7;
  values[4].size = 0;
  CHECK(table.read(values.data()).small == -7);
  CHECK(table.read(values.data()).ints.empty());
}

TEST_CASE("a state is written and read in pieces") {
  std::vector<std::byte> bytes;
  StateWriter writer(&bytes, [](void* context, const void* data, std::int64_t size) {
    auto& into = *static_cast<std::vector<std::byte>*>(context);
    const auto* from = static_cast<const std::byte*>(data);
    into.insert(into.end(), from, from + size);
  });
  writer.value(std::int32_t{5});
  writer.sequence(std::vector<double>{1.5, 2.5});
  writer.sequence(std::string("abc"));
  writer.sequence(std::vector<double>{});

  StateReader reader(bytes);
  CHECK(reader.value<std::int32_t>() == 5);
  CHECK(reader.sequence<std::vector<double>>() == std::vector<double>{1.5, 2.5});
  CHECK(reader.sequence<std::string>() == "abc");
  CHECK(reader.sequence<std::vector<double>>().empty());
  CHECK(reader.empty());
  CHECK_THROWS_AS(reader.value<char>(), std::runtime_error);

  StateReader lying(std::span<const std::byte>(bytes).subspan(4, 12));  // a length of 2, and 4 bytes
  CHECK_THROWS_AS(lying.sequence<std::vector<double>>(), std::runtime_error);
}

TEST_CASE("errors of an env become codes and messages") {
  fv_error error{};
  CHECK(detail::guarded(&error, [] {}) == FV_OK);
  CHECK(detail::guarded(&error, [] { throw InvalidArgument("no"); }) == FV_INVALID_ARGUMENT);
  CHECK(std::string(error.message) == "no");
  CHECK(detail::guarded(&error, [] { throw std::runtime_error(std::string(3000, 'x')); }) == FV_ERROR);
  CHECK(std::string(error.message).size() == sizeof error.message - 1);
  CHECK(detail::guarded(&error, [] { throw 42; }) == FV_ERROR);
}

TEST_CASE("an env whose types do not fit its spec cannot be made") {
  struct Wrong {
    struct Config {
      std::int64_t which = 0;
      static constexpr auto kwargs() { return std::tuple{kwarg("which", &Config::which)}; }
    };
    using Action = std::int64_t;
    using Observation = std::span<float, 3>;
    static Spec spec(const Config& config) {
      switch (config.which) {
        case 1: return {.observation = Box<float>(0.0f, 1.0f, {2}), .action = Discrete(2)};
        case 2: return {.observation = Box<double>(0.0, 1.0, {3}), .action = Discrete(2)};
        case 3: return {.observation = Box<float>(0.0f, 1.0f, {3}), .action = Box<float>(0.0f, 1.0f, {1})};
        case 4: return {.observation = Box<float>(0.0f, 1.0f, {3}), .action = MultiDiscrete({2, 2})};
        case 5: return {.observation = Tuple({Box<float>(0.0f, 1.0f, {3})}), .action = Discrete(2)};
        default: return {.observation = Box<float>(0.0f, 1.0f, {3}), .action = Discrete(2)};
      }
    }
    void reset(const Config&, Rng&, const Options&) {}
    StepResult step(const Config&, Action, Rng&) { return {}; }
    void observe(const Config&, Observation observation) const { observation[0] = 0.0f; }
  };
  const detail::Plugin plugin("wrong", env<Wrong>("Wrong-v0"));
  const fv_env_type& type = *plugin.table()->envs[0];
  for (std::int64_t which = 0; which <= 5; ++which) {
    CAPTURE(which);
    fv_value value{};
    value.i = which;
    fv_error error{};
    void* vector = type.create(&type, &value, 3, &error);
    const bool fits = which == 0 || which == 5;
    CHECK((vector != nullptr) == fits);
    if (vector != nullptr) type.destroy(vector);
    else CHECK(error.code == FV_INVALID_ARGUMENT);
  }
}

TEST_CASE("float64 actions are offered where there is an overload for them") {
  struct TakesFloat64 {
    struct Config {};
    using Action = std::span<const float, 1>;
    using Observation = float&;
    static Spec spec(const Config&) {
      return {.observation = Box<float>(0.0f, 1.0f, {1}), .action = Box<float>(-1.0f, 1.0f, {1})};
    }
    void reset(const Config&, Rng&, const Options&) {}
    StepResult step(const Config&, Action action, Rng&) { return {.reward = static_cast<double>(action[0])}; }
    StepResult step(const Config&, std::span<const double, 1> action, Rng&) { return {.reward = action[0]}; }
    void observe(const Config&, Observation observation) const { observation = 0.0f; }
  };
  CHECK(detail::Vector<TakesFloat64>::kAcceptsFloat64);
  CHECK_FALSE(detail::Vector<toy::Toy>::kAcceptsFloat64);

  const detail::Plugin plugin("float64", env<TakesFloat64>("TakesFloat64-v0"));
  const fv_env_type& type = *plugin.table()->envs[0];
  engine::Engine engine(type, {}, {.num_envs = 1});
  engine::BatchMemory memory(engine.layout(), 1);
  engine.reset(nullptr, nullptr, memory.view(), {});
  const double action = 0.1;
  const float rounded = 0.1f;
  const void* pointer = &action;
  engine.step({&pointer, true}, memory.view(), {});
  CHECK(memory.view().rewards[0] == action);
  pointer = &rounded;
  engine.step({&pointer}, memory.view(), {});
  CHECK(memory.view().rewards[0] == static_cast<double>(rounded));
}

TEST_CASE("an env with rows of actions takes float64 ones where they are one box of float32") {
  struct Either {
    struct Config {
      bool is_box = true;
    };
    using Action = ActionRows;
    using Observation = float&;
    static Spec spec(const Config& config) {
      return {.observation = Box<float>(0.0f, 1.0f, {1}),
              .action = config.is_box ? Space(Box<float>(-1.0f, 1.0f, {1})) : Space(Discrete(3))};
    }
    void reset(const Config&, Rng&, const Options&) {}
    StepResult step(const Config& config, ActionRows action, Rng&) {
      if (!config.is_box) return {.reward = static_cast<double>(action.leaf<std::int64_t>(0)[0])};
      return {.reward = static_cast<double>(action.leaf<float>(0)[0])};
    }
    StepResult step(const Config&, Float64ActionRows action, Rng&) { return {.reward = action.leaf<double>(0)[0]}; }
    void observe(const Config&, Observation observation) const { observation = 0.0f; }
  };
  const auto reward = [](bool is_box, const void* action, bool is_float64) {
    const detail::Plugin plugin("either", env<Either>("Either-v0", {}, {.is_box = is_box}));
    engine::Engine engine(*plugin.table()->envs[0], {}, {.num_envs = 1});
    CHECK(engine.spec().accepts_float64_actions == (is_box ? 1 : 0));
    engine::BatchMemory memory(engine.layout(), 1);
    engine.reset(nullptr, nullptr, memory.view(), {});
    engine.step({&action, is_float64}, memory.view(), {});
    return memory.view().rewards[0];
  };
  const double wide = 0.1;
  const float narrow = 0.1f;
  const std::int64_t choice = 2;
  CHECK(reward(true, &wide, true) == wide);
  CHECK(reward(true, &narrow, false) == static_cast<double>(narrow));
  CHECK(reward(false, &choice, false) == 2.0);
}

TEST_CASE("defaults belong to an id") {
  fv_value value = toy::heap_type().kwargs[0]->default_value;
  CHECK(value.i == 5);
  CHECK(toy::type().kwargs[0]->default_value.i == 20);
}

TEST_CASE("an env counts its bytes") {
  engine::EnvVector envs(toy::type(), toy::kwargs(1), 2);
  CHECK(envs.bytes_per_env() == static_cast<std::int64_t>(sizeof(toy::Toy)));
}
