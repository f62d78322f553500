#include <doctest/doctest.h>

#include <cstdint>
#include <set>
#include <vector>

#include "engine/layout.hpp"
#include "fastvec/detail/tables.hpp"
#include "fastvec/space.hpp"
#include "fastvec/spec.hpp"

using namespace fastvec;
using namespace fastvec::engine;

namespace {

fastvec::Spec rich_spec() {
  return {.observation = Dict({{"image", Box<std::uint8_t>(std::uint8_t{0}, std::uint8_t{255}, {2, 3, 3})},
                               {"rest", Tuple({Discrete(5), MultiBinary(3), Box<double>(-1.0, 1.0, {})})}}),
          .action = Tuple({Discrete(3), Box<float>(-1.0f, 1.0f, {4}), MultiDiscrete({2, 3})}),
          .info = {info_field<std::int16_t>("small"), info_field<float>("vector", {3}), info_field<bool>("flag")}};
}

}  // namespace

TEST_CASE("leaves lie in depth-first order with their widths") {
  const detail::SpecTable table(rich_spec(), {}, 0, false);
  const Layout layout(*table.table());
  REQUIRE(layout.observations.size() == 4);
  CHECK(layout.observations[0].row_bytes == 18);
  CHECK(layout.observations[0].dtype == FV_UINT8);
  CHECK(layout.observations[0].shape == std::vector<std::int64_t>{2, 3, 3});
  CHECK(layout.observations[1].row_bytes == 8);
  CHECK(layout.observations[1].shape.empty());
  CHECK(layout.observations[2].row_bytes == 3);
  CHECK(layout.observations[3].row_bytes == 8);
  REQUIRE(layout.actions.size() == 3);
  CHECK(layout.actions[1].row_bytes == 16);
  CHECK(layout.actions[2].row_bytes == 16);
  REQUIRE(layout.info.size() == 3);
  CHECK(layout.info[0].name == "small");
  CHECK(layout.info[0].row_bytes == 2);
  CHECK(layout.info[1].row_bytes == 12);
  CHECK(layout.info[2].row_bytes == 1);
}

TEST_CASE("the arrays of a batch are zeroed, aligned and apart") {
  const detail::SpecTable table(rich_spec(), {}, 0, false);
  const Layout layout(*table.table());
  for (const std::int64_t rows : {1, 7, 64, 1000}) {
    BatchMemory memory(layout, rows);
    const BatchView& view = memory.view();
    struct Piece {
      std::uint8_t* begin;
      std::int64_t bytes;
    };
    std::vector<Piece> pieces;
    const auto add = [&](void* begin, std::int64_t row_bytes) {
      pieces.push_back({static_cast<std::uint8_t*>(begin), row_bytes * rows});
    };
    for (std::size_t i = 0; i < view.observations.size(); ++i)
      add(view.observations[i], layout.observations[i].row_bytes);
    add(view.rewards, 8);
    add(view.terminated, 1);
    add(view.truncated, 1);
    for (std::size_t i = 0; i < view.info.size(); ++i) {
      add(view.info[i], layout.info[i].row_bytes);
      add(view.info_mask[i], 1);
    }
    std::int64_t total = 0;
    for (const Piece& piece : pieces) {
      CHECK(reinterpret_cast<std::uintptr_t>(piece.begin) % 64 == 0);
      bool zero = true;
      for (std::int64_t i = 0; i < piece.bytes; ++i) zero = zero && piece.begin[i] == 0;
      CHECK(zero);
      for (std::int64_t i = 0; i < piece.bytes; ++i)
        piece.begin[i] = static_cast<std::uint8_t>(&piece - pieces.data() + 1);
      total += piece.bytes;
    }
    for (const Piece& piece : pieces) {  // none has written into another
      bool own = true;
      for (std::int64_t i = 0; i < piece.bytes; ++i) own = own && piece.begin[i] == &piece - pieces.data() + 1;
      CHECK(own);
    }
    CHECK(memory.bytes() >= total);
  }
}

TEST_CASE("sizes of the dtypes") {
  const std::size_t expected[] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8};
  for (std::int32_t dtype = FV_BOOL; dtype <= FV_FLOAT64; ++dtype) {
    CHECK(dtype_bytes(dtype) == expected[dtype]);
  }
}
