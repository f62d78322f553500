// The ids of this family, with Gymnasium's own limits.
#include "acrobot.hpp"
#include "cartpole.hpp"
#include "fastvec/env.hpp"
#include "mountain_car.hpp"
#include "mountain_car_continuous.hpp"
#include "pendulum.hpp"

namespace cc = classic_control;

FASTVEC_PLUGIN("fastvec.classic_control",
               fastvec::env<cc::CartPole>("CartPole-v0", {.max_episode_steps = 200, .reward_threshold = 195.0}),
               fastvec::env<cc::CartPole>("CartPole-v1", {.max_episode_steps = 500, .reward_threshold = 475.0}),
               fastvec::env<cc::MountainCar>("MountainCar-v0", {.max_episode_steps = 200, .reward_threshold = -110.0}),
               fastvec::env<cc::MountainCarContinuous>("MountainCarContinuous-v0",
                                                       {.max_episode_steps = 999, .reward_threshold = 90.0}),
               fastvec::env<cc::Pendulum>("Pendulum-v1", {.max_episode_steps = 200}),
               fastvec::env<cc::Acrobot>("Acrobot-v1", {.max_episode_steps = 500, .reward_threshold = -100.0}))
