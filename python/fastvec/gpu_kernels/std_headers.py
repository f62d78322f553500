"""The standard library that a kernel sees: libcu++'s under the standard names, and stand-ins for what needs a host."""

from __future__ import annotations

from types import MappingProxyType

__all__ = ["STD_HEADERS"]

_LIBCUXX = (
    "array",
    "bit",
    "bitset",
    "cassert",
    "cfloat",
    "climits",
    "complex",
    "concepts",
    "cstddef",
    "cstdint",
    "cstring",
    "functional",
    "initializer_list",
    "iterator",
    "limits",
    "numbers",
    "numeric",
    "optional",
    "ratio",
    "span",
    "tuple",
    "type_traits",
    "utility",
    "variant",
)
_HOST_ONLY = ("vector", "string", "string_view", "stdexcept", "exception", "cstdio", "cstdlib")

_HOST_ONLY_HEADER = '#include "fastvec/kernel/host_only.hpp"\n'

# libcu++ names it so before it is whole.
_ALGORITHM = """\
#if __has_include(<cuda/std/algorithm>)
#include <cuda/std/algorithm>
#else
#include <cuda/std/__algorithm_>
#endif
namespace std { using namespace cuda::std; }
"""

# What libcu++ has not, or not in all releases, comes from the compiler's own.
_CMATH_OF_COMPILER = ("erf", "erfc", "fdim", "fma", "fmod", "modf", "nan", "remainder", "remquo")
_CMATH = f"""\
#include <cuda/std/cmath>
#ifndef FASTVEC_CMATH
#define FASTVEC_CMATH
namespace std {{
using namespace cuda::std;
{"".join(f"using ::{name};" for name in _CMATH_OF_COMPILER)}
}}
#endif
"""

_STDINT = """\
#include <cuda/std/cstdint>
#ifndef FASTVEC_STDINT
#define FASTVEC_STDINT
using cuda::std::int8_t; using cuda::std::int16_t; using cuda::std::int32_t; using cuda::std::int64_t;
using cuda::std::uint8_t; using cuda::std::uint16_t; using cuda::std::uint32_t; using cuda::std::uint64_t;
#endif
"""

# By name: what NVRTC reads in place of the header.
STD_HEADERS = MappingProxyType(
    {
        **{name: f"#include <cuda/std/{name}>\nnamespace std {{ using namespace cuda::std; }}\n" for name in _LIBCUXX},
        **dict.fromkeys(_HOST_ONLY, _HOST_ONLY_HEADER),
        "cstdlib": "#include <cuda/std/cstdlib>\n" + _CMATH + _HOST_ONLY_HEADER,
        "algorithm": _ALGORITHM,
        "cmath": _CMATH,
        "stdint.h": _STDINT,
        "version": "#include <cuda/std/version>\n",
        "stddef.h": "#include <cuda/std/cstddef>\n",
        "math.h": _CMATH,
        "assert.h": "#include <cuda/std/cassert>\n",
    }
)
