#include "bipedal_walker.hpp"

namespace box2d_envs {

namespace {

constexpr double kFps = 50.0, kScale = 30.0;
constexpr double kMotorsTorque = 80.0, kSpeedHip = 4.0, kSpeedKnee = 6.0;
constexpr double kLidarRange = 160.0 / kScale;
constexpr double kInitialRandom = 5.0;
constexpr double kLegDown = -8.0 / kScale, kLegWidth = 8.0 / kScale, kLegHeight = 34.0 / kScale;
constexpr double kWidth = 600.0 / kScale, kHeight = 400.0 / kScale;
constexpr std::array<std::array<double, 2>, 5> kHull{
    {{-30.0, +9.0}, {+6.0, +9.0}, {+34.0, +1.0}, {+34.0, -8.0}, {-30.0, -8.0}}};
constexpr Filter kRobot{.category = 0x0020, .mask = 0x0001};

PolygonShape hull_shape(const Library& library) {
  std::array<Vec2, kHull.size()> vertices;
  for (std::size_t i = 0; i < vertices.size(); ++i) vertices[i] = vec2(kHull[i][0] / kScale, kHull[i][1] / kScale);
  return library.polygon(vertices);
}

// The reward's share of the action. NumPy keeps a float32 action's in float32, and then the reward too.
template <class T>
double minus_effort(double reward, const std::array<double, 4>& actions) {
  auto sum = static_cast<T>(reward);
  for (const double action : actions) {
    sum -= static_cast<T>(0.00035 * kMotorsTorque) * static_cast<T>(std::min(std::fabs(action), 1.0));
  }
  return static_cast<double>(sum);
}

}  // namespace

BipedalWalker::Shared::Shared(const Config& given)
    : config(given),
      library(given.addresses),
      hull(hull_shape(library)),
      leg(library.box(kLegWidth / 2.0, kLegHeight / 2.0)),
      lower_leg(library.box(0.8 * kLegWidth / 2.0, kLegHeight / 2.0)) {
  for (std::size_t i = 0; i < rays.size(); ++i) {
    const double angle = 1.5 * static_cast<double>(i) / 10.0;
    rays[i] = {std::sin(angle) * kLidarRange, std::cos(angle) * kLidarRange};
  }
}

void BipedalWalker::clear() {
  Walk& walk = *walk_;
  if (walk.terrain.empty()) return;
  OwnedWorld& world = *walk.world;
  world.listen(nullptr);
  for (Body* const body : walk.terrain) world.destroy(body);
  walk.terrain.clear();
  world.destroy(walk.hull);
  for (Body* const leg : walk.legs) world.destroy(leg);
}

void BipedalWalker::begin(const Shared& shared, const Setting& setting, fastvec::Rng& rng) {
  Walk& walk = *walk_;
  OwnedWorld& world = *walk.world;
  world.listen(&walk);
  walk.game_over = false;
  walk.leg_contacts = {};
  has_shaping_ = false;

  build_terrain(world, shared.library, setting.is_hardcore != 0, rng, walk.terrain);
  draw_clouds(rng);

  const double x = kTerrainStep * kTerrainStartpad / 2.0, y = kTerrainHeight + 2.0 * kLegHeight;
  walk.hull =
      world.add_dynamic(vec2(x, y), 0.0f, {.shape = &shared.hull, .friction = 0.1f, .density = 5.0f, .filter = kRobot});
  walk.hull->apply_force(vec2(rng.uniform(-kInitialRandom, kInitialRandom), 0.0));
  for (std::size_t side = 0; side < 2; ++side) {
    const double sign = side == 0 ? -1.0 : +1.0;
    const auto angle = static_cast<float>(sign * 0.05);
    Body* const leg = world.add_dynamic(vec2(x, y - kLegHeight / 2.0 - kLegDown), angle,
                                        {.shape = &shared.leg, .density = 1.0f, .filter = kRobot});
    RevoluteJointDefinition hip;
    hip.body_a = walk.hull;
    hip.body_b = leg;
    hip.local_anchor_a = vec2(0.0, kLegDown);
    hip.local_anchor_b = vec2(0.0, kLegHeight / 2.0);
    hip.reference_angle = angle_between(*walk.hull, *leg);
    hip.enable_motor = hip.enable_limit = true;
    hip.max_motor_torque = static_cast<float>(kMotorsTorque);
    hip.motor_speed = static_cast<float>(sign);
    hip.lower_angle = -0.8f;
    hip.upper_angle = 1.1f;
    walk.joints[2 * side] = world.add_joint(hip);
    Body* const lower = world.add_dynamic(vec2(x, y - kLegHeight * 3.0 / 2.0 - kLegDown), angle,
                                          {.shape = &shared.lower_leg, .density = 1.0f, .filter = kRobot});
    RevoluteJointDefinition knee = hip;
    knee.body_a = leg;
    knee.body_b = lower;
    knee.local_anchor_a = vec2(0.0, -kLegHeight / 2.0);
    knee.reference_angle = angle_between(*leg, *lower);
    knee.motor_speed = 1.0f;
    knee.lower_angle = -1.6f;
    knee.upper_angle = -0.1f;
    walk.joints[2 * side + 1] = world.add_joint(knee);
    walk.legs[2 * side] = leg;
    walk.legs[2 * side + 1] = lower;
  }
  advance(shared, Torques{});
}

fastvec::StepResult BipedalWalker::advance(const Shared& shared, const Torques& torques) {
  Walk& walk = *walk_;
  const Library& library = shared.library;
  for (std::size_t i = 0; i < 4; ++i) {
    const double action = torques.actions[i];
    const double speed = i % 2 == 0 ? kSpeedHip : kSpeedKnee;
    const double sign = action > 0.0 ? 1.0 : action < 0.0 ? -1.0 : 0.0;
    // (Of a float32 action NumPy rounds the product to float32 at once; Box2D's argument is one anyway.)
    library.set_motor_speed(walk.joints[i], static_cast<float>(speed * sign));
    const double strength = std::min(std::fabs(action), 1.0);
    library.set_max_motor_torque(walk.joints[i], static_cast<float>(kMotorsTorque * strength));
  }
  walk.world->step(static_cast<float>(1.0 / kFps), 6 * 30, 2 * 30);

  const Vec2 position = walk.hull->position(), velocity = walk.hull->linear_velocity();
  const auto x = static_cast<double>(position.x), y = static_cast<double>(position.y);
  eye_ = position;
  std::array<double, 24> state;
  for (std::size_t i = 0; i < 10; ++i) {
    Ray ray;
    ray.end = vec2(x + shared.rays[i][0], y - shared.rays[i][1]);
    walk.world->ray_cast(ray, position, ray.end);
    ray_ends_[i] = ray.end;
    state[14 + i] = static_cast<double>(ray.fraction);
  }
  state[0] = static_cast<double>(walk.hull->angle());
  state[1] = 2.0 * static_cast<double>(walk.hull->angular_velocity()) / kFps;
  state[2] = 0.3 * static_cast<double>(velocity.x) * kWidth / kFps;
  state[3] = 0.3 * static_cast<double>(velocity.y) * kHeight / kFps;
  for (std::size_t side = 0; side < 2; ++side) {
    const Joint* const hip = walk.joints[2 * side];
    const Joint* const knee = walk.joints[2 * side + 1];
    double* const at = &state[4 + 5 * side];
    at[0] = static_cast<double>(library.joint_angle(hip));
    at[1] = static_cast<double>(library.joint_speed(hip)) / kSpeedHip;
    at[2] = static_cast<double>(library.joint_angle(knee)) + 1.0;
    at[3] = static_cast<double>(library.joint_speed(knee)) / kSpeedKnee;
    at[4] = walk.leg_contacts[side] ? 1.0 : 0.0;
  }
  for (std::size_t i = 0; i < state.size(); ++i) observation_[i] = static_cast<float>(state[i]);

  const double shaping = 130.0 * x / kScale - 5.0 * std::fabs(state[0]);
  const double progress = has_shaping_ ? shaping - shaping_ : 0.0;
  shaping_ = shaping;
  has_shaping_ = true;
  double reward = torques.is_float32 != 0 ? minus_effort<float>(progress, torques.actions)
                                          : minus_effort<double>(progress, torques.actions);
  bool terminated = false;
  if (walk.game_over || x < 0.0) {
    reward = -100.0;
    terminated = true;
  }
  if (x > (kTerrainLength - kTerrainGrass) * kTerrainStep) terminated = true;
  return {.reward = reward, .terminated = terminated};
}

BipedalWalker::View BipedalWalker::view() const {
  View view{};
  const Walk& walk = *walk_;
  if (walk.hull == nullptr) return view;
  view.has_started = 1;
  view.bodies[0] = BodyView::of(*walk.hull);
  for (std::size_t i = 0; i < 4; ++i) view.bodies[1 + i] = BodyView::of(*walk.legs[i]);
  for (std::size_t i = 0; i < 10; ++i) {
    view.ray_ends[i] = {ray_ends_[i].x, ray_ends_[i].y};
    view.ray_fractions[i] = observation_[14 + i];
  }
  view.eye = {eye_.x, eye_.y};
  for (std::size_t i = 0; i < 2; ++i) view.leg_contacts[i] = walk.leg_contacts[i] ? 1 : 0;
  view.game_over = walk.game_over ? 1 : 0;
  view.has_shaping = has_shaping_ ? 1 : 0;
  view.shaping = shaping_;
  return view;
}

}  // namespace box2d_envs
