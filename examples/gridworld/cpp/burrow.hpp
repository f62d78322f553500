// Burrow: a mole digs for gems, and snakes follow it into its tunnels.
//
// The mole moves one cell per step or stays. Rock stops it; earth becomes a tunnel. If it digs in its heels (the second
// action) the cell that it leaves falls in and is earth again, which costs a little and stops snakes: they
// live in tunnels. A gem is worth 1, a snake ends the episode with -1, and so does the last gem, with 1 more.
#pragma once

#include <fastvec/env.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "map.hpp"

namespace burrow {

class Burrow {
 public:
  using Config = burrow::Config;
  using Shared = Map;
  using Action = std::span<const std::int64_t, 2>;  // 0 stay, 1 up, 2 right, 3 down, 4 left; 1: close the tunnel behind
  using Observation = std::span<std::uint8_t>;      // a picture, (size * pixels, size * pixels, 3)

  static constexpr std::int64_t kPixelsPerCell = 16;
  enum InfoFields : std::size_t { kGemsLeft, kPosition, kEaten };

  static fastvec::Spec spec(const Map& map) {
    const std::int64_t size = map.size(), side = size * map.config().pixels;
    return {.observation = fastvec::Box<std::uint8_t>(0, 255, {side, side, 3}),
            .action = fastvec::MultiDiscrete({5, 2}),
            .info = {fastvec::info_field<std::int64_t>("gems_left"), fastvec::info_field<std::int32_t>("position", {2}),
                     fastvec::info_field<bool>("eaten")},
            .render_height = static_cast<std::int32_t>(size * kPixelsPerCell),
            .render_width = static_cast<std::int32_t>(size * kPixelsPerCell)};
  }

  void reset(const Map& map, fastvec::Rng& rng, const fastvec::Options&, fastvec::Info& info) {
    const std::int64_t cells = map.size() * map.size();
    tiles_ = map.tiles();
    if (map.is_random()) {
      for (std::int64_t i = 0; i < cells; ++i) {
        tiles_[index(i)] = rng.random() < map.config().rocks ? Tile::kRock : Tile::kEarth;
      }
    }
    num_gems_ = num_snakes_ = 0;
    mole_ = -1;
    mole_ = free_cell(map, rng);
    tiles_[index(mole_)] = Tile::kTunnel;
    while (num_gems_ < map.config().gems) {
      const std::int64_t cell = free_cell(map, rng);
      gems_[index(num_gems_++)] = cell;
    }
    while (num_snakes_ < map.config().snakes) {
      const std::int64_t cell = free_cell(map, rng);
      tiles_[index(cell)] = Tile::kTunnel;
      snakes_[index(num_snakes_++)] = cell;
    }
    tell(map, info);
  }

  fastvec::StepResult step(const Map& map, Action action, fastvec::Rng& rng, fastvec::Info& info) {
    fastvec::StepResult result;
    const std::int64_t target = neighbour(map, mole_, action[0]);
    if (target != mole_ && tiles_[index(target)] != Tile::kRock) {
      tiles_[index(target)] = Tile::kTunnel;
      if (action[1] == 1 && !has_snake(mole_)) {
        tiles_[index(mole_)] = Tile::kEarth;
        result.reward -= 0.05;
      }
      mole_ = target;
    }
    for (std::int64_t i = 0; i < num_gems_; ++i) {
      if (gems_[index(i)] != mole_) continue;
      gems_[index(i)] = gems_[index(--num_gems_)];
      result.reward += num_gems_ == 0 ? 2.0 : 1.0;
      break;
    }
    bool eaten = has_snake(mole_);
    for (std::int64_t i = 0; i < num_snakes_ && !eaten; ++i) eaten = move_snake(map, snakes_[index(i)], rng);
    if (eaten) {
      result.reward -= 1.0;
      info.set(kEaten, true);  // told at the end only: otherwise its mask is False
    }
    result.terminated = eaten || num_gems_ == 0;
    tell(map, info);
    return result;
  }

  void observe(const Map& map, Observation picture) const { draw(map, picture, map.config().pixels); }

  void render(const Map& map, std::span<std::uint8_t> pixels) const { draw(map, pixels, kPixelsPerCell); }

 private:
  using Colour = std::array<std::uint8_t, 3>;

  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

  // The whole field, `scale` x `scale` pixels per cell.
  void draw(const Map& map, std::span<std::uint8_t> picture, std::int64_t scale) const {
    constexpr std::array<Colour, 3> kTiles{{{40, 30, 20}, {130, 90, 50}, {128, 128, 128}}};
    const std::int64_t cells = map.size() * map.size();
    const auto paint = [&](std::int64_t cell, const Colour& colour) {
      const std::int64_t row = cell / map.size() * scale, column = cell % map.size() * scale;
      for (std::int64_t y = row; y < row + scale; ++y) {
        auto pixel = picture.begin() + 3 * (y * map.size() * scale + column);
        for (std::int64_t x = 0; x < scale; ++x) pixel = std::copy(colour.begin(), colour.end(), pixel);
      }
    };
    for (std::int64_t i = 0; i < cells; ++i) paint(i, kTiles[static_cast<std::size_t>(tiles_[index(i)])]);
    for (std::int64_t i = 0; i < num_gems_; ++i) paint(gems_[index(i)], {0, 220, 255});
    for (std::int64_t i = 0; i < num_snakes_; ++i) paint(snakes_[index(i)], {60, 200, 40});
    paint(mole_, {255, 230, 200});
  }

  // The cell next to `cell`, or itself at the border.
  static std::int64_t neighbour(const Map& map, std::int64_t cell, std::int64_t direction) {
    const std::int64_t size = map.size(), row = cell / size, column = cell % size;
    switch (direction) {
      case 1: return row > 0 ? cell - size : cell;
      case 2: return column < size - 1 ? cell + 1 : cell;
      case 3: return row < size - 1 ? cell + size : cell;
      case 4: return column > 0 ? cell - 1 : cell;
      default: return cell;
    }
  }

  bool has_snake(std::int64_t cell) const {
    return std::find(snakes_.begin(), snakes_.begin() + num_snakes_, cell) != snakes_.begin() + num_snakes_;
  }

  // A random cell that is not rock, and holds neither the mole nor a gem nor a snake. (A random map with nothing
  // but rock gets a hole.)
  std::int64_t free_cell(const Map& map, fastvec::Rng& rng) {
    for (std::int64_t attempt = 0;; ++attempt) {
      const std::int64_t cell = rng.integers(0, map.size() * map.size());
      const bool gem = std::find(gems_.begin(), gems_.begin() + num_gems_, cell) != gems_.begin() + num_gems_;
      if (cell == mole_ || gem || has_snake(cell)) continue;
      if (map.is_random() && attempt > 1000) tiles_[index(cell)] = Tile::kEarth;
      if (tiles_[index(cell)] != Tile::kRock) return cell;
    }
  }

  // Moves a snake through the tunnels, if it feels like it. True: it has caught the mole.
  bool move_snake(const Map& map, std::int64_t& snake, fastvec::Rng& rng) const {
    if (rng.random() >= map.config().snake_speed) return false;
    const std::int64_t target = neighbour(map, snake, rng.integers(1, 5));
    if (tiles_[index(target)] != Tile::kTunnel || has_snake(target)) return false;
    snake = target;
    return snake == mole_;
  }

  void tell(const Map& map, fastvec::Info& info) const {
    info.set(kGemsLeft, num_gems_);
    const auto position = info.array<std::int32_t>(kPosition);
    position[0] = static_cast<std::int32_t>(mole_ / map.size());
    position[1] = static_cast<std::int32_t>(mole_ % map.size());
  }

  Tiles tiles_{};
  std::array<std::int64_t, 16> gems_{}, snakes_{};  // cells
  std::int64_t num_gems_ = 0, num_snakes_ = 0;
  std::int64_t mole_ = 0;
};

}  // namespace burrow
