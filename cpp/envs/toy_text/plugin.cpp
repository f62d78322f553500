// The ids of this family, with Gymnasium's own limits and keyword arguments.
#include "blackjack.hpp"
#include "cliff_walking.hpp"
#include "fastvec/env.hpp"
#include "frozen_lake.hpp"
#include "taxi.hpp"

namespace tt = toy_text;

FASTVEC_PLUGIN("fastvec.toy_text", fastvec::env<tt::Blackjack>("Blackjack-v1", {}, {.sab = true}),
               fastvec::env<tt::FrozenLake>("FrozenLake-v1", {.max_episode_steps = 100, .reward_threshold = 0.70},
                                            {.map_name = "4x4"}),
               fastvec::env<tt::FrozenLake>("FrozenLake8x8-v1", {.max_episode_steps = 200, .reward_threshold = 0.85},
                                            {.map_name = "8x8"}),
               fastvec::env<tt::CliffWalking>("CliffWalking-v1"),
               fastvec::env<tt::CliffWalking>("CliffWalkingSlippery-v1", {}, {.is_slippery = true}),
               fastvec::env<tt::Taxi>("Taxi-v4", {.max_episode_steps = 200, .reward_threshold = 8.0}))
