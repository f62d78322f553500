// A picture with all that canvas.hpp and race_picture.hpp say of pygame. Python draws the same one by pygame itself
// (python/fastvec/envs/box2d/picture_proof.py) and compares every pixel, before an env of this library is made.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>

#include "canvas.hpp"
#include "fastvec/env.hpp"
#include "race_picture.hpp"

namespace box2d_envs {

namespace {

enum class Kind { kGround = 0, kFilled = 1, kPolygon = 2, kPanel = 3 };

// Reads the shapes, front to back: kind, color, number of corners, their coordinates.
class ShapeReader {
 public:
  explicit ShapeReader(std::span<const double> numbers) : numbers_(numbers) {}

  bool empty() const { return numbers_.empty(); }
  Kind begin() {
    const auto kind = static_cast<Kind>(static_cast<int>(numbers_[0]));
    color = static_cast<Color>(numbers_[1]);
    count_ = static_cast<std::size_t>(numbers_[2]);
    numbers_ = numbers_.subspan(3);
    return kind;
  }
  // Takes the corners of the shape that was begun.
  template <class Place>
  Corners corners(const Place& place) {
    for (std::size_t i = 0; i < count_; ++i) {
      const auto [x, y] = place(numbers_[2 * i], numbers_[2 * i + 1]);
      corners_[i] = {static_cast<std::int32_t>(x), static_cast<std::int32_t>(y)};
    }
    numbers_ = numbers_.subspan(2 * count_);
    return {corners_.data(), count_};
  }

  Color color = 0;

 private:
  std::span<const double> numbers_;
  std::size_t count_ = 0;
  std::array<Pixel, Canvas::kMaxCorners> corners_;
};

void draw(Canvas& canvas, const Camera& camera, ShapeReader& shapes, std::int32_t panel_top) {
  canvas.begin_flipped(panel_top);
  bool is_panel = false;
  while (!shapes.empty()) {
    const Kind kind = shapes.begin();
    if (kind == Kind::kPanel && !is_panel) {
      canvas.begin_upright(panel_top);
      is_panel = true;
    }
    if (is_panel) {
      canvas.polygon(shapes.corners([](double x, double y) { return std::array{x, y}; }), shapes.color);
      continue;
    }
    const Corners corners = shapes.corners(camera);
    if (kind == Kind::kGround) {
      canvas.ground(corners, shapes.color);
    } else if (kind == Kind::kFilled) {
      canvas.outline(corners, shapes.color);
      canvas.fill(corners, shapes.color);
    } else {
      canvas.polygon(corners, shapes.color);
    }
  }
}

}  // namespace

}  // namespace box2d_envs

// Draws `shapes` (`size` numbers; those of the panel last) and the number `reward`, and writes the surface and its
// small picture. `digits` as Digits takes them.
//
// Returns 0, or -1 where something was thrown.
extern "C" FASTVEC_EXPORT std::int32_t fastvec_box2d_picture(const std::int64_t* digits, std::int64_t digits_size,
                                                             double angle, double zoom, double reward,
                                                             const double* shapes, std::int64_t size,
                                                             std::uint32_t* surface, std::uint8_t* small) {
  namespace b2 = box2d_envs;
  try {
    const b2::Digits known({digits, digits + digits_size});
    const auto canvas = std::make_unique<b2::Canvas>();
    b2::Camera camera(angle, zoom);
    camera.shift(b2::Canvas::kWidth / 2.0, b2::Canvas::kHeight / 4.0);
    b2::ShapeReader reader({shapes, static_cast<std::size_t>(size)});
    b2::draw(*canvas, camera, reader, 700);
    known.draw(*canvas, reward, 60, 750);
    std::ranges::copy(canvas->pixels(), surface);
    constexpr std::size_t kSmallSize = b2::Canvas::kSmall * b2::Canvas::kSmall * 3;
    canvas->shrink(std::span<std::uint8_t, kSmallSize>(small, kSmallSize));
    return 0;
  } catch (const std::exception&) {
    return -1;
  }
}
