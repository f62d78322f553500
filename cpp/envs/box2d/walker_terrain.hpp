// The ground that BipedalWalker walks on: gymnasium.envs.box2d.bipedal_walker's, draw for draw.
#pragma once

#include <vector>

#include "fastvec/rng.hpp"
#include "library.hpp"

namespace box2d_envs {

inline constexpr double kTerrainStep = 14.0 / 30.0;           // metres
inline constexpr int kTerrainLength = 200;                    // steps
inline constexpr double kTerrainHeight = 400.0 / 30.0 / 4.0;  // metres
inline constexpr int kTerrainGrass = 10;                      // longest piece without an obstacle, in steps
inline constexpr int kTerrainStartpad = 20;                   // steps

// Adds one edge per step, and with `hardcore` stumps, stairs and pits. `bodies` gets all of them, the last one first.
void build_terrain(OwnedWorld& world, const Library& library, bool hardcore, fastvec::Rng& rng,
                   std::vector<Body*>& bodies);

// Draws what Gymnasium draws for its clouds, which are nothing but a picture.
void draw_clouds(fastvec::Rng& rng);

}  // namespace box2d_envs
