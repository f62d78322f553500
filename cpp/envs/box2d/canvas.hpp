// What pygame draws into a surface, pixel for pixel, and its small picture of that.
//
// CarRacing's observation is what pygame has drawn: polygons on a surface of 1000 x 800 pixels, which is then made 96 x
// 96. So the rounding of each of those functions is part of the env. What they do is written here from their behaviour:
//
//   outline    gfxdraw.aapolygon: each side in Wu's way, the weights in 256ths, first clipped to the surface with a
//              slope in float32; the pixel at its end is left to the next side
//   fill       gfxdraw.filled_polygon: per row, between crossings in 65536ths, rounded to the nearest pixel
//   polygon    draw.polygon: per row, between crossings that are cut off to whole pixels
//   shrink     transform.smoothscale: means over the rows' cells, then over the columns', each in 16384ths and cut off
//
// pygame itself is asked whether that is so before an env is made: picture_proof.cpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace box2d_envs {

using Color = std::uint32_t;  // 0x00RRGGBB

constexpr Color rgb(std::uint32_t red, std::uint32_t green, std::uint32_t blue) {
  return red << 16 | green << 8 | blue;
}

struct Pixel {
  std::int32_t x, y;
};
using Corners = std::span<const Pixel>;  // of a polygon, kMaxCorners at most

// 3.2 MB. One thread at a time.
class Canvas {
 public:
  static constexpr std::int32_t kWidth = 1000, kHeight = 800;
  static constexpr std::size_t kSmall = 96;
  static constexpr std::size_t kMaxCorners = 8;

  Canvas();

  // What is drawn from here on comes out upside down, in the upper `rows` rows alone.
  void begin_flipped(std::int32_t rows);
  // What is drawn from here on comes out as it is, in the rows from `first_row` on alone.
  void begin_upright(std::int32_t first_row);

  // A ground of one color: outline and fill on a surface that was black.
  void ground(Corners corners, Color color);
  void outline(Corners corners, Color color);
  void fill(Corners corners, Color color);
  void polygon(Corners corners, Color color);
  // A rectangle of one color.
  void box(std::int32_t left, std::int32_t top, std::int32_t width, std::int32_t height, Color color);
  // Draws a picture of gray pixels, row by row, onto gray: the lighter pixel stays.
  void lighten(std::int32_t left, std::int32_t top, std::int32_t width, std::int32_t height,
               const std::uint8_t* pixels);

  // Writes 96 x 96 pixels of red, green and blue.
  void shrink(std::span<std::uint8_t, kSmall * kSmall * 3> out);

  std::span<const Color> pixels() const { return {pixels_.get(), std::size_t{kWidth} * kHeight}; }

 private:
  // A set of the cells of a row: of the 96 groups of pixels of which a small row is made.
  struct Cells {
    std::uint64_t low = 0, high = 0;
  };
  // What a cell comes to whose pixels are all of one color, per cell.
  struct Shades {
    Color color = 0xFFFFFFFF;  // none
    std::array<Color, kSmall> cells;
  };

  static Cells cells(std::uint32_t first, std::uint32_t last);

  // All of these take rows as they are drawn, before they are turned.
  bool is_shown(std::int32_t y) const { return y >= first_ && y < last_; }
  std::size_t row(std::int32_t y) const { return static_cast<std::size_t>(is_flipped_ ? kHeight - 1 - y : y); }
  void span(std::int32_t from, std::int32_t to, std::int32_t y, Color color);
  void blend(std::int32_t x, std::int32_t y, Color color, std::uint32_t weight);
  void side(Pixel from, Pixel to, Color color);
  template <class Visit>
  void visit_fill(Corners corners, const Visit& visit) const;

  const Shades& shades(Color color);
  void shrink_row(std::size_t row, std::array<Color, kSmall>& out);

  std::unique_ptr<Color[]> pixels_;
  std::unique_ptr<Cells[]> mixed_;  // per row: the cells that may have pixels of several colors
  std::array<Shades, 32> shades_;
  bool is_flipped_ = false;
  std::int32_t first_ = 0, last_ = kHeight;  // rows that are drawn into
};

}  // namespace box2d_envs
