#include "walker_terrain.hpp"

#include <algorithm>
#include <array>

namespace box2d_envs {

namespace {

constexpr float kFriction = 2.5f;
constexpr double kScale = 30.0;

enum class Ground : std::int64_t { kGrass = 0, kStump = 1, kStairs = 2, kPit = 3 };

// Adds a convex body with these corners.
class Obstacles {
 public:
  Obstacles(OwnedWorld& world, const Library& library, std::vector<Body*>& bodies)
      : world_(world), library_(library), bodies_(bodies) {}

  void add(const std::array<std::array<double, 2>, 4>& corners) {
    std::array<Vec2, 4> vertices;
    for (std::size_t i = 0; i < 4; ++i) vertices[i] = vec2(corners[i][0], corners[i][1]);
    const PolygonShape shape = library_.polygon(vertices);
    bodies_.push_back(world_.add_static({.shape = &shape, .friction = kFriction}));
  }

 private:
  OwnedWorld& world_;
  const Library& library_;
  std::vector<Body*>& bodies_;
};

}  // namespace

void build_terrain(OwnedWorld& world, const Library& library, bool hardcore, fastvec::Rng& rng,
                   std::vector<Body*>& bodies) {
  constexpr double kStep = kTerrainStep;
  Obstacles obstacles(world, library, bodies);
  std::array<double, kTerrainLength> xs, ys;
  Ground ground = Ground::kGrass;
  bool is_new = false;  // the ground has just changed
  double velocity = 0.0, y = kTerrainHeight, original_y = 0.0;
  std::int64_t left = kTerrainStartpad;  // steps until it changes
  std::int64_t stair_steps = 0, stair_width = 0, stair_height = 0;
  for (int i = 0; i < kTerrainLength; ++i) {
    const double x = i * kStep;
    xs[static_cast<std::size_t>(i)] = x;
    if (ground == Ground::kGrass && !is_new) {
      const double up = kTerrainHeight - y;
      velocity = 0.8 * velocity + 0.01 * (up > 0.0 ? 1.0 : up < 0.0 ? -1.0 : 0.0);
      if (i > kTerrainStartpad) velocity += rng.uniform(-1.0, 1.0) / kScale;
      y += velocity;
    } else if (ground == Ground::kPit && is_new) {
      left = rng.integers(3, 5);
      const double bottom = y - 4 * kStep;
      obstacles.add({{{x, y}, {x + kStep, y}, {x + kStep, bottom}, {x, bottom}}});
      const double away = kStep * static_cast<double>(left);
      obstacles.add({{{x + away, y}, {x + kStep + away, y}, {x + kStep + away, bottom}, {x + away, bottom}}});
      left += 2;
      original_y = y;
    } else if (ground == Ground::kPit) {
      y = original_y;
      if (left > 1) y -= 4 * kStep;
    } else if (ground == Ground::kStump && is_new) {
      left = rng.integers(1, 3);
      const double size = static_cast<double>(left) * kStep;
      obstacles.add({{{x, y}, {x + size, y}, {x + size, y + size}, {x, y + size}}});
    } else if (ground == Ground::kStairs && is_new) {
      stair_height = rng.random() > 0.5 ? +1 : -1;
      stair_width = rng.integers(4, 5);
      stair_steps = rng.integers(3, 5);
      original_y = y;
      for (std::int64_t s = 0; s < stair_steps; ++s) {
        const double begin = x + static_cast<double>(s * stair_width) * kStep;
        const double end = x + static_cast<double>((1 + s) * stair_width) * kStep;
        const double top = y + static_cast<double>(s * stair_height) * kStep;
        const double bottom = y + static_cast<double>(-1 + s * stair_height) * kStep;
        obstacles.add({{{begin, top}, {end, top}, {end, bottom}, {begin, bottom}}});
      }
      left = stair_steps * stair_width;
    } else if (ground == Ground::kStairs) {
      const std::int64_t at = stair_steps * stair_width - left - stair_height;
      const double n = static_cast<double>(at) / static_cast<double>(stair_width);
      y = original_y + (n * static_cast<double>(stair_height)) * kStep;
    }
    is_new = false;
    ys[static_cast<std::size_t>(i)] = y;
    if (--left == 0) {
      left = rng.integers(kTerrainGrass / 2, kTerrainGrass);
      ground = ground == Ground::kGrass && hardcore ? static_cast<Ground>(rng.integers(1, 4)) : Ground::kGrass;
      is_new = true;
    }
  }
  for (std::size_t i = 0; i + 1 < kTerrainLength; ++i) {
    const EdgeShape edge = library.edge(vec2(xs[i], ys[i]), vec2(xs[i + 1], ys[i + 1]));
    bodies.push_back(world.add_static({.shape = &edge, .friction = kFriction}));
  }
  std::reverse(bodies.begin(), bodies.end());
}

void draw_clouds(fastvec::Rng& rng) {
  for (int cloud = 0; cloud < kTerrainLength / 20; ++cloud) {
    rng.uniform(0.0, kTerrainLength);
    for (int i = 0; i < 10; ++i) rng.uniform(0.0, 5.0 * kTerrainStep);
  }
}

}  // namespace box2d_envs
