// fastvec/detail/vector.hpp: the envs of one vector, behind the functions of the C table that the engine calls.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "fastvec/abi.h"
#include "fastvec/detail/check_row.hpp"
#include "fastvec/detail/guarded.hpp"
#include "fastvec/detail/parameters.hpp"
#include "fastvec/detail/per_env_config.hpp"
#include "fastvec/detail/row_access.hpp"
#include "fastvec/detail/tables.hpp"
#include "fastvec/detail/traits.hpp"
#include "fastvec/detail/validate.hpp"
#include "fastvec/flags.hpp"
#include "fastvec/inline.hpp"
#include "fastvec/range.hpp"
#include "fastvec/rng.hpp"
#include "fastvec/rows.hpp"
#include "fastvec/spec.hpp"
#include "fastvec/state.hpp"

namespace fastvec::detail {

// All envs of one vector, and what they share. Threads: as the C table says (abi.h).
template <class Env>
class Vector {
 public:
  using Config = typename Env::Config;
  using Shared = typename SharedOf<Env>::type;
  using Action = typename Env::Action;
  using Observation = typename Env::Observation;
  using ActionAccess = RowAccess<Action, const void*>;
  using ObservationAccess = RowAccess<Observation, void*>;
  using ActionAsFloat64 = typename Float64Action<Action>::type;
  using Has = Offers<Env>;
  static constexpr bool kAcceptsFloat64 = Has::kAcceptsFloat64;

  // Throws what the author's code throws, and InvalidArgument for a Spec that does not fit the env's types.
  Vector(const Config& config, const Limits& limits, std::int64_t num_envs)
      : per_env_(config),
        shared_(config),
        spec_(Env::spec(shared_), limits, Has::kSaves ? -1 : static_cast<std::int64_t>(sizeof(Env)), kAcceptsFloat64),
        envs_(make_envs(shared_, num_envs)) {
    validate(*spec_.table(), Has::kDraws);
    check_row<Action>(spec_.action, "action");
    check_row<Observation>(spec_.observation, "observation");
  }

  // The functions of the C table. `create` is the Registration's, which knows the defaults.
  static fv_env_type table() {
    fv_env_type type{};
    type.struct_size = sizeof type;
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
      bytes += all.per_env_.bytes_per_env();
      if constexpr (requires(const Shared& shared) {
                      { Env::bytes_elsewhere(shared) } -> std::convertible_to<std::int64_t>;
                    }) {
        bytes += Env::bytes_elsewhere(all.shared_);
      }
      return bytes;
    };
    if constexpr (Has::kPlain) {
      type.plain_state_size = sizeof(Env);
      type.plain_state_align = alignof(Env);
    }
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

  // The envs of a call, indexed by env.
  Env* envs_of([[maybe_unused]] const fv_io* io) {
    if constexpr (Has::kPlain) {
      constexpr std::size_t kEnd = offsetof(fv_io, envs) + sizeof(io->envs);  // an older engine's fv_io ends before it
      if (io->struct_size >= kEnd && io->envs != nullptr) return static_cast<Env*>(io->envs);
    }
    return envs_.data();
  }

  static Vector& self(void* vector) { return *static_cast<Vector*>(vector); }

  static std::int32_t check_options([[maybe_unused]] void* vector, [[maybe_unused]] const double* values,
                                    [[maybe_unused]] const std::uint8_t* present, fv_error* error) {
    return guarded(error, [&] {
      if constexpr (requires(const Shared& shared, const Options& options) { Env::check_options(shared, options); }) {
        Env::check_options(self(vector).shared_, Options(values, present));
      }
    });
  }

  static double get_parameter(void* vector, std::int64_t env, std::int64_t parameter) {
    return Parameters<Config>::get(self(vector).per_env_.config(env), parameter);
  }

  static std::int32_t set_parameter(void* vector, std::int64_t env, std::int64_t parameter, double value,
                                    fv_error* error) {
    return guarded(error, [&] {
      Vector& all = self(vector);
      const auto accept = [](const Shared& shared) { static_cast<void>(Env::spec(shared)); };
      all.per_env_.set(env, static_cast<std::int64_t>(all.envs_.size()), parameter, value, accept);
    });
  }

  // Calls `body(range, shared)` for each run of envs with the same parameters.
  template <class Body>
  FASTVEC_ALWAYS_INLINE void for_each_run(const fv_range* range, const Body& body) {
    if constexpr (HasParameters<Config>) {
      if (!per_env_.empty()) {
        for (std::int64_t first = range->first; first < range->last;) {
          const std::int64_t last = per_env_.end_of_run(first, range->last);
          const std::int64_t offset = first - range->first;
          const fv_range run{first, last, range->action_row + offset, range->output_row + offset};
          body(&run, per_env_.shared(first, shared_));
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
    const ObservationAccess observations(io->observations, spec_.observation.columns());
    const Options options(io->option_values, io->option_present);
    Env* const envs = envs_of(io) + range->first;
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
      if (io->actions_are_float64 != 0) return step_each<RowAccess<ActionAsFloat64, const void*>>(shared, range, io);
    }
    if constexpr (Has::kHasRange) step_together(shared, range, io);
    else step_each<ActionAccess>(shared, range, io);
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
    const std::span<Env> envs(envs_of(io) + range->first, static_cast<std::size_t>(range->last - range->first));
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
    const ObservationAccess observations(io->observations, spec_.observation.columns());
    Env* const envs = envs_of(io) + range->first;
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
    const ObservationAccess observations(io->observations, spec_.observation.columns());
    const Env* const envs = envs_of(io) + range->first;
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
      all.envs_[at].render(all.per_env_.shared(index, all.shared_), picture);
    });
  }

  PerEnvConfig<Config, Shared> per_env_;
  Shared shared_;
  SpecTable spec_;
  std::vector<Env> envs_;
};

}  // namespace fastvec::detail
