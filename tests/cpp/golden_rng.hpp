// Written by make_golden_rng.py with NumPy 2.4.6. Do not edit.
#pragma once

#include <cstdint>

namespace golden {

struct Seeding {
  std::uint32_t seed[4];                            // 32-bit words, low first
  std::uint64_t state[4];                           // state high, low, increment high, low
  std::uint64_t random, uniform, integers, normal;  // checksums of 1,000 draws each, one after the other
};

inline constexpr std::int64_t kRanges[][2] = {
    {0, 1},
    {0, 2},
    {0, 3},
    {-5, 5},
    {0, 6},
    {1, 101},
    {0, 2147483648},
    {0, 4294967295},
    {0, 4294967296},
    {0, 4294967297},
    {-1099511627776, 1099511627776},
    {0, 6917529027641081856},
    {INT64_MIN, 9223372036854775807},
};

inline constexpr Seeding kSeedings[] = {
    {{0x0u, 0x0u, 0x0u, 0x0u},
     {0x1aa1b5345996452du, 0x9585eb7a69561e3u, 0x418ddadb3af71a82u, 0x588133bc447873a9u},
     0x2e55b9d82486837du,
     0xc3b6401df553801u,
     0xb48f0a206cad9076u,
     0xce797623f26c519cu},
    {{0x1u, 0x0u, 0x0u, 0x0u},
     {0x9c5b484bfedb756cu, 0x2a6e7d6f320fbc7eu, 0x922af2da2645f895u, 0xa19857b95740937bu},
     0xa0843090d4762ed5u,
     0x59e421774fdb9949u,
     0xcefec40809e79a9du,
     0x55745fd33d13d0b5u},
    {{0x2au, 0x0u, 0x0u, 0x0u},
     {0xcea44f6798798f2au, 0xacbc7c9d68860ac8u, 0xfa505436c9a8416eu, 0x66caf2e28d25abffu},
     0x669f12b4e1fed55cu,
     0x2b80e405f03d9738u,
     0x53179d736a1895ceu,
     0xe1ac26e71f79b20du},
    {{0xffffffffu, 0x0u, 0x0u, 0x0u},
     {0x4c233832246aa48cu, 0xc57a3ce19c86ba9au, 0xda9580daf0fe872cu, 0xad12d969e7b701fbu},
     0x59f7e81ab8bf345du,
     0x43a410e2aa339d66u,
     0xb0ce9ac79a1c6a95u,
     0x354724ef50de6ddcu},
    {{0x0u, 0x1u, 0x0u, 0x0u},
     {0x24d060cf1520dbddu, 0x21bbf7fbff1ac5d4u, 0x77ff3ed86c5c5633u, 0x7b62eea7340ca9c7u},
     0xbbab7ad1e4d70795u,
     0xc4e9ab87654aa783u,
     0xc111138e73cb2430u,
     0x533cde823cdc222au},
    {{0xffffffffu, 0xffffffffu, 0x0u, 0x0u},
     {0xddc419442aebde79u, 0x4d8b0a3b048acdb0u, 0x37762aacb3cc854fu, 0x4ed623c7d18951edu},
     0x3e0b0a4665d92b99u,
     0x80bfaeb67f629cb1u,
     0x164397ec9869f47cu,
     0x9f5797b32c9017c0u},
    {{0x3039u, 0x0u, 0x1u, 0x0u},
     {0x4588a61ce679c6ebu, 0xb30386c0c16d1546u, 0xc8ea6259eaca7c7du, 0x47375086965ff5b5u},
     0xdd51c33e837b9924u,
     0xfe07c6c5b580167au,
     0xf8cd0387bcab2ab5u,
     0xedb304af4bc319b9u},
    {{0x0u, 0x2u, 0x0u, 0x2u},
     {0x82b1bf89a433419cu, 0x298c1b8937398f18u, 0x6c065cb1bcc6a145u, 0x68b5e1bb8db0feb7u},
     0x4b98096bfed6a425u,
     0x572fbec1188c9f57u,
     0x293ba4b2565d8014u,
     0x8aa944ae8110dd00u},
    {{0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu},
     {0x930e3f4e44cf5b5bu, 0xcb03c85fecff336du, 0xa67e37a5ef11d083u, 0x538c40f608105745u},
     0xc35f096c049aa38cu,
     0x74ea1981a74d1580u,
     0xdea37186e97ec73fu,
     0x6097e79f627e1b38u},
};

// 100,000 standard normals of seed 2024, and the state after them: the tail of the distribution included.
inline constexpr std::uint64_t kManyNormals = 0x311bf7ea5b48f09au;
inline constexpr std::uint64_t kStateAfterNormals[4] = {0x176d8fa7d6d83cc3u, 0xba87b11dfbef9183u, 0xc67e5ec6f768fa51u,
                                                        0xdf440b34fffb7769u};
// normal(1.5, 0.25) of seed 7, as bits.
inline constexpr std::uint64_t kFirstNormals[4] = {0x3ff801427a31c200u, 0x3ff931ea59a5b304u, 0x3ff6e74867f27eaau,
                                                   0x3ff47008b169cfe0u};

}  // namespace golden
