// The ids of this family, with Gymnasium's own limits.
#include "bipedal_walker.hpp"
#include "car_racing.hpp"
#include "fastvec/env.hpp"
#include "lunar_lander.hpp"

namespace b2 = box2d_envs;

FASTVEC_PLUGIN(
    "fastvec.box2d",
    fastvec::env<b2::LunarLander<false>>("LunarLander-v3", {.max_episode_steps = 1000, .reward_threshold = 200.0}),
    fastvec::env<b2::LunarLander<true>>("LunarLanderContinuous-v3",
                                        {.max_episode_steps = 1000, .reward_threshold = 200.0}),
    fastvec::env<b2::CarRacing>("CarRacing-v3", {.max_episode_steps = 1000, .reward_threshold = 900.0}),
    fastvec::env<b2::BipedalWalker>("BipedalWalker-v3", {.max_episode_steps = 1600, .reward_threshold = 300.0}),
    fastvec::env<b2::BipedalWalker>("BipedalWalkerHardcore-v3", {.max_episode_steps = 2000, .reward_threshold = 300.0},
                                    {.hardcore = true}))
