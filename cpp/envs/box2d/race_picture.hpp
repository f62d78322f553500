// CarRacing's picture: the road from above, turned so that the car looks up, and a panel of instruments below.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "canvas.hpp"
#include "library.hpp"
#include "race_car.hpp"
#include "race_track.hpp"

namespace box2d_envs {

// The digits and the minus sign, as pygame's font draws them. Python makes them (python/fastvec/envs/box2d/digits.py).
class Digits {
 public:
  // `table`: the address of the gray pixels of all, one after the other; their height; the widths of 0...9 and of the
  // minus sign; and for each of them how far behind it the pen is for 0...9 and for a minus sign, in 64ths of a pixel.
  explicit Digits(const std::vector<std::int64_t>& table);

  // A number without fractions, four places at least, with its middle there.
  void draw(Canvas& canvas, double number, std::int32_t middle_x, std::int32_t middle_y) const;

 private:
  static constexpr std::size_t kCount = 11;

  std::int32_t height_;
  std::array<std::int32_t, kCount> widths_;
  std::array<std::array<std::int32_t, kCount>, kCount> distances_;
  std::array<const std::uint8_t*, kCount> pixels_;
};

// From the world to the surface, as pygame's Vector2.rotate_rad and Gymnasium's zoom and shift round it.
class Camera {
 public:
  Camera(double angle, double zoom);
  void shift(double x, double y) { shift_ = {x, y}; }

  std::array<double, 2> rotate(double x, double y) const;
  std::array<double, 2> operator()(double x, double y) const {
    const auto [turned_x, turned_y] = rotate(x, y);
    return {turned_x * zoom_ + shift_[0], turned_y * zoom_ + shift_[1]};
  }

 private:
  int quarters_ = -1;  // of a turn, where the angle is that; else -1
  double sine_ = 0.0, cosine_ = 1.0, zoom_;
  std::array<double, 2> shift_{};
};

struct RaceColors {
  std::array<double, 3> road{102.0, 102.0, 102.0}, ground{102.0, 204.0, 102.0}, grass{102.0, 230.0, 102.0};
};

struct RaceScene {
  const Library& library;
  const RaceTrack& track;
  std::span<const std::uint8_t> tile_states;
  std::uint8_t touched;  // a bit of these: the tile has the road's plain color
  const RaceCar& car;
  const RaceCar::Shapes& shapes;
  const RaceColors& colors;
  double seconds;  // since the episode began: at first the camera comes down
  double reward;   // that is shown
};

void draw_race(Canvas& canvas, const Digits& digits, const RaceScene& scene);

}  // namespace box2d_envs
