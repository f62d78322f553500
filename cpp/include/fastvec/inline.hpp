// fastvec/inline.hpp: two marks for the functions that an env's loop is made of.
//
// Both are requests to the compiler: they change speed, never results. (As long as nothing is contracted or reordered:
// compile with -ffp-contract=off and without -ffast-math, as fastvec_add_plugin does.)
//
// FASTVEC_ALWAYS_INLINE, before a function's return type, in place of `inline`: the body goes into every caller,
// whatever its size. For the small functions of a step_range, whose calls would keep the loop around them from becoming
// vector instructions.
//
// FASTVEC_COLD, before a function that no step calls: it is compiled for size, in less time.
//
// FASTVEC_VECTOR_CLONES, before a function that holds such a loop: it is compiled once for each generation of x86
// processors (AVX-512, AVX2, and the one that the library is built for), and the loader picks the best that the machine
// has, when the library is loaded. What is inlined into it is compiled along with it. Nothing on other systems and
// compilers, in kernels, and under sanitizers, which are not ready yet when the loader chooses.
#pragma once

#if defined(_MSC_VER) && !defined(__clang__)
#define FASTVEC_ALWAYS_INLINE __forceinline
#define FASTVEC_COLD
#else
#define FASTVEC_ALWAYS_INLINE __attribute__((always_inline)) inline
#define FASTVEC_COLD __attribute__((cold, noinline))
#endif

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__CUDACC_RTC__) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define FASTVEC_VECTOR_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FASTVEC_VECTOR_CLONES
#endif
