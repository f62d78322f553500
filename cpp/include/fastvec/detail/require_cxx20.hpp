// fastvec/detail/require_cxx20.hpp: one sentence for a compiler that reads an older C++.
#pragma once

#if defined(_MSVC_LANG)
#define FASTVEC_CXX _MSVC_LANG
#else
#define FASTVEC_CXX __cplusplus
#endif
#if FASTVEC_CXX <= 201703L
#error "fastvec's headers are C++20: compile with -std=c++20 (MSVC: /std:c++20)"
// There is no such file. Not finding it ends the compilation, where #error alone would let hundreds of errors follow.
#include "fastvec: compile with -std=c++20"
#endif
#undef FASTVEC_CXX
