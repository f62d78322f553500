// The track of CarRacing: a closed road through random checkpoints.
#pragma once

#include <array>
#include <vector>

#include "fastvec/rng.hpp"

namespace box2d_envs {

using Quad = std::array<std::array<double, 2>, 4>;  // corners, in metres

struct RaceTrack {
  // Where the road begins: the car stands there, turned so.
  double angle, x, y;

  struct Tile {
    Quad road;
    bool has_border;
    Quad border;  // red and white, in a sharp bend
  };
  std::vector<Tile> tiles;
};

inline constexpr double kTrackScale = 6.0;
inline constexpr double kPlayfield = 2000.0 / kTrackScale;  // half of it: from the middle to an edge

// Draws tracks until one closes.
void build_track(fastvec::Rng& rng, RaceTrack& track);

}  // namespace box2d_envs
