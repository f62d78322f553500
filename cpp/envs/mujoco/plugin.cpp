// The ids of this family, with Gymnasium's own limits.
#include "fastvec/env.hpp"
#include "half_cheetah.hpp"

namespace mj = mujoco_envs;

namespace {

template <class Env>
typename Env::Config version4() {
  typename Env::Config config;
  config.version = 4;
  return config;
}

}  // namespace

FASTVEC_PLUGIN("fastvec.mujoco",
               fastvec::env<mj::HalfCheetah>("HalfCheetah-v4", {.max_episode_steps = 1000, .reward_threshold = 4800.0},
                                             version4<mj::HalfCheetah>()),
               fastvec::env<mj::HalfCheetah>("HalfCheetah-v5", {.max_episode_steps = 1000, .reward_threshold = 4800.0}))
