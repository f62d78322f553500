// fastvec/detail/adapter.hpp: the C table of an env class. `Vector<Env>` holds all envs of one vector;
// its static functions are what the engine calls. No exception leaves them.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "fastvec/abi.h"
#include "fastvec/detail/check_row.hpp"
#include "fastvec/detail/flags.hpp"
#include "fastvec/detail/own_parameters.hpp"
#include "fastvec/detail/parameters.hpp"
#include "fastvec/detail/ports.hpp"
#include "fastvec/detail/requirements.hpp"
#include "fastvec/detail/tables.hpp"
#include "fastvec/detail/validate.hpp"
#include "fastvec/device.hpp"
#include "fastvec/range.hpp"
#include "fastvec/rng.hpp"
#include "fastvec/rows.hpp"
#include "fastvec/spec.hpp"

namespace fastvec::detail {

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

template <class Env>
class Registration;

template <class Env>
class Vector {
 public:
  using Config = typename Env::Config;
  using Shared = typename SharedOf<Env>::type;
  using Action = typename Env::Action;
  using Observation = typename Env::Observation;
  using ActionPort = Port<Action, const void*>;
  using ObservationPort = Port<Observation, void*>;
  using WideAction = typename Float64Action<Action>::type;
  using Has = Offers<Env>;
  static constexpr bool kAcceptsFloat64 = Has::kAcceptsFloat64;

  Vector(const Config& config, const Limits& limits, std::int64_t num_envs)
      : own_(config),
        shared_(config),
        spec_(Env::spec(shared_), limits, Has::kSaves ? -1 : static_cast<std::int64_t>(sizeof(Env)), kAcceptsFloat64),
        envs_(make_envs(shared_, num_envs)) {
    validate(*spec_.table(), Has::kDraws);
    check_row<Action>(spec_.action, "action");
    check_row<Observation>(spec_.observation, "observation");
  }

  static fv_env_type table() {
    fv_env_type type{};
    type.struct_size = sizeof type;
    type.create = create;
    type.destroy = [](void* vector) { delete static_cast<Vector*>(vector); };
    type.spec = [](void* vector) { return static_cast<Vector*>(vector)->spec_.table(); };
    type.check_options = check_options;
    type.reset = reset;
    type.step = step;
    type.observe = observe;
    type.save = save;
    type.load = load;
    if constexpr (Has::kDraws) type.render = render;
    type.bytes_per_env = [](void* vector) {
      const Vector& all = self(vector);
      std::int64_t bytes = sizeof(Env);
      bytes += all.own_.bytes_per_env();
      if constexpr (requires(const Shared& shared) {
                      { Env::bytes_elsewhere(shared) } -> std::convertible_to<std::int64_t>;
                    }) {
        bytes += Env::bytes_elsewhere(all.shared_);
      }
      return bytes;
    };
    if constexpr (HasParameters<Config>) {
      type.num_parameters = static_cast<std::int64_t>(Parameters<Config>::kSize);
      type.parameters = Parameters<Config>::table();
      type.get_parameter = get_parameter;
      type.set_parameter = set_parameter;
    }
    return type;
  }

 private:
  static std::vector<Env> make_envs([[maybe_unused]] const Shared& shared, std::int64_t num_envs) {
    if constexpr (Has::kIndexed) {
      std::vector<Env> envs;
      envs.reserve(static_cast<std::size_t>(num_envs));
      for (std::int64_t index = 0; index < num_envs; ++index) envs.emplace_back(shared, index);
      return envs;
    } else {
      return std::vector<Env>(static_cast<std::size_t>(num_envs));
    }
  }

  static Vector& self(void* vector) { return *static_cast<Vector*>(vector); }

  static void* create(const fv_env_type* type, const fv_value* kwargs, std::int64_t num_envs, fv_error* error);

  static std::int32_t check_options([[maybe_unused]] void* vector, [[maybe_unused]] const double* values,
                                    [[maybe_unused]] const std::uint8_t* present, fv_error* error) {
    return guarded(error, [&] {
      if constexpr (requires(const Shared& shared, const Options& options) { Env::check_options(shared, options); }) {
        Env::check_options(self(vector).shared_, Options(values, present));
      }
    });
  }

  static double get_parameter(void* vector, std::int64_t env, std::int64_t parameter) {
    return Parameters<Config>::get(self(vector).own_.config(env), parameter);
  }

  static std::int32_t set_parameter(void* vector, std::int64_t env, std::int64_t parameter, double value,
                                    fv_error* error) {
    return guarded(error, [&] {
      Vector& all = self(vector);
      const auto accept = [](const Shared& shared) { static_cast<void>(Env::spec(shared)); };
      all.own_.set(env, static_cast<std::int64_t>(all.envs_.size()), parameter, value, accept);
    });
  }

  // Calls `body(range, shared)` for each run of envs with the same parameters.
  template <class Body>
  FASTVEC_ALWAYS_INLINE void for_each_run(const fv_range* range, const Body& body) {
    if constexpr (HasParameters<Config>) {
      if (!own_.empty()) {
        for (std::int64_t first = range->first; first < range->last;) {
          const std::int64_t last = own_.end_of_run(first, range->last);
          const std::int64_t offset = first - range->first;
          const fv_range run{first, last, range->action_row + offset, range->output_row + offset};
          body(&run, own_.shared(first, shared_));
          first = last;
        }
        return;
      }
    }
    body(range, shared_);
  }

  static void reset(void* vector, const fv_range* range, const fv_io* io) {
    self(vector).for_each_run(
        range, [&](const fv_range* run, const Shared& shared) { self(vector).reset_each(shared, run, io); });
  }

  void reset_each(const Shared& shared, const fv_range* range, const fv_io* io) {
    const ObservationPort observations(io->observations, spec_.observation.columns());
    const Options options(io->option_values, io->option_present);
    Env* const envs = envs_.data() + range->first;
    fv_rng* const rngs = io->rngs + range->first;
    const std::int64_t first_row = range->output_row;
    const Columns info_columns = spec_.info_columns;
    const auto reset_one = [=, &shared](std::int64_t offset) {
      Rng rng(rngs[offset]);
      Env& env = envs[offset];
      const std::int64_t row = first_row + offset;
      if constexpr (Has::kResetTakesInfo) {
        Info info(io->info, io->info_mask, info_columns, row);
        env.reset(shared, rng, options, info);
      } else {
        env.reset(shared, rng, options);
      }
      env.observe(shared, observations.at(row));
    };
    if (io->resetting == nullptr) return for_each_env(range, io, kEveryEnv, reset_one);
    const std::uint8_t* const resetting = io->resetting + range->first;
    const std::int64_t count = range->last - range->first;
    for_each_env(range, io, [=](std::int64_t offset) { return next_set(resetting, offset, count); }, reset_one);
  }

  static void step(void* vector, const fv_range* range, const fv_io* io) {
    self(vector).for_each_run(
        range, [&](const fv_range* run, const Shared& shared) { self(vector).step_with(shared, run, io); });
  }

  void step_with(const Shared& shared, const fv_range* range, const fv_io* io) {
    if constexpr (kAcceptsFloat64) {
      if (io->actions_are_float64 != 0) return step_each<Port<WideAction, const void*>>(shared, range, io);
    }
    if constexpr (Has::kHasRange) step_together(shared, range, io);
    else step_each<ActionPort>(shared, range, io);
  }

  // The author's own loop, over each run of envs that are to step.
  void step_together(const Shared& shared, const fv_range* range, const fv_io* io) {
    if (Has::kStepsFinished || io->resetting == nullptr) return step_run(shared, range, io);
    const std::uint8_t* const resetting = io->resetting;
    std::int64_t first = range->first;
    while (first < range->last) {
      if (resetting[first] != 0) {
        ++first;
        continue;
      }
      const std::int64_t last = next_set(resetting, first, range->last);
      const std::int64_t offset = first - range->first;
      const fv_range run{first, last, range->action_row + offset, range->output_row + offset};
      step_run(shared, &run, io);
      first = last;
    }
  }

  // Its exception says nothing about which env failed, so all of the run have.
  void step_run(const Shared& shared, const fv_range* range, const fv_io* io) {
    const std::span<Env> envs(envs_.data() + range->first, static_cast<std::size_t>(range->last - range->first));
    fv_error error;
    const std::int32_t code = guarded(&error, [&] {
      Env::step_range(shared, StepRange<Env>(envs, *range, *io, spec_.action.columns(), spec_.observation.columns(),
                                             spec_.info_columns));
    });
    if (code == FV_OK) return;
    for (std::int64_t env = range->first; env < range->last; ++env) {
      io->report(io->report_context, env, code, error.message);
    }
  }

  template <class Actions>
  void step_each(const Shared& shared, const fv_range* range, const fv_io* io) {
    const Actions actions(io->actions, spec_.action.columns());
    const ObservationPort observations(io->observations, spec_.observation.columns());
    Env* const envs = envs_.data() + range->first;
    fv_rng* const rngs = io->rngs + range->first;
    double* const rewards = io->rewards + range->output_row;
    std::uint8_t* const terminated = io->terminated + range->output_row;
    std::uint8_t* const truncated = io->truncated + range->output_row;
    const std::int64_t first_row = range->output_row;
    const std::int64_t first_action = range->action_row;
    const Columns info_columns = spec_.info_columns;
    const std::uint8_t* const resetting = io->resetting == nullptr ? nullptr : io->resetting + range->first;
    for_each_env(range, io, kEveryEnv, [=, &shared](std::int64_t offset) {
      if (resetting != nullptr && resetting[offset] != 0) return;
      Rng rng(rngs[offset]);
      Env& env = envs[offset];
      const std::int64_t row = first_row + offset;
      StepResult result;
      if constexpr (Has::kStepTakesInfo) {
        Info info(io->info, io->info_mask, info_columns, row);
        result = env.step(shared, actions.at(first_action + offset), rng, info);
      } else {
        result = env.step(shared, actions.at(first_action + offset), rng);
      }
      // Observed before the flags are written: a write of bytes could change anything, as far as the compiler
      // knows, and the state would have to be read from memory again.
      env.observe(shared, observations.at(row));
      rewards[offset] = result.reward;
      terminated[offset] = result.terminated ? 1 : 0;
      truncated[offset] = result.truncated ? 1 : 0;
    });
  }

  static void observe(void* vector, const fv_range* range, const fv_io* io) {
    self(vector).for_each_run(
        range, [&](const fv_range* run, const Shared& shared) { self(vector).observe_each(shared, run, io); });
  }

  void observe_each(const Shared& shared, const fv_range* range, const fv_io* io) {
    const ObservationPort observations(io->observations, spec_.observation.columns());
    const Env* const envs = envs_.data() + range->first;
    const std::int64_t first_row = range->output_row;
    for_each_env(range, io, kEveryEnv, [=, &shared](std::int64_t offset) {
      envs[offset].observe(shared, observations.at(first_row + offset));
    });
  }

  static std::int32_t save(void* vector, std::int64_t index, void* context,
                           void (*write)(void*, const void*, std::int64_t), fv_error* error) {
    return guarded(error, [&] {
      const Env& env = self(vector).envs_[static_cast<std::size_t>(index)];
      StateWriter writer(context, write);
      if constexpr (Has::kSaves) env.save(writer);
      else writer.bytes(&env, sizeof env);
    });
  }

  static std::int32_t load(void* vector, std::int64_t index, const void* data, std::int64_t size, fv_error* error) {
    return guarded(error, [&] {
      StateReader reader({static_cast<const std::byte*>(data), static_cast<std::size_t>(size)});
      Env& env = self(vector).envs_[static_cast<std::size_t>(index)];
      if constexpr (Has::kSaves) env.load(reader);
      else reader.bytes(&env, sizeof env);
      if (!reader.empty()) throw InvalidArgument("the saved state is too long");
    });
  }

  static std::int32_t render(void* vector, std::int64_t index, std::uint8_t* pixels, fv_error* error) {
    return guarded(error, [&] {
      Vector& all = self(vector);
      const fv_spec* spec = all.spec_.table();
      const auto pixels_in_all =
          static_cast<std::size_t>(spec->render_height) * static_cast<std::size_t>(spec->render_width);
      const std::span<std::uint8_t> picture(pixels, 3 * pixels_in_all);
      const auto at = static_cast<std::size_t>(index);
      all.envs_[at].render(all.own_.shared(index, all.shared_), picture);
    });
  }

  OwnParameters<Config, Shared> own_;
  Shared shared_;
  SpecTable spec_;
  std::vector<Env> envs_;
};

template <class Env>
constexpr std::size_t num_options() {
  if constexpr (requires { Env::kOptions; }) return Env::kOptions.size();
  else return 0;
}

// An id with its limits and default keyword arguments. Its fv_env_type comes first, so that `create`
// finds the rest.
template <class Env>
class Registration {
 public:
  using Config = typename Env::Config;

  Registration(const char* id, Limits limits, Config defaults)
      : limits_(limits), kwargs_(std::make_unique<KwargTable<Config>>(std::move(defaults))) {
    type_.type = Vector<Env>::table();
    type_.type.id = id;
    type_.type.num_kwargs = kwargs_->size();
    type_.type.kwargs = kwargs_->data();
    if constexpr (num_options<Env>() != 0) {
      for (std::size_t i = 0; i < options_.size(); ++i) {
        options_[i] = {sizeof(fv_option), 0, Env::kOptions[i].name, Env::kOptions[i].doc};
      }
    }
  }

  // To be called once this object has its final address.
  const fv_env_type* table() {
    if constexpr (num_options<Env>() != 0) {
      for (std::size_t i = 0; i < options_.size(); ++i) option_pointers_[i] = &options_[i];
      type_.type.num_options = static_cast<std::int64_t>(options_.size());
      type_.type.options = option_pointers_.data();
    }
    type_.owner = this;
    return &type_.type;
  }

  static Registration* of(const fv_env_type* type) {
    return reinterpret_cast<const Typed*>(type)->owner;  // `type` is the first member of Typed
  }
  const Limits& limits() const { return limits_; }
  const KwargTable<Config>& kwargs() const { return *kwargs_; }

 private:
  struct Typed {
    fv_env_type type{};
    Registration* owner = nullptr;
  };
  static_assert(std::is_standard_layout_v<Typed>);

  Typed type_;
  Limits limits_;
  std::unique_ptr<KwargTable<Config>> kwargs_;
  std::array<fv_option, num_options<Env>()> options_{};
  std::array<const fv_option*, num_options<Env>()> option_pointers_{};
};

template <class Env>
void* Vector<Env>::create(const fv_env_type* type, const fv_value* kwargs, std::int64_t num_envs, fv_error* error) {
  void* made = nullptr;
  guarded(error, [&] {
    auto* registration = Registration<Env>::of(type);
    made = new Vector(registration->kwargs().read(kwargs), registration->limits(), num_envs);
  });
  return made;
}

// All ids of one library.
class Plugin {
 public:
  template <class... Entries>
  explicit Plugin(const char* name, Entries... entries) {
    (add(std::make_shared<Entries>(std::move(entries))), ...);
    table_.struct_size = sizeof table_;
    table_.abi_major = FASTVEC_ABI_MAJOR;
    table_.abi_minor = FASTVEC_ABI_MINOR;
    table_.name = name;
    table_.num_envs = static_cast<std::int64_t>(types_.size());
    table_.envs = types_.data();
  }
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  const fv_plugin* table() const { return &table_; }

 private:
  template <class Env>
  void add(std::shared_ptr<Registration<Env>> registration) {
    types_.push_back(registration->table());
    owned_.push_back(std::move(registration));
  }
  void add(std::shared_ptr<Refused>) {}

  fv_plugin table_{};
  std::vector<const fv_env_type*> types_;
  std::vector<std::shared_ptr<void>> owned_;
};

}  // namespace fastvec::detail
