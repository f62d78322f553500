#include "burrow.hpp"

FASTVEC_PLUGIN("burrow", fastvec::env<burrow::Burrow>("burrow/Burrow-v0", {.max_episode_steps = 500}),
               fastvec::env<burrow::Burrow>("burrow/BurrowCalm-v0", {.max_episode_steps = 500}, {.snakes = 0}))
