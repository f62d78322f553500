#include "canvas.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

namespace box2d_envs {

namespace {

// A small pixel is a mean over a *cell*: `full` pixels, a part of the one after them, and the rest of the one before
// them, whose other part belongs to the cell before. Parts are in 16384ths, and so is the cell's size.
constexpr std::uint32_t kOne = 1 << 14;
constexpr std::uint32_t kLargest = 0x40000000;

struct Cell {
  std::uint32_t first;                    // the first of its full pixels
  std::uint32_t end;                      // behind them; this one is its in part
  std::uint32_t rest_before, part_after;  // of first - 1 and of end
};

template <std::uint32_t kPixels>
struct Row {
  static constexpr std::uint32_t kSize = kOne * kPixels / std::uint32_t{Canvas::kSmall};
  static constexpr std::uint32_t kInverse = kLargest / kSize;

  static constexpr std::array<Cell, Canvas::kSmall> make_cells() {
    std::array<Cell, Canvas::kSmall> cells{};
    std::uint32_t at = 0, rest = 0;
    for (Cell& cell : cells) {
      cell.first = at;
      cell.rest_before = rest;
      std::uint32_t left = kSize - rest;
      for (; left > kOne; left -= kOne) ++at;
      cell.end = at++;
      cell.part_after = left;
      rest = kOne - left;
    }
    return cells;
  }
  static constexpr std::array<Cell, Canvas::kSmall> kCells = make_cells();
};
using Columns = Row<Canvas::kWidth>;
static_assert(Columns::kCells.back().end == Canvas::kWidth - 1);
using Rows = Row<Canvas::kHeight>;

// By pixel of a row: which cells it is in, and between which it lies.
struct Borders {
  std::array<std::uint8_t, Canvas::kWidth> first_with, last_with;  // a pixel is in one cell or in two
  std::array<std::uint8_t, Canvas::kWidth> first_from;             // the first that begins at or behind it; 96: none
  std::array<std::uint8_t, Canvas::kWidth> end_to;                 // behind the last that ends at or before it
};

constexpr Borders make_borders() {
  Borders borders{};
  const auto begin = [](std::size_t i) { return i == 0 ? 0 : Columns::kCells[i].first - 1; };
  std::size_t last_with = 0, first_from = 0, end_to = 0;
  for (std::uint32_t x = 0; x < Canvas::kWidth; ++x) {
    while (last_with + 1 < Canvas::kSmall && begin(last_with + 1) <= x) ++last_with;
    while (first_from < Canvas::kSmall && begin(first_from) < x) ++first_from;
    while (end_to < Canvas::kSmall && Columns::kCells[end_to].end <= x) ++end_to;
    const bool is_in_two = last_with > 0 && Columns::kCells[last_with - 1].end >= x;
    borders.first_with[x] = static_cast<std::uint8_t>(is_in_two ? last_with - 1 : last_with);
    borders.last_with[x] = static_cast<std::uint8_t>(last_with);
    borders.first_from[x] = static_cast<std::uint8_t>(first_from);
    borders.end_to[x] = static_cast<std::uint8_t>(end_to);
  }
  return borders;
}
constexpr Borders kBorders = make_borders();

constexpr std::uint32_t kRedAndBlue = 0xFF00FF;

// One byte each of red, green and blue, `visit(shift)` of them.
template <class Channel>
Color by_channel(const Channel& channel) {
  return channel(16) << 16 | channel(8) << 8 | channel(0);
}
std::uint32_t channel_of(Color color, int shift) { return color >> shift & 0xFF; }

struct Range {
  std::int32_t low, high;
};
Range rows_of(Corners corners) {
  Range range{corners[0].y, corners[0].y};
  for (const Pixel& corner : corners) {
    range = {std::min(range.low, corner.y), std::max(range.high, corner.y)};
  }
  return range;
}

// Calls `visit(upper, lower)`, by y, for each side that is not level.
template <class Visit>
void visit_sides(Corners corners, const Visit& visit) {
  Pixel before = corners.back();
  for (const Pixel& corner : corners) {
    if (before.y < corner.y) visit(before, corner);
    else if (before.y > corner.y) visit(corner, before);
    before = corner;
  }
}

// Where a row crosses the sides of a polygon.
class Crossings {
 public:
  void add(std::int32_t x) {
    std::size_t at = count_++;
    for (; at > 0 && found_[at - 1] > x; --at) found_[at] = found_[at - 1];
    found_[at] = x;
  }
  template <class Visit>
  void visit_pairs(const Visit& visit) const {
    for (std::size_t i = 0; i + 1 < count_; i += 2) visit(found_[i], found_[i + 1]);
  }

 private:
  std::array<std::int32_t, Canvas::kMaxCorners> found_;
  std::size_t count_ = 0;
};

enum Side : unsigned { kLeft = 1, kRight = 2, kBelow = 4, kAbove = 8 };
unsigned outside(Pixel at) {
  return (at.x < 0                 ? kLeft
          : at.x >= Canvas::kWidth ? kRight
                                   : 0u) |
         (at.y < 0                  ? kAbove
          : at.y >= Canvas::kHeight ? kBelow
                                    : 0u);
}

std::int32_t cut_off(float value) { return static_cast<std::int16_t>(value); }

// Cuts a line to the surface; the ends may change places. False: nothing of it is inside.
bool clip(Pixel& a, Pixel& b) {
  for (;;) {
    unsigned at_a = outside(a), at_b = outside(b);
    if ((at_a | at_b) == 0) return true;
    if ((at_a & at_b) != 0) return false;
    if (at_a == 0) {
      std::swap(a, b);
      std::swap(at_a, at_b);
    }
    const float slope = a.x == b.x ? 1.0f : static_cast<float>(b.y - a.y) / static_cast<float>(b.x - a.x);
    if ((at_a & (kLeft | kRight)) != 0) {
      const std::int32_t x = (at_a & kLeft) != 0 ? 0 : Canvas::kWidth - 1;
      a.y += cut_off(static_cast<float>(x - a.x) * slope);
      a.x = x;
    } else {
      const std::int32_t y = (at_a & kAbove) != 0 ? 0 : Canvas::kHeight - 1;
      if (a.x != b.x) a.x += cut_off(static_cast<float>(y - a.y) / slope);
      a.y = y;
    }
  }
}

}  // namespace

Canvas::Canvas()
    : pixels_(std::make_unique<Color[]>(std::size_t{kWidth} * kHeight)), mixed_(std::make_unique<Cells[]>(kHeight)) {}

void Canvas::begin_flipped(std::int32_t rows) {
  is_flipped_ = true;
  first_ = kHeight - rows;
  last_ = kHeight;
}

void Canvas::begin_upright(std::int32_t first_row) {
  is_flipped_ = false;
  first_ = first_row;
  last_ = kHeight;
}

// The cells from `first` to before `end`.
Canvas::Cells Canvas::cells(std::uint32_t first, std::uint32_t end) {
  if (first >= end) return {};
  const auto below = [](std::uint32_t n) -> Cells {
    if (n >= 64) return {~std::uint64_t{0}, (std::uint64_t{1} << (n - 64)) - 1};
    return {(std::uint64_t{1} << n) - 1, 0};
  };
  const Cells to_end = below(end), to_first = below(first);
  return {to_end.low & ~to_first.low, to_end.high & ~to_first.high};
}

void Canvas::span(std::int32_t from, std::int32_t to, std::int32_t y, Color color) {
  if (!is_shown(y)) return;
  if (from > to) std::swap(from, to);
  from = std::max(from, 0);
  to = std::min(to, kWidth - 1);
  if (from > to) return;
  const std::size_t at = row(y);
  Color* const pixels = pixels_.get() + at * kWidth;
  std::fill(pixels + from, pixels + to + 1, color);
  const auto first = static_cast<std::size_t>(from), last = static_cast<std::size_t>(to);
  const Cells touched = cells(kBorders.first_with[first], kBorders.last_with[last] + 1u);
  const Cells whole = cells(kBorders.first_from[first], kBorders.end_to[last]);
  Cells& mixed = mixed_[at];
  mixed = {(mixed.low | touched.low) & ~whole.low, (mixed.high | touched.high) & ~whole.high};
}

// `weight`: of 256; 255 is all of the color.
void Canvas::blend(std::int32_t x, std::int32_t y, Color color, std::uint32_t weight) {
  if (x < 0 || x >= kWidth || !is_shown(y) || weight == 0) return;
  const std::size_t at = row(y);
  Color& pixel = pixels_[at * kWidth + static_cast<std::size_t>(x)];
  if (pixel == color) return;
  if (weight == 255) {
    pixel = color;
  } else {
    const std::uint32_t rest = 256 - weight;
    const std::uint32_t red_and_blue = ((pixel & kRedAndBlue) * rest + (color & kRedAndBlue) * weight) >> 8;
    const std::uint32_t green = ((pixel >> 8 & 0xFF) * rest + (color >> 8 & 0xFF) * weight) & 0xFF00;
    pixel = (red_and_blue & kRedAndBlue) | green;
  }
  for (const std::uint8_t cell :
       {kBorders.first_with[static_cast<std::size_t>(x)], kBorders.last_with[static_cast<std::size_t>(x)]}) {
    (cell < 64 ? mixed_[at].low : mixed_[at].high) |= std::uint64_t{1} << (cell & 63);
  }
}

void Canvas::side(Pixel from, Pixel to, Color color) {
  if (!clip(from, to)) return;
  Pixel upper = from, lower = to;
  if (upper.y > lower.y) std::swap(upper, lower);
  if (lower.y + 1 < first_ || upper.y >= last_) return;
  const std::int32_t direction = upper.x <= lower.x ? 1 : -1;
  const auto width = static_cast<std::uint32_t>(std::abs(lower.x - upper.x));
  const auto height = static_cast<std::uint32_t>(lower.y - upper.y);
  if (width == 0) {
    for (std::int32_t y = upper.y; y <= lower.y; ++y) blend(upper.x, y, color, 255);
    return;
  }
  if (height == 0) return span(from.x, to.x, from.y, color);

  blend(from.x, from.y, color, 255);
  // How far the line is beyond the pixel, of the axis along which it is shorter, in 2^32ths.
  std::uint32_t beyond = 0;
  const auto pair = [&](std::int32_t x, std::int32_t y, std::int32_t next_x, std::int32_t next_y) {
    const std::uint32_t share = beyond >> 24;
    blend(x, y, color, 255 * (255 - share) >> 8);
    blend(next_x, next_y, color, 255 * share >> 8);
  };
  const bool is_steep = height > width;
  const std::uint32_t step = (is_steep ? (width << 16) / height : (height << 16) / width) << 16;
  const std::uint32_t count = is_steep ? height : width;
  std::int32_t x = upper.x, y = upper.y;
  for (std::uint32_t i = 1; i < count; ++i) {
    const std::uint32_t before = beyond;
    beyond += step;
    const bool is_over = beyond <= before;
    if (is_steep) {
      ++y;
      if (is_over) x += direction;
      pair(x, y, x + direction, y);
    } else {
      x += direction;
      if (is_over) ++y;
      pair(x, y, x, y + 1);
    }
  }
}

void Canvas::outline(Corners corners, Color color) {
  for (std::size_t i = 0; i < corners.size(); ++i) side(corners[i], corners[(i + 1) % corners.size()], color);
}

// Calls `visit(from, to, y)` for each span of a filled polygon, in the rows that are shown.
template <class Visit>
void Canvas::visit_fill(Corners corners, const Visit& visit) const {
  constexpr std::int32_t kFine = 65536;
  const auto nearest = [](std::int32_t x) { return (x >> 16) + (x >> 15 & 1); };
  const Range all = rows_of(corners);
  for (std::int32_t y = std::max(all.low, first_); y <= std::min(all.high, last_ - 1); ++y) {
    Crossings crossings;
    visit_sides(corners, [&](Pixel upper, Pixel lower) {
      if (y < upper.y || y > lower.y || (y == lower.y && y != all.high)) return;
      crossings.add(kFine * (y - upper.y) / (lower.y - upper.y) * (lower.x - upper.x) + kFine * upper.x);
    });
    crossings.visit_pairs([&](std::int32_t from, std::int32_t to) { visit(nearest(from + 1), nearest(to - 1), y); });
  }
}

void Canvas::fill(Corners corners, Color color) {
  visit_fill(corners, [&](std::int32_t from, std::int32_t to, std::int32_t y) { span(from, to, y, color); });
}

void Canvas::ground(Corners corners, Color color) {
  std::array<bool, kHeight> is_covered{};
  visit_fill(corners, [&](std::int32_t from, std::int32_t to, std::int32_t y) {
    is_covered[static_cast<std::size_t>(y)] = from <= 0 && to >= kWidth - 1;
  });
  for (std::int32_t y = first_; y < last_; ++y) {
    if (!is_covered[static_cast<std::size_t>(y)]) span(0, kWidth - 1, y, 0);
  }
  outline(corners, color);
  fill(corners, color);
}

void Canvas::polygon(Corners corners, Color color) {
  const Range all = rows_of(corners);
  if (all.low == all.high) {
    const auto [least, most] =
        std::minmax_element(corners.begin(), corners.end(), [](const Pixel& a, const Pixel& b) { return a.x < b.x; });
    return span(least->x, most->x, all.low, color);
  }
  for (std::int32_t y = std::max(all.low, first_); y <= std::min(all.high, last_ - 1); ++y) {
    Crossings crossings;
    visit_sides(corners, [&](Pixel upper, Pixel lower) {
      if (y < upper.y || y > lower.y || (y == lower.y && y != all.high)) return;
      const std::int64_t height = lower.y - upper.y;
      const std::int64_t along = std::int64_t{y - upper.y} * (lower.x - upper.x);
      crossings.add(static_cast<std::int32_t>((upper.x * height + along) / height));
    });
    crossings.visit_pairs([&](std::int32_t from, std::int32_t to) { span(from, to, y, color); });
  }
  // A level side between the highest and the lowest row.
  Pixel before = corners.back();
  for (const Pixel& corner : corners) {
    if (before.y == corner.y && all.low < corner.y && corner.y < all.high) span(before.x, corner.x, corner.y, color);
    before = corner;
  }
}

void Canvas::box(std::int32_t left, std::int32_t top, std::int32_t width, std::int32_t height, Color color) {
  for (std::int32_t y = top; y < top + height; ++y) span(left, left + width - 1, y, color);
}

void Canvas::lighten(std::int32_t left, std::int32_t top, std::int32_t width, std::int32_t height,
                     const std::uint8_t* pixels) {
  const std::int32_t from = std::max(left, 0), to = std::min(left + width, kWidth);
  if (from >= to) return;
  const Cells touched = cells(kBorders.first_with[static_cast<std::size_t>(from)],
                              kBorders.last_with[static_cast<std::size_t>(to - 1)] + 1u);
  for (std::int32_t y = top; y < top + height; ++y, pixels += width) {
    if (!is_shown(y)) continue;
    const std::size_t at = row(y);
    for (std::int32_t x = from; x < to; ++x) {
      Color& pixel = pixels_[at * kWidth + static_cast<std::size_t>(x)];
      pixel = std::max(pixel, pixels[x - left] * 0x010101u);
    }
    mixed_[at].low |= touched.low;
    mixed_[at].high |= touched.high;
  }
}

const Canvas::Shades& Canvas::shades(Color color) {
  Shades& shades = shades_[(color * 0x9E3779B1u) >> 27];
  if (shades.color != color) {
    shades.color = color;
    for (std::size_t i = 0; i < kSmall; ++i) {
      const Cell& cell = Columns::kCells[i];
      shades.cells[i] = by_channel([&](int shift) {
        const std::uint32_t value = channel_of(color, shift);
        const std::uint32_t sum =
            (value * cell.rest_before >> 14) + value * (cell.end - cell.first) + (value * cell.part_after >> 14);
        return sum * Columns::kInverse >> 16;
      });
    }
  }
  return shades;
}

void Canvas::shrink_row(std::size_t row, std::array<Color, kSmall>& out) {
  const Color* const pixels = pixels_.get() + row * kWidth;
  const Cells mixed = mixed_[row];
  const Shades* known = &shades(pixels[0]);
  for (std::size_t i = 0; i < kSmall; ++i) {
    const Cell& cell = Columns::kCells[i];
    const Color color = pixels[cell.first];
    if (((i < 64 ? mixed.low : mixed.high) >> (i & 63) & 1) == 0) {
      if (color != known->color) known = &shades(color);
      out[i] = known->cells[i];
      continue;
    }
    std::uint32_t red_and_blue = 0, green = 0;  // up to 11 pixels: 16 bits are enough for each
    for (std::uint32_t x = cell.first; x < cell.end; ++x) {
      red_and_blue += pixels[x] & kRedAndBlue;
      green += pixels[x] >> 8 & 0xFF;
    }
    const Color before = cell.first == 0 ? 0 : pixels[cell.first - 1], after = pixels[cell.end];
    out[i] = by_channel([&](int shift) {
      const std::uint32_t full = shift == 8 ? green : red_and_blue >> shift & 0xFFFF;
      const std::uint32_t sum = (channel_of(before, shift) * cell.rest_before >> 14) + full +
                                (channel_of(after, shift) * cell.part_after >> 14);
      return sum * Columns::kInverse >> 16;
    });
  }
}

void Canvas::shrink(std::span<std::uint8_t, kSmall * kSmall * 3> out) {
  constexpr std::size_t kBytes = kSmall * sizeof(Color);
  std::array<Color, kSmall> small;
  std::array<std::uint16_t, kBytes> sum{};
  const auto bytes_of = [](const std::array<Color, kSmall>& colors) {
    return std::bit_cast<std::array<std::uint8_t, kBytes>>(colors);
  };
  std::size_t row = 0;
  std::uint8_t* to = out.data();
  for (const Cell& cell : Rows::kCells) {
    for (; row < cell.end; ++row) {
      shrink_row(row, small);
      const auto bytes = bytes_of(small);
      for (std::size_t i = 0; i < kBytes; ++i) sum[i] = static_cast<std::uint16_t>(sum[i] + bytes[i]);
    }
    shrink_row(row++, small);
    const auto bytes = bytes_of(small);
    const std::uint32_t rest = kOne - cell.part_after;
    std::array<std::uint8_t, kBytes> result;
    for (std::size_t i = 0; i < kBytes; ++i) {
      result[i] = static_cast<std::uint8_t>((sum[i] + (bytes[i] * cell.part_after >> 14)) * Rows::kInverse >> 16);
      sum[i] = static_cast<std::uint16_t>(bytes[i] * rest >> 14);
    }
    const auto colors = std::bit_cast<std::array<Color, kSmall>>(result);
    for (const Color color : colors) {
      for (const int shift : {16, 8, 0}) *to++ = static_cast<std::uint8_t>(channel_of(color, shift));
    }
  }
}

}  // namespace box2d_envs
