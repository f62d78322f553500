// A mark for loops worth vector instructions.
#pragma once

// A function with this mark exists once for each generation of x86 processors; the loader picks one. (Not under
// sanitizers, which are not ready yet when it does.)
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define CLASSIC_CONTROL_VECTOR_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLASSIC_CONTROL_VECTOR_CLONES
#endif
