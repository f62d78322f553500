#include "race_track.hpp"

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <numbers>

#include "sign.hpp"

namespace box2d_envs {

namespace {

constexpr double kPi = std::numbers::pi;
constexpr int kCheckpoints = 12;
constexpr double kRadius = 900.0 / kTrackScale;
constexpr double kDetailStep = 21.0 / kTrackScale;
constexpr double kTurnRate = 0.31;
constexpr double kRoadWidth = 40.0 / kTrackScale;
constexpr double kBorderWidth = 8.0 / kTrackScale;
constexpr int kBorderMinCount = 4;
constexpr double kStartAlpha = 2.0 * kPi * (-0.5) / kCheckpoints;

struct Place {
  double alpha, beta, x, y;  // angle seen from the middle, direction of the road, position
};

std::array<Place, kCheckpoints> draw_checkpoints(fastvec::Rng& rng) {
  std::array<Place, kCheckpoints> checkpoints;
  for (int i = 0; i < kCheckpoints; ++i) {
    const double noise = rng.uniform(0.0, 2.0 * kPi * 1.0 / kCheckpoints);
    double alpha = 2.0 * kPi * i / kCheckpoints + noise;
    double radius = rng.uniform(kRadius / 3.0, kRadius);
    if (i == 0) {
      alpha = 0.0;
      radius = 1.5 * kRadius;
    }
    if (i == kCheckpoints - 1) {
      alpha = 2.0 * kPi * i / kCheckpoints;
      radius = 1.5 * kRadius;
    }
    checkpoints[static_cast<std::size_t>(i)] = {alpha, 0.0, radius * std::cos(alpha), radius * std::sin(alpha)};
  }
  return checkpoints;
}

// Drives from checkpoint to checkpoint, for five laps.
std::vector<Place> drive(const std::array<Place, kCheckpoints>& checkpoints) {
  std::vector<Place> places;
  double x = 1.5 * kRadius, y = 0.0, beta = 0.0;
  std::size_t destination = 0;
  int laps = 0;
  bool has_seen_other_side = false;
  for (int left = 2500;;) {
    double alpha = std::atan2(y, x);
    if (has_seen_other_side && alpha > 0.0) {
      ++laps;
      has_seen_other_side = false;
    }
    if (alpha < 0.0) {
      has_seen_other_side = true;
      alpha += 2.0 * kPi;
    }
    const Place* target;
    for (;;) {
      target = &checkpoints[destination % kCheckpoints];
      if (alpha <= target->alpha) break;
      if (++destination % kCheckpoints == 0) alpha -= 2.0 * kPi;
    }
    const double forward_x = std::cos(beta), forward_y = std::sin(beta);
    double across = forward_x * (target->x - x) + forward_y * (target->y - y);
    while (beta - alpha > 1.5 * kPi) beta -= 2.0 * kPi;
    while (beta - alpha < -1.5 * kPi) beta += 2.0 * kPi;
    const double beta_before = beta;
    across *= kTrackScale;
    const double turn = std::fmin(kTurnRate, std::fabs(0.001 * across));
    if (across > 0.3) beta -= turn;
    if (across < -0.3) beta += turn;
    x += -forward_y * kDetailStep;
    y += forward_x * kDetailStep;
    places.push_back({alpha, beta_before * 0.5 + beta * 0.5, x, y});
    if (laps > 4 || --left == 0) return places;
  }
}

// Keeps the second lap of what was driven. False: it is not closed.
bool keep_one_lap(std::vector<Place>& places) {
  std::size_t begin = 0, end = 0;
  for (std::size_t i = places.size() - 1; begin == 0; --i) {
    if (i == 0) return false;
    if (!(places[i].alpha > kStartAlpha && places[i - 1].alpha <= kStartAlpha)) continue;
    if (end == 0) end = i;
    else begin = i;
  }
  places.resize(end - 1);
  places.erase(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(begin));
  const Place &first = places.front(), &last = places.back();
  const double across_x = std::cos(first.beta) * (first.x - last.x);
  const double across_y = std::sin(first.beta) * (first.y - last.y);
  return std::sqrt(across_x * across_x + across_y * across_y) <= kDetailStep;
}

// Which places are in a sharp bend.
std::vector<bool> find_bends(const std::vector<Place>& places) {
  const std::size_t count = places.size();
  const auto back = [&](std::size_t i, int steps) { return (i + count - static_cast<std::size_t>(steps)) % count; };
  std::vector<bool> bends(count);
  for (std::size_t i = 0; i < count; ++i) {
    bool is_sharp = true;
    double one_side = 0.0;
    for (int step = 0; step < kBorderMinCount; ++step) {
      const double turn = places[back(i, step)].beta - places[back(i, step + 1)].beta;
      is_sharp = is_sharp && std::fabs(turn) > kTurnRate * 0.2;
      one_side += sign(turn);
    }
    bends[i] = is_sharp && std::fabs(one_side) == kBorderMinCount;
  }
  for (std::size_t i = 0; i < count; ++i) {
    for (int step = 0; step < kBorderMinCount; ++step) bends[back(i, step)] = bends[back(i, step)] || bends[i];
  }
  return bends;
}

// The strip between two places, from `near` to `far` beside the middle of the road.
Quad strip(const Place& a, const Place& b, double near, double far) {
  const auto beside = [](const Place& at, double away) {
    return std::array{at.x + away * std::cos(at.beta), at.y + away * std::sin(at.beta)};
  };
  return {beside(a, near), beside(a, far), beside(b, far), beside(b, near)};
}

}  // namespace

void build_track(fastvec::Rng& rng, RaceTrack& track) {
  std::vector<Place> places;
  do {
    places = drive(draw_checkpoints(rng));
  } while (!keep_one_lap(places));
  const std::vector<bool> bends = find_bends(places);
  track.angle = places.front().beta;
  track.x = places.front().x;
  track.y = places.front().y;
  track.tiles.clear();
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Place &here = places[i], &before = places[i == 0 ? places.size() - 1 : i - 1];
    RaceTrack::Tile& tile = track.tiles.emplace_back();
    tile.road = strip(here, before, -kRoadWidth, kRoadWidth);
    tile.has_border = bends[i];
    if (tile.has_border) {
      const double side = sign(before.beta - here.beta);
      tile.border = strip(here, before, side * kRoadWidth, side * (kRoadWidth + kBorderWidth));
    }
  }
}

}  // namespace box2d_envs
