#include "race_car.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "sign.hpp"

namespace box2d_envs {

namespace {

constexpr double kSize = 0.02;
constexpr double kEnginePower = 100000000.0 * kSize * kSize;
constexpr double kWheelInertia = 4000.0 * kSize * kSize;
constexpr double kFrictionLimit = 1000000.0 * kSize * kSize;
constexpr double kGrassFriction = kFrictionLimit * 0.6;
constexpr double kBrakeForce = 15.0;  // radians per second
constexpr double kStiffness = 205000.0 * kSize * kSize;

using Point = std::array<double, 2>;
constexpr std::array<Point, RaceCar::kWheels> kWheelPlaces{{{-55, 80}, {55, 80}, {-55, -82}, {55, -82}}};

PolygonShape polygon(const Library& library, std::initializer_list<Point> corners) {
  std::array<Vec2, PolygonShape::kMaxVertices> vertices;
  std::size_t count = 0;
  for (const Point& corner : corners) vertices[count++] = vec2(corner[0] * kSize, corner[1] * kSize);
  return library.polygon({vertices.data(), count});
}

void spin(Wheel& wheel, double seconds) {
  wheel.omega += seconds * kEnginePower * wheel.gas / kWheelInertia / (std::fabs(wheel.omega) + 5.0);
  if (wheel.brake >= 0.9) {
    wheel.omega = 0.0;
  } else if (wheel.brake > 0.0) {
    const double slower = std::min(kBrakeForce * wheel.brake, std::fabs(wheel.omega));
    wheel.omega += -sign(wheel.omega) * slower;
  }
  wheel.phase += wheel.omega * seconds;
}

}  // namespace

RaceCar::Shapes::Shapes(const Library& library)
    : hull{polygon(library, {{-60, 130}, {60, 130}, {60, 110}, {-60, 110}}),
           polygon(library, {{-15, 120}, {15, 120}, {20, 20}, {-20, 20}}),
           polygon(library, {{25, 20}, {50, -10}, {50, -40}, {20, -90}, {-20, -90}, {-50, -40}, {-50, -10}, {-25, 20}}),
           polygon(library, {{-50, -120}, {50, -120}, {50, -90}, {-50, -90}})},
      wheel(polygon(library, {{-14, 27}, {14, 27}, {14, -27}, {-14, -27}})) {}

void RaceCar::build(OwnedWorld& world, const Shapes& shapes, double angle, double x, double y,
                    const std::array<void*, kWheels>& marks) {
  const auto turned = static_cast<float>(angle);
  hull_ = world.add_dynamic(vec2(x, y), turned, {.shape = &shapes.hull[0], .density = 1.0f});
  for (std::size_t i = 1; i < kHullParts; ++i) world.add_fixture(hull_, {.shape = &shapes.hull[i], .density = 1.0f});
  for (std::size_t i = 0; i < kWheels; ++i) {
    const auto [right, forward] = kWheelPlaces[i];
    Wheel& wheel = wheels_[i] = Wheel{};
    wheel.body =
        world.add_dynamic(vec2(x + right * kSize, y + forward * kSize), turned,
                          {.shape = &shapes.wheel, .density = 0.1f, .filter = {.category = 0x20, .mask = 1}}, marks[i]);
    RevoluteJointDefinition axle;
    axle.body_a = hull_;
    axle.body_b = wheel.body;
    axle.local_anchor_a = vec2(right * kSize, forward * kSize);
    axle.reference_angle = angle_between(*hull_, *wheel.body);
    axle.enable_motor = axle.enable_limit = true;
    axle.max_motor_torque = static_cast<float>(180.0 * 900.0 * kSize * kSize);
    axle.lower_angle = -0.4f;
    axle.upper_angle = 0.4f;
    wheel.joint = world.add_joint(axle);
  }
}

void RaceCar::destroy(OwnedWorld& world) {
  world.destroy(hull_);
  hull_ = nullptr;
  for (Wheel& wheel : wheels_) world.destroy(wheel.body);
}

void RaceCar::steer(double to) {
  for (std::size_t i : {0, 1}) wheels_[i].steer = to;
}

void RaceCar::gas(double pedal) {
  pedal = std::clamp(pedal, 0.0, 1.0);
  for (std::size_t i : {2, 3}) {
    const double more = pedal - wheels_[i].gas;
    wheels_[i].gas += more > 0.1 ? 0.1 : more;
  }
}

void RaceCar::brake(double pedal) {
  for (Wheel& wheel : wheels_) wheel.brake = pedal;
}

void RaceCar::push(const Library& library, double seconds) {
  for (Wheel& wheel : wheels_) {
    const double off = wheel.steer - static_cast<double>(library.joint_angle(wheel.joint));
    library.set_motor_speed(wheel.joint, static_cast<float>(sign(off) * std::min(50.0 * std::fabs(off), 3.0)));

    const double limit = wheel.tiles > 0 ? kFrictionLimit : kGrassFriction;
    const auto [sine, cosine] = wheel.body->rotation();
    const auto side_x = static_cast<double>(cosine), side_y = static_cast<double>(sine);
    const double forward_x = -side_y, forward_y = side_x;
    const Vec2 velocity = wheel.body->linear_velocity();
    const auto velocity_x = static_cast<double>(velocity.x), velocity_y = static_cast<double>(velocity.y);
    const double speed_forward = forward_x * velocity_x + forward_y * velocity_y;
    const double speed_aside = side_x * velocity_x + side_y * velocity_y;
    spin(wheel, seconds);

    double along = (-speed_forward + wheel.omega * kWheelRadius) * kStiffness;
    double across = -speed_aside * kStiffness;
    const double force = std::sqrt(along * along + across * across);
    if (std::fabs(force) > limit) {
      along = along / force * limit;
      across = across / force * limit;
    }
    wheel.omega -= seconds * along * kWheelRadius / kWheelInertia;
    wheel.body->apply_force(vec2(across * side_x + along * forward_x, across * side_y + along * forward_y));
  }
}

}  // namespace box2d_envs
