#include "library.hpp"

#include <cstring>
#include <stdexcept>
#include <string>

#include "fastvec/spec.hpp"

namespace box2d_envs {

namespace {

// Reads the addresses front to back.
class AddressReader {
 public:
  explicit AddressReader(const std::vector<std::int64_t>& addresses) : addresses_(addresses) {}

  template <class Pointer>
  void read(Pointer& target) {
    if (at_ >= addresses_.size() || addresses_[at_] == 0) {
      throw fastvec::InvalidArgument(
          "expected addresses of Box2D's functions: make this env with fastvec.make_vec, which takes them from the "
          "box2d package");
    }
    target = reinterpret_cast<Pointer>(static_cast<std::intptr_t>(addresses_[at_++]));
  }
  void expect_end() const {
    if (at_ != addresses_.size()) {
      throw fastvec::InvalidArgument("expected " + std::to_string(at_) + " addresses, got " +
                                     std::to_string(addresses_.size()));
    }
  }

 private:
  const std::vector<std::int64_t>& addresses_;
  std::size_t at_ = 0;
};

// b2TreeNode and b2DynamicTree, and where the latter and m_inv_dt0 lie in a b2World.
struct TreeNode {
  float box[4];
  void* user_data;
  std::int32_t parent_or_next;
  std::int32_t child1, child2;
  std::int32_t height;
};
static_assert(sizeof(TreeNode) == 40);
struct Tree {
  std::int32_t root;
  TreeNode* nodes;
  std::int32_t node_count;
  std::int32_t node_capacity;
  std::int32_t first_free;
};
constexpr std::size_t kTreeOffset = 103072;
constexpr std::size_t kLastRateOffset = 103256;
constexpr std::int32_t kNoNode = -1;

template <class T>
T& member_at(std::byte* world, std::size_t offset) {
  return *reinterpret_cast<T*>(world + offset);
}

}  // namespace

Library::Library(const std::vector<std::int64_t>& addresses) {
  AddressReader reader(addresses);
  reader.read(construct_world);
  reader.read(destroy_world);
  reader.read(step);
  reader.read(create_body);
  reader.read(destroy_body);
  reader.read(create_joint);
  reader.read(set_contact_listener);
  reader.read(ray_cast);
  reader.read(create_fixture);
  reader.read(set_polygon);
  reader.read(set_box);
  reader.read(set_motor_speed);
  reader.read(set_max_motor_torque);
  reader.read(joint_angle);
  reader.read(joint_speed);
  reader.read(polygon_virtual_table);
  reader.read(edge_virtual_table);
  reader.expect_end();
}

PolygonShape Library::polygon(std::span<const Vec2> vertices) const {
  PolygonShape shape{};
  shape.virtual_table = polygon_virtual_table;
  shape.type = 2;
  set_polygon(&shape, vertices.data(), static_cast<std::int32_t>(vertices.size()));
  return shape;
}

PolygonShape Library::box(double half_width, double half_height) const {
  PolygonShape shape{};
  shape.virtual_table = polygon_virtual_table;
  shape.type = 2;
  set_box(&shape, static_cast<float>(half_width), static_cast<float>(half_height));
  return shape;
}

EdgeShape Library::edge(Vec2 from, Vec2 to) const {
  EdgeShape shape{};
  shape.virtual_table = edge_virtual_table;
  shape.type = 1;
  shape.vertex1 = from;
  shape.vertex2 = to;
  return shape;
}

OwnedWorld::OwnedWorld(const Library& library, Vec2 gravity)
    : library_(&library), memory_(std::make_unique_for_overwrite<std::byte[]>(kWorldSize)) {
  library.construct_world(memory_.get(), gravity);
}

OwnedWorld::~OwnedWorld() { library_->destroy_world(world()); }

void OwnedWorld::step(float seconds, int velocity_iterations, int position_iterations) {
  library_->step(world(), seconds, velocity_iterations, position_iterations);
}

Body* OwnedWorld::add_static(const FixtureDefinition& fixture, void* user_data) {
  BodyDefinition definition;
  definition.user_data = user_data;
  Body* const body = library_->create_body(world(), &definition);
  add_fixture(body, fixture);
  return body;
}

Body* OwnedWorld::add_dynamic(Vec2 position, float angle, const FixtureDefinition& fixture, void* user_data) {
  BodyDefinition definition;
  definition.user_data = user_data;
  definition.type = BodyType::kDynamic;
  definition.position = position;
  definition.angle = angle;
  Body* const body = library_->create_body(world(), &definition);
  add_fixture(body, fixture);
  return body;
}

Fixture* OwnedWorld::add_fixture(Body* body, const FixtureDefinition& fixture) {
  return library_->create_fixture(body, &fixture);
}

Joint* OwnedWorld::add_joint(const RevoluteJointDefinition& definition) {
  return library_->create_joint(world(), &definition);
}

void OwnedWorld::destroy(Body* body) { library_->destroy_body(world(), body); }

void OwnedWorld::listen(ContactListener* listener) { library_->set_contact_listener(world(), listener); }

void OwnedWorld::ray_cast(RayCastCallback& callback, Vec2 from, Vec2 to) const {
  library_->ray_cast(world(), &callback, from, to);
}

WorldHistory OwnedWorld::history() const {
  const Tree& tree = member_at<Tree>(memory_.get(), kTreeOffset);
  if (tree.node_count != 0) throw std::logic_error("a world's history is asked for while it has bodies");
  WorldHistory history;
  history.free_nodes.reserve(static_cast<std::size_t>(tree.node_capacity));
  for (std::int32_t node = tree.first_free; node != kNoNode; node = tree.nodes[node].parent_or_next) {
    history.free_nodes.push_back(node);
  }
  history.last_rate = member_at<float>(memory_.get(), kLastRateOffset);
  return history;
}

void OwnedWorld::restore(const WorldHistory& history) {
  Tree& tree = member_at<Tree>(memory_.get(), kTreeOffset);
  const auto capacity = static_cast<std::int32_t>(history.free_nodes.size());
  // The tree grows by itself, doubling, as fixtures are added.
  const EdgeShape shape = library_->edge({0.0f, 0.0f}, {1.0f, 0.0f});
  std::vector<Body*> bodies;
  while (tree.node_capacity < capacity) bodies.push_back(add_static({.shape = &shape}));
  for (Body* const body : bodies) destroy(body);
  if (tree.node_capacity != capacity || tree.node_count != 0) {
    throw std::runtime_error("the saved state is of another Box2D: its tree has " + std::to_string(capacity) +
                             " nodes, here it would have " + std::to_string(tree.node_capacity));
  }
  std::vector<bool> seen(history.free_nodes.size());
  for (const std::int32_t node : history.free_nodes) {
    if (node < 0 || node >= capacity || seen[static_cast<std::size_t>(node)]) {
      throw std::runtime_error("the saved state is damaged: the world's free nodes are no permutation");
    }
    seen[static_cast<std::size_t>(node)] = true;
  }
  std::int32_t next = kNoNode;
  for (std::size_t i = history.free_nodes.size(); i-- > 0;) {
    const std::int32_t node = history.free_nodes[i];
    tree.nodes[node].parent_or_next = next;
    next = node;
  }
  tree.first_free = next;
  member_at<float>(memory_.get(), kLastRateOffset) = history.last_rate;
}

}  // namespace box2d_envs
