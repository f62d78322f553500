// Box2D 2.3 as the PyPI package `box2d` has it, without its headers.
//
// The library is the extension module of the user's own package; Python finds the functions' addresses in it
// (python/fastvec/envs/box2d/library.py). What is declared here are facts of that binary's interface: the layout of the
// few classes that cross it (those of 64-bit systems with the Itanium C++ ABI), the order of two virtual tables, the
// initial values of definitions, and what the header of b2Body does inline. proof.cpp steps a scene through all of it
// before any env is made, and Python compares the bytes with those of the package's own bindings.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace box2d_envs {

struct Vec2 {
  float x = 0.0f, y = 0.0f;
};

// Where a double pair of Python ends up: each number rounded to float32.
inline Vec2 vec2(double x, double y) { return {static_cast<float>(x), static_cast<float>(y)}; }

struct Rotation {
  float sine, cosine;
};

class Body;
class Fixture;
class Joint;
class Contact;
struct World;

enum class BodyType : std::int32_t { kStatic = 0, kKinematic = 1, kDynamic = 2 };

struct BodyDefinition {
  BodyType type = BodyType::kStatic;
  Vec2 position;
  float angle = 0.0f;
  Vec2 linear_velocity;
  float angular_velocity = 0.0f;
  float linear_damping = 0.0f;
  float angular_damping = 0.0f;
  bool allow_sleep = true;
  bool awake = true;
  bool fixed_rotation = false;
  bool bullet = false;
  bool active = true;
  void* user_data = nullptr;
  float gravity_scale = 1.0f;
};
static_assert(offsetof(BodyDefinition, allow_sleep) == 36 && offsetof(BodyDefinition, user_data) == 48);

// b2Body: what its users read, and what its inline functions write.
class Body {
 public:
  Vec2 position() const { return position_; }
  float angle() const { return angle_; }
  Vec2 linear_velocity() const { return linear_velocity_; }
  float angular_velocity() const { return angular_velocity_; }
  bool is_awake() const { return (flags_ & kAwake) != 0; }
  Rotation rotation() const { return rotation_; }
  void* user_data() const { return user_data_; }

  // A point of the body, in the world.
  Vec2 world_point(Vec2 local) const {
    return {(rotation_.cosine * local.x - rotation_.sine * local.y) + position_.x,
            (rotation_.sine * local.x + rotation_.cosine * local.y) + position_.y};
  }

  // ApplyForceToCenter(force, wake=true), in newtons, of a dynamic body.
  void apply_force(Vec2 force) {
    wake();
    force_ = {force_.x + force.x, force_.y + force.y};
  }
  // ApplyTorque(torque, wake=true), in newton metres, of a dynamic body.
  void apply_torque(float torque) {
    wake();
    torque_ += torque;
  }
  // ApplyLinearImpulse(impulse, point, wake=true), in newton seconds, of a dynamic body.
  void apply_impulse(Vec2 impulse, Vec2 point) {
    wake();
    linear_velocity_ = {linear_velocity_.x + inverse_mass_ * impulse.x, linear_velocity_.y + inverse_mass_ * impulse.y};
    const Vec2 arm{point.x - center_.x, point.y - center_.y};
    angular_velocity_ += inverse_inertia_ * (arm.x * impulse.y - arm.y * impulse.x);
  }

 private:
  static constexpr std::uint16_t kAwake = 0x0002;

  void wake() {
    if (is_awake()) return;
    flags_ |= kAwake;
    sleep_time_ = 0.0f;
  }

  BodyType type_;
  std::uint16_t flags_;
  std::int32_t island_index_;
  Vec2 position_;  // m_xf
  Rotation rotation_;
  Vec2 local_center_, previous_center_, center_;  // m_sweep
  float previous_angle_, angle_, sweep_fraction_;
  Vec2 linear_velocity_;
  float angular_velocity_;
  Vec2 force_;
  float torque_;
  World* world_;
  Body *previous_, *next_;
  Fixture* fixtures_;
  std::int32_t fixture_count_;
  void *joints_, *contacts_;
  float mass_, inverse_mass_;
  float inertia_, inverse_inertia_;
  float linear_damping_, angular_damping_, gravity_scale_;
  float sleep_time_;
  void* user_data_;
};
static_assert(sizeof(Body) == 184);

struct Filter {
  std::uint16_t category = 0x0001;
  std::uint16_t mask = 0xFFFF;
  std::int16_t group = 0;
};

// b2Shape and its two kinds that are used here. The virtual table is the library's.
struct Shape {
  const void* virtual_table;
  std::int32_t type;
  float radius = 0.01f;  // b2_polygonRadius: two linear slops
};
struct PolygonShape : Shape {
  static constexpr std::int32_t kMaxVertices = 16;  // of the package; Box2D's own is 8
  Vec2 centroid;
  std::array<Vec2, kMaxVertices> vertices{};
  std::array<Vec2, kMaxVertices> normals{};
  std::int32_t count = 0;
};
struct EdgeShape : Shape {
  Vec2 vertex1, vertex2, vertex0, vertex3;
  bool has_vertex0 = false, has_vertex3 = false;
};
static_assert(sizeof(PolygonShape) == 288 && sizeof(EdgeShape) == 56);

struct FixtureDefinition {
  const Shape* shape = nullptr;
  void* user_data = nullptr;
  float friction = 0.2f;
  float restitution = 0.0f;
  float density = 0.0f;  // kg/m^2
  bool is_sensor = false;
  Filter filter = {};
};
static_assert(offsetof(FixtureDefinition, filter) == 30 && sizeof(FixtureDefinition) == 40);

class Fixture {
 public:
  Body* body() const { return body_; }
  std::uint16_t category() const { return filter_.category; }

 private:
  float density_;
  Fixture* next_;
  Body* body_;
  Shape* shape_;
  float friction_, restitution_;
  void* proxies_;
  std::int32_t proxy_count_;
  Filter filter_;
  bool is_sensor_;
  void* user_data_;
};
static_assert(sizeof(Fixture) == 72);

class Contact {
 public:
  bool is_of(const Body* body) const { return fixture_a_->body() == body || fixture_b_->body() == body; }
  const Body& body_a() const { return *fixture_a_->body(); }
  const Body& body_b() const { return *fixture_b_->body(); }

 private:
  struct Edge {
    Body* other;
    Contact* contact;
    Edge *previous, *next;
  };

  const void* virtual_table_;
  std::uint32_t flags_;
  Contact *previous_, *next_;
  Edge node_a_, node_b_;
  Fixture *fixture_a_, *fixture_b_;
};

// The library calls these. The order of virtual functions is Box2D's.
class ContactListener {
 public:
  virtual ~ContactListener() = default;
  virtual void begin_contact(Contact* contact) = 0;
  virtual void end_contact(Contact* contact) = 0;
  virtual void pre_solve(Contact*, const void*) {}
  virtual void post_solve(Contact*, const void*) {}
};
class RayCastCallback {
 public:
  virtual ~RayCastCallback() = default;
  // -1: go on as if the fixture were not there; a fraction: nothing farther counts.
  virtual float report_fixture(Fixture* fixture, const Vec2& point, const Vec2& normal, float fraction) = 0;
};

// A revolute joint. (b2JointDef has a constructor: the first member here begins in the padding after its last one.)
struct RevoluteJointDefinition {
  std::int32_t type = 1;
  void* user_data = nullptr;
  Body* body_a = nullptr;
  Body* body_b = nullptr;
  bool collide_connected = false;
  Vec2 local_anchor_a, local_anchor_b;
  float reference_angle = 0.0f;
  bool enable_limit = false;
  float lower_angle = 0.0f, upper_angle = 0.0f;
  bool enable_motor = false;
  float motor_speed = 0.0f;
  float max_motor_torque = 0.0f;
};
static_assert(offsetof(RevoluteJointDefinition, local_anchor_a) == 36 && sizeof(RevoluteJointDefinition) == 80);

struct World;  // b2World: opaque

// The functions of the library, in the order of the list that Python hands over.
struct Library {
  explicit Library(const std::vector<std::int64_t>& addresses);

  void (*construct_world)(void* world, const Vec2& gravity);
  void (*destroy_world)(World*);
  void (*step)(World*, float seconds, std::int32_t velocity_iterations, std::int32_t position_iterations);
  Body* (*create_body)(World*, const BodyDefinition*);
  void (*destroy_body)(World*, Body*);
  Joint* (*create_joint)(World*, const RevoluteJointDefinition*);
  void (*set_contact_listener)(World*, ContactListener*);
  void (*ray_cast)(const World*, RayCastCallback*, const Vec2& from, const Vec2& to);
  Fixture* (*create_fixture)(Body*, const FixtureDefinition*);
  void (*set_polygon)(PolygonShape*, const Vec2* vertices, std::int32_t count);
  void (*set_box)(PolygonShape*, float half_width, float half_height);
  void (*set_motor_speed)(Joint*, float radians_per_second);
  void (*set_max_motor_torque)(Joint*, float newton_metres);
  float (*joint_angle)(const Joint*);
  float (*joint_speed)(const Joint*);
  const void* polygon_virtual_table;
  const void* edge_virtual_table;

  PolygonShape polygon(std::span<const Vec2> vertices) const;
  PolygonShape box(double half_width, double half_height) const;
  EdgeShape edge(Vec2 from, Vec2 to) const;
};

// The reference angle that pybox2d gives a joint: the one between the bodies as they are.
inline float angle_between(const Body& a, const Body& b) {
  return static_cast<float>(static_cast<double>(b.angle()) - static_cast<double>(a.angle()));
}

inline constexpr std::size_t kWorldSize = 103296;  // sizeof(b2World); most of it is scratch memory that a step may use

// What an empty b2World still has of the bodies that were in it: the order in which it gives numbers to the next
// fixtures, on which the order of contacts depends, and the last step's rate. Two empty worlds that are equal in this
// go on alike.
struct WorldHistory {
  std::vector<std::int32_t> free_nodes;  // of the broad phase's tree, in the order in which they will be taken
  float last_rate = 0.0f;                // 1/seconds of the last step; 0: there was none
};

// A b2World. `Library` outlives it. One thread at a time.
class OwnedWorld {
 public:
  OwnedWorld(const Library& library, Vec2 gravity);
  ~OwnedWorld();
  OwnedWorld(const OwnedWorld&) = delete;
  OwnedWorld& operator=(const OwnedWorld&) = delete;

  void step(float seconds, int velocity_iterations, int position_iterations);
  Body* add_static(const FixtureDefinition& fixture, void* user_data = nullptr);
  Body* add_dynamic(Vec2 position, float angle, const FixtureDefinition& fixture, void* user_data = nullptr);
  Fixture* add_fixture(Body* body, const FixtureDefinition& fixture);
  Joint* add_joint(const RevoluteJointDefinition& definition);
  void destroy(Body* body);
  void listen(ContactListener* listener);  // null: nobody
  void ray_cast(RayCastCallback& callback, Vec2 from, Vec2 to) const;

  // Of a world without bodies.
  WorldHistory history() const;
  void restore(const WorldHistory& history);

  void* memory() { return memory_.get(); }

 private:
  World* world() const { return reinterpret_cast<World*>(memory_.get()); }

  const Library* library_;
  std::unique_ptr<std::byte[]> memory_;
};

}  // namespace box2d_envs
