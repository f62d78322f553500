// fastvec/device.hpp: what lets the same env source compile for a CPU and for a GPU.
//
// FASTVEC_KERNEL is defined in the source of a kernel (kernel.hpp), and nowhere else. Such a source compiles twice: by
// NVRTC, where each thread steps one env, and by a C++ compiler, as a plain loop that tests compare with the engine.
// An author needs nothing of this page but block_size, and, rarely, kInKernel: `if constexpr (!kInKernel)` around what
// a kernel cannot have. Neither changes what an env computes.
#pragma once

#include <cstddef>

#include "fastvec/inline.hpp"

namespace fastvec {

// Is this the source of a kernel? Known when compiling.
#if defined(FASTVEC_KERNEL)
inline constexpr bool kInKernel = true;
#else
inline constexpr bool kInKernel = false;
#endif

// How many envs a step_range works on side by side: `on_cpu`, which suits the vector registers there, or one in a
// kernel, whose thread has one env and would compute the others of a block for nothing.
constexpr std::size_t block_size(std::size_t on_cpu) { return kInKernel ? 1 : on_cpu; }

}  // namespace fastvec

// A GPU has no exceptions, and NVRTC refuses the word even in functions that no kernel calls, such as `spec`. There
// `throw` ends the thread of its env, after what kernel.hpp has written for a turn that fails. What follows the word is
// still compiled, and never computed: not even its message.
#if defined(__CUDACC_RTC__)
namespace fastvec::detail {

struct AnyValue {  // for `condition ? value : throw ...`
  template <class T>
  operator T() const;
};
struct EndedThread {
  template <class Thrown>
  AnyValue operator<<(const Thrown&) const;
};
[[noreturn]] FASTVEC_ALWAYS_INLINE EndedThread end_thread() {
  asm volatile("exit;" ::: "memory");
  __builtin_unreachable();
}

}  // namespace fastvec::detail
#define throw ::fastvec::detail::end_thread() <<
#endif
