#include "race_picture.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <string>

#include "fastvec/spec.hpp"
#include "sign.hpp"

namespace box2d_envs {

namespace {

constexpr double kWidth = Canvas::kWidth, kHeight = Canvas::kHeight;
constexpr double kZoom = 2.7;
constexpr double kGrass = kPlayfield / 20.0;
constexpr double kColumn = kWidth / 40.0, kLine = kHeight / 40.0;  // of the panel
constexpr std::int32_t kPanelTop = Canvas::kHeight - 5 * Canvas::kHeight / 40;

constexpr Color kBlack = rgb(0, 0, 0), kWhite = rgb(255, 255, 255), kRed = rgb(255, 0, 0), kGreen = rgb(0, 255, 0);
constexpr Color kHull = rgb(204, 0, 0), kWheelMark = rgb(77, 77, 77);

Color whole(const std::array<double, 3>& color, double more = 0.0) {
  const auto part = [&](std::size_t i) { return static_cast<std::uint32_t>(color[i] + more); };
  return rgb(part(0), part(1), part(2));
}

Pixel pixel(const std::array<double, 2>& at) {
  return {static_cast<std::int32_t>(at[0]), static_cast<std::int32_t>(at[1])};
}

// What lies on the ground. Gymnasium leaves out what is far away from the surface; and what is so far from the car that
// nothing of it can be seen need not be looked at, which is most.
class Ground {
 public:
  Ground(Canvas& canvas, const Camera& camera, double zoom, Vec2 car)
      : canvas_(canvas), camera_(camera), car_x_(static_cast<double>(car.x)), car_y_(static_cast<double>(car.y)) {
    // The car is at (500, 200); the corners across are the farthest, and no quad is larger than a patch of grass.
    const double seen = std::hypot(kWidth / 2.0, kHeight * 0.75) + 10.0;
    const double far = seen / zoom + kGrass * std::numbers::sqrt2;
    far_squared_ = far * far;
  }

  void add(const Quad& quad, Color color) {
    const double x = quad[0][0] - car_x_, y = quad[0][1] - car_y_;
    if (x * x + y * y > far_squared_) return;
    std::array<Pixel, 4> corners;
    bool is_near = false;
    for (std::size_t i = 0; i < 4; ++i) {
      const auto at = camera_(quad[i][0], quad[i][1]);
      is_near = is_near ||
                (-kLargest <= at[0] && at[0] <= kWidth + kLargest && -kLargest <= at[1] && at[1] <= kHeight + kLargest);
      corners[i] = pixel(at);
    }
    if (!is_near) return;
    canvas_.outline(corners, color);
    canvas_.fill(corners, color);
  }

 private:
  static constexpr double kLargest = kGrass * std::numbers::sqrt2 * kZoom * kTrackScale;

  Canvas& canvas_;
  const Camera& camera_;
  double car_x_, car_y_, far_squared_;
};

void draw_ground(Canvas& canvas, const Camera& camera, double zoom, const RaceScene& scene) {
  std::array<Pixel, 4> field;
  constexpr std::array<std::array<double, 2>, 4> kCorners{{{1, 1}, {1, -1}, {-1, -1}, {-1, 1}}};
  for (std::size_t i = 0; i < 4; ++i) {
    field[i] = pixel(camera(kCorners[i][0] * kPlayfield, kCorners[i][1] * kPlayfield));
  }
  canvas.ground(field, whole(scene.colors.ground));

  Ground ground(canvas, camera, zoom, scene.car.hull().position());
  const Color grass = whole(scene.colors.grass);
  for (int column = -20; column < 20; column += 2) {
    for (int line = -20; line < 20; line += 2) {
      const double x = kGrass * column, y = kGrass * line;
      ground.add({{{x + kGrass, y}, {x, y}, {x, y + kGrass}, {x + kGrass, y + kGrass}}}, grass);
    }
  }
  for (std::size_t i = 0; i < scene.track.tiles.size(); ++i) {
    const RaceTrack::Tile& tile = scene.track.tiles[i];
    const double lighter =
        (scene.tile_states[i] & scene.touched) != 0 ? 0.0 : 0.01 * static_cast<double>(i % 3) * 255.0;
    ground.add(tile.road, whole(scene.colors.road, lighter));
    if (tile.has_border) ground.add(tile.border, i % 2 == 0 ? kWhite : kRed);
  }
}

class CarPainter {
 public:
  CarPainter(Canvas& canvas, const Camera& camera) : canvas_(canvas), camera_(camera) {}

  void part(const Body& body, std::span<const Vec2> corners, Color color) {
    std::array<Pixel, Canvas::kMaxCorners> pixels;
    for (std::size_t i = 0; i < corners.size(); ++i) {
      const Vec2 at = body.world_point(corners[i]);
      pixels[i] = pixel(camera_(static_cast<double>(at.x), static_cast<double>(at.y)));
    }
    canvas_.polygon({pixels.data(), corners.size()}, color);
  }
  void part(const Body& body, const PolygonShape& shape, Color color) {
    part(body, std::span(shape.vertices.data(), static_cast<std::size_t>(shape.count)), color);
  }

  // The light stripe that shows how a wheel turns, where it is not below.
  void stripe(const Wheel& wheel) {
    const double end = wheel.phase + 1.2;
    const double below_1 = std::sin(wheel.phase), below_2 = std::sin(end);
    if (below_1 > 0.0 && below_2 > 0.0) return;
    const auto edge = [](double below, double along) {
      if (below > 0.0) along = sign(along);
      return 27.0 * along * 0.02;
    };
    const double y_1 = edge(below_1, std::cos(wheel.phase)), y_2 = edge(below_2, std::cos(end));
    constexpr double kSide = RaceCar::kWheelHalfWidth;
    const std::array<Vec2, 4> corners{vec2(-kSide, y_1), vec2(kSide, y_1), vec2(kSide, y_2), vec2(-kSide, y_2)};
    part(*wheel.body, corners, kWheelMark);
  }

 private:
  Canvas& canvas_;
  const Camera& camera_;
};

void draw_car(Canvas& canvas, const Camera& camera, const RaceCar& car, const RaceCar::Shapes& shapes) {
  CarPainter painter(canvas, camera);
  for (const Wheel& wheel : car.wheels()) {
    painter.part(*wheel.body, shapes.wheel, kBlack);
    painter.stripe(wheel);
  }
  for (const PolygonShape& shape : shapes.hull) painter.part(car.hull(), shape, kHull);
}

class Panel {
 public:
  explicit Panel(Canvas& canvas) : canvas_(canvas) { box(kWidth, kHeight - 5.0 * kLine, 0.0, kHeight, kBlack); }

  void upright(double place, double value, double length, Color color) {
    if (std::fabs(value) <= 1e-4) return;
    box(place * kColumn, kHeight - (kLine + kLine * length), (place + 1.0) * kColumn, kHeight - kLine, color);
  }
  void level(double place, double value, double length, Color color) {
    if (std::fabs(value) <= 1e-4) return;
    box(place * kColumn, kHeight - 4.0 * kLine, (place + length) * kColumn, kHeight - 2.0 * kLine, color);
  }

 private:
  void box(double x_1, double y_1, double x_2, double y_2, Color color) {
    const std::array<Pixel, 4> corners{pixel({x_1, y_1}), pixel({x_2, y_1}), pixel({x_2, y_2}), pixel({x_1, y_2})};
    canvas_.polygon(corners, color);
  }

  Canvas& canvas_;
};

void draw_panel(Canvas& canvas, const RaceScene& scene) {
  Panel panel(canvas);
  const Vec2 velocity = scene.car.hull().linear_velocity();
  const auto x = static_cast<double>(velocity.x), y = static_cast<double>(velocity.y);
  const double speed = std::sqrt(x * x + y * y);
  panel.upright(5, speed, 0.02 * speed, kWhite);
  constexpr std::array<Color, 4> kColors{rgb(0, 0, 255), rgb(0, 0, 255), rgb(51, 0, 255), rgb(51, 0, 255)};
  for (std::size_t i = 0; i < 4; ++i) {
    const double omega = scene.car.wheels()[i].omega;
    panel.upright(7.0 + static_cast<double>(i), omega, 0.01 * omega, kColors[i]);
  }
  const auto steering = static_cast<double>(scene.library.joint_angle(scene.car.wheels()[0].joint));
  panel.level(20, steering, -10.0 * steering, kGreen);
  const auto turning = static_cast<double>(scene.car.hull().angular_velocity());
  panel.level(30, turning, -0.8 * turning, kRed);
}

}  // namespace

Digits::Digits(const std::vector<std::int64_t>& table) {
  constexpr std::size_t kSize = 2 + kCount + kCount * kCount;
  if (table.size() != kSize || table[0] == 0) {
    throw fastvec::InvalidArgument(
        "expected pictures of digits: make this env with fastvec.make_vec, which takes them from the pygame package");
  }
  const auto* pixels = reinterpret_cast<const std::uint8_t*>(static_cast<std::intptr_t>(table[0]));
  height_ = static_cast<std::int32_t>(table[1]);
  for (std::size_t i = 0; i < kCount; ++i) {
    widths_[i] = static_cast<std::int32_t>(table[2 + i]);
    pixels_[i] = pixels;
    pixels += static_cast<std::ptrdiff_t>(widths_[i]) * height_;
    for (std::size_t j = 0; j < kCount; ++j) {
      distances_[i][j] = static_cast<std::int32_t>(table[2 + kCount + i * kCount + j]);
    }
  }
}

void Digits::draw(Canvas& canvas, double number, std::int32_t middle_x, std::int32_t middle_y) const {
  constexpr std::size_t kLongest = 512;  // all digits of the largest number
  std::array<char, kLongest> text;
  const auto length = static_cast<std::size_t>(std::snprintf(text.data(), text.size(), "%04.0f", number));
  const auto glyph = [&](std::size_t i) {
    return text[i] == '-' ? std::size_t{10} : static_cast<std::size_t>(text[i] - '0');
  };
  std::array<std::int32_t, kLongest> left;
  std::int32_t pen = 0, width = 0;
  for (std::size_t i = 0; i < length; ++i) {
    if (i > 0) pen += distances_[glyph(i - 1)][glyph(i)];
    left[i] = pen / 64;
    width = left[i] + widths_[glyph(i)];
  }
  const std::int32_t text_left = middle_x - width / 2, top = middle_y - height_ / 2;
  canvas.box(text_left, top, width, height_, kBlack);
  for (std::size_t i = 0; i < length; ++i) {
    canvas.lighten(text_left + left[i], top, widths_[glyph(i)], height_, pixels_[glyph(i)]);
  }
}

Camera::Camera(double angle, double zoom) : zoom_(zoom) {
  constexpr double kTurn = 2.0 * std::numbers::pi, kQuarter = std::numbers::pi / 2.0, kNear = 1e-6;
  angle = std::fmod(angle, kTurn);
  if (angle < 0.0) angle += kTurn;
  if (std::fmod(angle + kNear, kQuarter) < 2.0 * kNear) {
    quarters_ = static_cast<int>((angle + kNear) / kQuarter) % 4;
  } else {
    sine_ = std::sin(angle);
    cosine_ = std::cos(angle);
  }
}

std::array<double, 2> Camera::rotate(double x, double y) const {
  switch (quarters_) {
    case 0: return {x, y};
    case 1: return {-y, x};
    case 2: return {-x, -y};
    case 3: return {y, -x};
    default: return {cosine_ * x - sine_ * y, sine_ * x + cosine_ * y};
  }
}

void draw_race(Canvas& canvas, const Digits& digits, const RaceScene& scene) {
  const Body& hull = scene.car.hull();
  const double zoom =
      0.1 * kTrackScale * std::max(1.0 - scene.seconds, 0.0) + kZoom * kTrackScale * std::min(scene.seconds, 1.0);
  Camera camera(-static_cast<double>(hull.angle()), zoom);
  const auto [shift_x, shift_y] =
      camera.rotate(-static_cast<double>(hull.position().x) * zoom, -static_cast<double>(hull.position().y) * zoom);
  camera.shift(kWidth / 2.0 + shift_x, kHeight / 4.0 + shift_y);

  canvas.begin_flipped(kPanelTop);
  draw_ground(canvas, camera, zoom, scene);
  draw_car(canvas, camera, scene.car, scene.shapes);
  canvas.begin_upright(kPanelTop);
  draw_panel(canvas, scene);
  digits.draw(canvas, scene.reward, 60, static_cast<std::int32_t>(kHeight - kHeight * 2.5 / 40.0));
}

}  // namespace box2d_envs
