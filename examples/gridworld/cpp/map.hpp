// The map that a Burrow starts from: tiles, read once per vector and shared by all its envs.
#pragma once

#include <fastvec/env.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace burrow {

enum class Tile : std::uint8_t { kTunnel, kEarth, kRock };

constexpr std::int64_t kMaxSize = 32;  // cells per side; the state of an env has room for this many
constexpr std::size_t kMaxCells = kMaxSize * kMaxSize;

using Tiles = std::array<Tile, kMaxCells>;

struct Config {
  std::int64_t size = 12;
  std::int64_t gems = 5;
  std::int64_t snakes = 3;
  double rocks = 0.1;
  double snake_speed = 0.6;
  std::int64_t pixels = 1;
  std::string layout = "";

  static constexpr auto kwargs() {
    using fastvec::kwarg;
    return std::tuple{
        kwarg("size", &Config::size, "cells per side, from 4 to 32"),
        kwarg("gems", &Config::gems, "gems to dig out, from 1 to 16"),
        kwarg("snakes", &Config::snakes, "snakes, from 0 to 16"),
        kwarg("rocks", &Config::rocks, "share of the cells that are rock, from 0 to 0.5"),
        kwarg("snake_speed", &Config::snake_speed, "probability that a snake moves in a step"),
        kwarg("pixels", &Config::pixels, "pixels per cell and direction in the observation, from 1 to 8"),
        kwarg("layout", &Config::layout, "size lines of size cells: '#' rock, '.' earth, ' ' tunnel; empty: random")};
  }
};

// Refuses what cannot be meant, and reads the layout.
class Map {
 public:
  explicit Map(const Config& config) : config_(config) {
    expect("size", static_cast<double>(config.size), 4, kMaxSize);
    expect("gems", static_cast<double>(config.gems), 1, 16);
    expect("snakes", static_cast<double>(config.snakes), 0, 16);
    expect("rocks", config.rocks, 0, 0.5);
    expect("snake_speed", config.snake_speed, 0, 1);
    expect("pixels", static_cast<double>(config.pixels), 1, 8);
    if (config.gems + config.snakes + 1 > config.size * config.size) {
      throw fastvec::InvalidArgument("expected at most " + std::to_string(config.size * config.size - 1) +
                                     " gems and snakes together, got " + std::to_string(config.gems + config.snakes));
    }
    if (!config.layout.empty()) read_layout();
  }

  const Config& config() const { return config_; }
  std::int64_t size() const { return config_.size; }
  bool is_random() const { return config_.layout.empty(); }
  const Tiles& tiles() const { return tiles_; }  // the layout, where there is one

 private:
  static void expect(const char* name, double value, double low, double high) {
    if (value >= low && value <= high) return;
    throw fastvec::InvalidArgument(std::string("expected ") + name + " from " + std::to_string(low) + " to " +
                                   std::to_string(high) + ", got " + std::to_string(value));
  }

  void read_layout() {
    const auto side = static_cast<std::size_t>(size());
    std::size_t row = 0, column = 0, free = 0;
    tiles_.fill(Tile::kRock);
    for (const char symbol : config_.layout) {
      if (symbol == '\n') {
        if (column != side) refuse("line " + std::to_string(row + 1) + " has " + std::to_string(column));
        ++row;
        column = 0;
        continue;
      }
      if (row == side || column == side) refuse("there are more");
      if (symbol != '#' && symbol != '.' && symbol != ' ') refuse(std::string("there is a '") + symbol + "'");
      free += symbol != '#' ? 1 : 0;
      tiles_[row * side + column++] = symbol == '#' ? Tile::kRock : symbol == '.' ? Tile::kEarth : Tile::kTunnel;
    }
    if (row * side + column != side * side && !(row == side && column == 0)) refuse("there are fewer");
    if (free < static_cast<std::size_t>(config_.gems + config_.snakes + 1)) refuse("too few of them are not rock");
  }

  [[noreturn]] void refuse(const std::string& why) const {
    const std::string side = std::to_string(size());
    throw fastvec::InvalidArgument("layout: expected " + side + " lines of " + side + " cells, each '#', '.' or ' '; " +
                                   why);
  }

  Config config_;
  Tiles tiles_{};
};

}  // namespace burrow
