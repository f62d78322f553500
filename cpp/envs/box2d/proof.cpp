// A short scene, stepped through every declaration of library.hpp. Python steps the same scene by the package's own
// bindings (python/fastvec/envs/box2d/proof.py, which has to say the same) and compares: if a byte differs, this is not
// the Box2D that is declared here, and no env of this library is offered.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <vector>

#include "fastvec/env.hpp"
#include "library.hpp"

namespace box2d_envs {

namespace {

class Scene : ContactListener, RayCastCallback {
 public:
  // The world outlives it.
  Scene(const Library& library, OwnedWorld& world) : library_(library), world_(world) {
    world.listen(this);
    const EdgeShape floor = library.edge({0.0f, 0.0f}, {10.0f, 0.0f});
    const EdgeShape slope = library.edge({10.0f, 0.0f}, {12.0f, 1.0f});
    ground_ = world.add_static({.shape = &floor});
    world.add_fixture(ground_, {.shape = &slope, .friction = 2.5f});
    const Vec2 corners[] = {{-0.5f, 0.5f}, {-0.75f, -0.25f}, {0.75f, -0.25f}, {0.5f, 0.5f}, {0.0f, 0.75f}};
    const PolygonShape hull = library.polygon(corners);
    const PolygonShape foot = library.box(0.125, 0.5);
    hull_ = world.add_dynamic(
        {5.0f, 2.0f}, 0.125f,
        {.shape = &hull, .friction = 0.1f, .density = 5.0f, .filter = {.category = 0x0010, .mask = 0x0001}});
    foot_ = world.add_dynamic({5.5f, 1.5f}, -0.25f,
                              {.shape = &foot, .density = 1.0f, .filter = {.category = 0x0020, .mask = 0x0001}});
    RevoluteJointDefinition joint;
    joint.body_a = hull_;
    joint.body_b = foot_;
    joint.local_anchor_a = {0.5f, 0.0f};
    joint.local_anchor_b = {0.0f, 0.5f};
    joint.reference_angle = angle_between(*hull_, *foot_);
    joint.enable_motor = joint.enable_limit = true;
    joint.lower_angle = -0.75f;
    joint.upper_angle = 0.5f;
    joint.motor_speed = 1.0f;
    joint.max_motor_torque = 40.0f;
    joint_ = world.add_joint(joint);
    hull_->apply_force({100.0f, -50.0f});
    hull_->apply_torque(3.0f);
    hull_->apply_impulse({1.5f, 2.5f}, {5.125f, 2.25f});
  }

  void play(int steps, std::vector<float>& out) {
    for (int step = 0; step < steps; ++step) {
      if (step == steps / 2) {
        library_.set_motor_speed(joint_, -2.0f);
        library_.set_max_motor_torque(joint_, 20.0f);
      }
      world_.step(0.02f, 180, 60);
      for (const Body* const body : {hull_, foot_}) {
        out.insert(out.end(), {body->position().x, body->position().y, body->angle(), body->linear_velocity().x,
                               body->linear_velocity().y, body->angular_velocity(), body->is_awake() ? 1.0f : 0.0f});
      }
      fraction_ = 1.0f;
      world_.ray_cast(*this, hull_->position(), {hull_->position().x + 1.0f, hull_->position().y - 4.0f});
      out.insert(out.end(), {library_.joint_angle(joint_), library_.joint_speed(joint_), fraction_, hit_.x, hit_.y,
                             begun_, ended_, touches_hull_});
    }
  }

  // Takes its bodies out of the world.
  void clear() {
    world_.listen(nullptr);
    for (Body* const body : {ground_, foot_, hull_}) world_.destroy(body);
  }

 private:
  void begin_contact(Contact* contact) override {
    begun_ += 1.0f;
    if (contact->is_of(hull_)) touches_hull_ += 1.0f;
  }
  void end_contact(Contact*) override { ended_ += 1.0f; }
  float report_fixture(Fixture* fixture, const Vec2& point, const Vec2&, float fraction) override {
    if ((fixture->category() & 1) == 0) return -1.0f;
    hit_ = point;
    fraction_ = fraction;
    return fraction;
  }

  const Library& library_;
  OwnedWorld& world_;
  Body *ground_, *hull_, *foot_;
  Joint* joint_;
  Vec2 hit_;
  float fraction_ = 1.0f, begun_ = 0.0f, ended_ = 0.0f, touches_hull_ = 0.0f;
};

std::vector<float> play(const Library& library, OwnedWorld& world, int steps) {
  std::vector<float> numbers;
  Scene scene(library, world);
  scene.play(steps, numbers);
  scene.clear();
  return numbers;
}

bool equal(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Whether a world that was given another's history goes on as that one does.
bool history_holds(const Library& library) {
  OwnedWorld used(library, {0.0f, -10.0f});
  play(library, used, 40);
  const WorldHistory history = used.history();
  OwnedWorld restored(library, {0.0f, -10.0f});
  restored.restore(history);
  return restored.history().free_nodes == history.free_nodes &&
         equal(play(library, used, 40), play(library, restored, 40));
}

// Whether a b2World is as large as is declared: what lies behind it stays as it was.
bool size_holds(const Library& library) {
  constexpr std::byte kMark{0xA5};
  std::vector<std::byte> memory(kWorldSize + 4096, kMark);
  library.construct_world(memory.data(), Vec2{0.0f, -10.0f});
  auto* const world = reinterpret_cast<World*>(memory.data());
  library.step(world, 0.02f, 1, 1);
  const bool holds = std::all_of(memory.begin() + kWorldSize, memory.end(), [](std::byte at) { return at == kMark; });
  library.destroy_world(world);
  return holds;
}

}  // namespace

}  // namespace box2d_envs

// Writes the scene's numbers, `capacity` of them at most.
//
// Returns how many there are, or -1 where a b2World has another size, -2 where its history cannot be carried over, -3
// where something was thrown.
extern "C" FASTVEC_EXPORT std::int64_t fastvec_box2d_scene(const std::int64_t* addresses, std::int64_t count,
                                                           std::int32_t steps, float* out, std::int64_t capacity) {
  namespace b2 = box2d_envs;
  try {
    const b2::Library library({addresses, addresses + count});
    if (!b2::size_holds(library)) return -1;
    b2::OwnedWorld world(library, {0.0f, -10.0f});
    const std::vector<float> numbers = b2::play(library, world, steps);
    if (!b2::history_holds(library)) return -2;
    const auto size = static_cast<std::int64_t>(numbers.size());
    std::copy_n(numbers.begin(), std::min(size, capacity), out);
    return size;
  } catch (const std::exception&) {
    return -3;
  }
}
