// The car of CarRacing, the numbers of gymnasium.envs.box2d.car_dynamics: a hull and four wheels that turn by
// themselves.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "library.hpp"

namespace box2d_envs {

struct Wheel {
  Body* body = nullptr;
  Joint* joint = nullptr;
  double gas = 0.0, brake = 0.0, steer = 0.0;
  double phase = 0.0;      // radians: how far it has turned
  double omega = 0.0;      // radians per second
  std::int32_t tiles = 0;  // of the road, which it touches
};

class RaceCar {
 public:
  static constexpr std::size_t kWheels = 4, kHullParts = 4;
  static constexpr double kWheelRadius = 27.0 * 0.02, kWheelHalfWidth = 14.0 * 0.02;  // metres

  // What all cars are made of.
  struct Shapes {
    explicit Shapes(const Library& library);
    std::array<PolygonShape, kHullParts> hull;
    PolygonShape wheel;
  };

  // A new one, at rest. `mark[i]` becomes the user data of wheel i.
  void build(OwnedWorld& world, const Shapes& shapes, double angle, double x, double y,
             const std::array<void*, kWheels>& marks);
  void destroy(OwnedWorld& world);
  bool is_built() const { return hull_ != nullptr; }

  void steer(double to);  // -1...1: left and right
  void gas(double pedal);
  void brake(double pedal);
  // Pushes the wheels: to be called before each step of the world.
  void push(const Library& library, double seconds);

  const Body& hull() const { return *hull_; }
  const std::array<Wheel, kWheels>& wheels() const { return wheels_; }
  Wheel& wheel(std::size_t i) { return wheels_[i]; }

 private:
  Body* hull_ = nullptr;
  std::array<Wheel, kWheels> wheels_;
};

}  // namespace box2d_envs
