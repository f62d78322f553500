// Counts calls of malloc, calloc, realloc and their kin in a process that preloads this library (LD_PRELOAD).
// `fastvec check` does so in a process of its own, to see whether an env's step allocates. Linux with glibc.
// (operator new of libstdc++ and libc++ ends in malloc.)
#include <atomic>
#include <cerrno>
#include <cstddef>

// NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming): glibc's own names
extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming)

namespace {

// Only a statistic: nothing is published through it, so relaxed is enough.
std::atomic<unsigned long long> calls{0};

void count() { calls.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

extern "C" {

#define FASTVEC_VISIBLE __attribute__((visibility("default")))

FASTVEC_VISIBLE unsigned long long fastvec_allocation_calls(void) { return calls.load(std::memory_order_relaxed); }

FASTVEC_VISIBLE void* malloc(std::size_t size) {
  count();
  return __libc_malloc(size);
}

FASTVEC_VISIBLE void* calloc(std::size_t number, std::size_t size) {
  count();
  return __libc_calloc(number, size);
}

FASTVEC_VISIBLE void* realloc(void* block, std::size_t size) {
  count();
  return __libc_realloc(block, size);
}

FASTVEC_VISIBLE void* memalign(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}

FASTVEC_VISIBLE void* aligned_alloc(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}

FASTVEC_VISIBLE int posix_memalign(void** block, std::size_t alignment, std::size_t size) {
  count();
  void* const made = __libc_memalign(alignment, size);
  if (made == nullptr) return ENOMEM;
  *block = made;
  return 0;
}

}  // extern "C"
