// fastvec/state.hpp: how an env whose state is not trivially copyable is saved, and loaded again.
//
//   void save(fastvec::StateWriter& writer) const { writer.value(lives_); writer.sequence(path_); }
//   void load(fastvec::StateReader& reader) {
//     lives_ = reader.value<std::int32_t>();
//     path_ = reader.sequence<std::vector<std::int64_t>>();
//   }
//
// `save` writes all that the env's later steps and observations depend on: an env that loads it goes on bit for bit as
// the one that saved it would. The generator, the steps of the episode and what comes next are the engine's and are
// saved with it; so is nothing that all envs share. The bytes are those of this machine (its order of bytes, its
// sizes), and of this version of the env: `load` meets bytes of an older one if an author changes what is saved.
//
// Both are handed in for one call and are not to be kept. They are called by one thread, while no env of the vector
// steps. What `save` throws becomes a fastvec.EnvError with the env's index. What `load` throws, and data that ends
// early (std::runtime_error, from the reader) or is too long, refuses the state with a ValueError in Python: check what
// would lead to reading or writing outside of memory, such as an index, before it is believed.
#pragma once

#include "fastvec/detail/require_cxx20.hpp"  // before all else

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <type_traits>

namespace fastvec {

// Writes what `save` gives to it, in order.
class StateWriter {
 public:
  StateWriter(void* context, void (*write)(void*, const void*, std::int64_t)) : context_(context), write_(write) {}

  // `size` bytes, copied before this returns.
  void bytes(const void* data, std::size_t size) { write_(context_, data, static_cast<std::int64_t>(size)); }
  // One value that is trivially copyable: a number, a struct of numbers, a std::array. Not one that holds pointers.
  template <class T>
  void value(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes(&value, sizeof value);
  }
  // A std::string, or a std::vector of trivially copyable values: how many there are, and they themselves.
  template <class Container>
  void sequence(const Container& values) {
    static_assert(std::is_trivially_copyable_v<typename Container::value_type>);
    value(static_cast<std::uint64_t>(values.size()));
    bytes(values.data(), values.size() * sizeof(typename Container::value_type));
  }

 private:
  void* context_;
  void (*write_)(void*, const void*, std::int64_t);
};

// Reads back what a StateWriter wrote: the same calls in the same order, with the same types.
class StateReader {
 public:
  explicit StateReader(std::span<const std::byte> data) : data_(data) {}

  // `size` bytes, into `target`.
  void bytes(void* target, std::size_t size) {
    if (size > data_.size()) throw std::runtime_error("the saved state ends too early");
    if (size != 0) std::memcpy(target, data_.data(), size);
    data_ = data_.subspan(size);
  }
  // What `value` wrote.
  template <class T>
  T value() {
    static_assert(std::is_trivially_copyable_v<T>);
    T result;
    bytes(&result, sizeof result);
    return result;
  }
  // What `sequence` wrote, as `reader.sequence<std::string>()`.
  template <class Container>
  Container sequence() {
    using Element = typename Container::value_type;
    static_assert(std::is_trivially_copyable_v<Element>);
    const auto count = value<std::uint64_t>();
    if (count > data_.size() / sizeof(Element)) throw std::runtime_error("the saved state ends too early");
    Container result(static_cast<std::size_t>(count), Element{});
    bytes(result.data(), result.size() * sizeof(Element));
    return result;
  }
  // Has everything been read? If not when `load` returns, the state is refused.
  bool empty() const { return data_.empty(); }

 private:
  std::span<const std::byte> data_;
};

}  // namespace fastvec
