// The ids of this family, with Gymnasium's own limits.
#include "ant.hpp"
#include "fastvec/env.hpp"
#include "half_cheetah.hpp"
#include "hopper_walker.hpp"
#include "humanoid.hpp"
#include "inverted_double_pendulum.hpp"
#include "inverted_pendulum.hpp"
#include "pusher.hpp"
#include "reacher.hpp"
#include "swimmer.hpp"

namespace mj = mujoco_envs;

namespace {

template <class Env>
auto v4(const char* id, fastvec::Limits limits) {
  typename Env::Config config;
  config.version = 4;
  return fastvec::env<Env>(id, limits, config);
}

}  // namespace

FASTVEC_PLUGIN("fastvec.mujoco", v4<mj::Reacher>("Reacher-v4", {.max_episode_steps = 50, .reward_threshold = -3.75}),
               fastvec::env<mj::Reacher>("Reacher-v5", {.max_episode_steps = 50, .reward_threshold = -3.75}),
               fastvec::env<mj::Pusher>("Pusher-v5", {.max_episode_steps = 100, .reward_threshold = 0.0}),
               v4<mj::InvertedPendulum>("InvertedPendulum-v4", {.max_episode_steps = 1000, .reward_threshold = 950.0}),
               fastvec::env<mj::InvertedPendulum>("InvertedPendulum-v5",
                                                  {.max_episode_steps = 1000, .reward_threshold = 950.0}),
               v4<mj::InvertedDoublePendulum>("InvertedDoublePendulum-v4",
                                              {.max_episode_steps = 1000, .reward_threshold = 9100.0}),
               fastvec::env<mj::InvertedDoublePendulum>("InvertedDoublePendulum-v5",
                                                        {.max_episode_steps = 1000, .reward_threshold = 9100.0}),
               v4<mj::HalfCheetah>("HalfCheetah-v4", {.max_episode_steps = 1000, .reward_threshold = 4800.0}),
               fastvec::env<mj::HalfCheetah>("HalfCheetah-v5", {.max_episode_steps = 1000, .reward_threshold = 4800.0}),
               v4<mj::Hopper>("Hopper-v4", {.max_episode_steps = 1000, .reward_threshold = 3800.0}),
               fastvec::env<mj::Hopper>("Hopper-v5", {.max_episode_steps = 1000, .reward_threshold = 3800.0}),
               v4<mj::Swimmer>("Swimmer-v4", {.max_episode_steps = 1000, .reward_threshold = 360.0}),
               fastvec::env<mj::Swimmer>("Swimmer-v5", {.max_episode_steps = 1000, .reward_threshold = 360.0}),
               v4<mj::Walker2d>("Walker2d-v4", {.max_episode_steps = 1000}),
               fastvec::env<mj::Walker2d>("Walker2d-v5", {.max_episode_steps = 1000}),
               v4<mj::Ant>("Ant-v4", {.max_episode_steps = 1000, .reward_threshold = 6000.0}),
               fastvec::env<mj::Ant>("Ant-v5", {.max_episode_steps = 1000, .reward_threshold = 6000.0}),
               v4<mj::Humanoid>("Humanoid-v4", {.max_episode_steps = 1000}),
               fastvec::env<mj::Humanoid>("Humanoid-v5", {.max_episode_steps = 1000}),
               v4<mj::HumanoidStandup>("HumanoidStandup-v4", {.max_episode_steps = 1000}),
               fastvec::env<mj::HumanoidStandup>("HumanoidStandup-v5", {.max_episode_steps = 1000}))
