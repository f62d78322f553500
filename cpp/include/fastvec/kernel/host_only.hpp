// fastvec/kernel/host_only.hpp: the parts of the standard library that take memory or text, as a kernel sees them.
//
// Only NVRTC reads this, in place of <vector>, <string> and others. An env's `spec` and its checks of arguments use
// them, in the same class as the `step` that a kernel calls, so they must compile; none of them may be reached from a
// kernel. Each function calls one that exists nowhere: if its name is left in the PTX, the kernel cannot go, and
// fastvec.gpu_kernels says which part of the standard library is used, and in which line.
#pragma once

#include <cuda/std/cstddef>
#include <cuda/std/cstdint>
#include <cuda/std/initializer_list>
#include <cuda/std/iterator>
#include <cuda/std/type_traits>
#include <cuda/std/utility>

extern "C" {
[[noreturn]] void fastvec_host_only_vector();
[[noreturn]] void fastvec_host_only_string();
[[noreturn]] void fastvec_host_only_exception();
[[noreturn]] void fastvec_host_only_cstdio();
}

namespace std {

using namespace cuda::std;

template <class T>
class vector {
 public:
  using value_type = T;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using reference = T&;
  using const_reference = const T&;
  using iterator = T*;
  using const_iterator = const T*;

  vector() { fastvec_host_only_vector(); }
  explicit vector(std::size_t) { fastvec_host_only_vector(); }
  vector(std::size_t, const T&) { fastvec_host_only_vector(); }
  vector(std::initializer_list<T>) { fastvec_host_only_vector(); }
  template <class Iterator>
    requires requires(Iterator at) { *at; }
  vector(Iterator, Iterator) {
    fastvec_host_only_vector();
  }
  vector(const vector&) { fastvec_host_only_vector(); }
  vector(vector&&) { fastvec_host_only_vector(); }
  vector& operator=(const vector&) { fastvec_host_only_vector(); }
  vector& operator=(vector&&) { fastvec_host_only_vector(); }
  vector& operator=(std::initializer_list<T>) { fastvec_host_only_vector(); }
  ~vector() { fastvec_host_only_vector(); }

  std::size_t size() const { fastvec_host_only_vector(); }
  std::size_t capacity() const { fastvec_host_only_vector(); }
  bool empty() const { fastvec_host_only_vector(); }
  T* data() { fastvec_host_only_vector(); }
  const T* data() const { fastvec_host_only_vector(); }
  T* begin() { fastvec_host_only_vector(); }
  const T* begin() const { fastvec_host_only_vector(); }
  const T* cbegin() const { fastvec_host_only_vector(); }
  T* end() { fastvec_host_only_vector(); }
  const T* end() const { fastvec_host_only_vector(); }
  const T* cend() const { fastvec_host_only_vector(); }
  T& operator[](std::size_t) { fastvec_host_only_vector(); }
  const T& operator[](std::size_t) const { fastvec_host_only_vector(); }
  T& at(std::size_t) { fastvec_host_only_vector(); }
  const T& at(std::size_t) const { fastvec_host_only_vector(); }
  T& front() { fastvec_host_only_vector(); }
  const T& front() const { fastvec_host_only_vector(); }
  T& back() { fastvec_host_only_vector(); }
  const T& back() const { fastvec_host_only_vector(); }
  void push_back(const T&) { fastvec_host_only_vector(); }
  template <class... Arguments>
  T& emplace_back(Arguments&&...) {
    fastvec_host_only_vector();
  }
  void pop_back() { fastvec_host_only_vector(); }
  void reserve(std::size_t) { fastvec_host_only_vector(); }
  void resize(std::size_t) { fastvec_host_only_vector(); }
  void resize(std::size_t, const T&) { fastvec_host_only_vector(); }
  void assign(std::size_t, const T&) { fastvec_host_only_vector(); }
  template <class Iterator>
    requires requires(Iterator at) { *at; }
  void assign(Iterator, Iterator) {
    fastvec_host_only_vector();
  }
  void clear() { fastvec_host_only_vector(); }
  template <class... Arguments>
  T* insert(Arguments&&...) {
    fastvec_host_only_vector();
  }
  template <class... Arguments>
  T* erase(Arguments&&...) {
    fastvec_host_only_vector();
  }
  void swap(vector&) { fastvec_host_only_vector(); }
  friend bool operator==(const vector&, const vector&) { fastvec_host_only_vector(); }

 private:
  T* data_;
};

class string_view;

class string {
 public:
  using value_type = char;
  using size_type = std::size_t;
  using iterator = char*;
  using const_iterator = const char*;
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  string() { fastvec_host_only_string(); }
  string(const char*) { fastvec_host_only_string(); }
  string(const char*, std::size_t) { fastvec_host_only_string(); }
  string(std::size_t, char) { fastvec_host_only_string(); }
  string(std::initializer_list<char>) { fastvec_host_only_string(); }
  template <class Iterator>
    requires requires(Iterator at) { *at; }
  string(Iterator, Iterator) {
    fastvec_host_only_string();
  }
  explicit string(const string_view&) { fastvec_host_only_string(); }
  string(const string&) { fastvec_host_only_string(); }
  string(string&&) { fastvec_host_only_string(); }
  string& operator=(const string&) { fastvec_host_only_string(); }
  string& operator=(string&&) { fastvec_host_only_string(); }
  string& operator=(const char*) { fastvec_host_only_string(); }
  ~string() { fastvec_host_only_string(); }

  std::size_t size() const { fastvec_host_only_string(); }
  std::size_t length() const { fastvec_host_only_string(); }
  bool empty() const { fastvec_host_only_string(); }
  const char* c_str() const { fastvec_host_only_string(); }
  char* data() { fastvec_host_only_string(); }
  const char* data() const { fastvec_host_only_string(); }
  char* begin() { fastvec_host_only_string(); }
  const char* begin() const { fastvec_host_only_string(); }
  char* end() { fastvec_host_only_string(); }
  const char* end() const { fastvec_host_only_string(); }
  char& operator[](std::size_t) { fastvec_host_only_string(); }
  char operator[](std::size_t) const { fastvec_host_only_string(); }
  char at(std::size_t) const { fastvec_host_only_string(); }
  char front() const { fastvec_host_only_string(); }
  char back() const { fastvec_host_only_string(); }
  template <class What>
  std::size_t find(const What&, std::size_t = 0) const {
    fastvec_host_only_string();
  }
  template <class What>
  bool starts_with(const What&) const {
    fastvec_host_only_string();
  }
  template <class What>
  bool ends_with(const What&) const {
    fastvec_host_only_string();
  }
  string substr(std::size_t = 0, std::size_t = npos) const { fastvec_host_only_string(); }
  template <class... Arguments>
  string& append(Arguments&&...) {
    fastvec_host_only_string();
  }
  template <class... Arguments>
  string& erase(Arguments&&...) {
    fastvec_host_only_string();
  }
  template <class... Arguments>
  string& insert(Arguments&&...) {
    fastvec_host_only_string();
  }
  template <class... Arguments>
  string& replace(Arguments&&...) {
    fastvec_host_only_string();
  }
  template <class What>
  string& operator+=(const What&) {
    fastvec_host_only_string();
  }
  void push_back(char) { fastvec_host_only_string(); }
  void pop_back() { fastvec_host_only_string(); }
  void reserve(std::size_t) { fastvec_host_only_string(); }
  void resize(std::size_t, char = '\0') { fastvec_host_only_string(); }
  void clear() { fastvec_host_only_string(); }
  template <class What>
  int compare(const What&) const {
    fastvec_host_only_string();
  }

  friend string operator+(const string&, const string&) { fastvec_host_only_string(); }
  friend string operator+(const string&, const char*) { fastvec_host_only_string(); }
  friend string operator+(const char*, const string&) { fastvec_host_only_string(); }
  friend string operator+(const string&, char) { fastvec_host_only_string(); }
  friend string operator+(char, const string&) { fastvec_host_only_string(); }
  friend bool operator==(const string&, const string&) { fastvec_host_only_string(); }
  friend bool operator==(const string&, const char*) { fastvec_host_only_string(); }
  friend bool operator<(const string&, const string&) { fastvec_host_only_string(); }

 private:
  char* data_;
};

class string_view {
 public:
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  constexpr string_view() : data_(nullptr), size_(0) {}
  constexpr string_view(const char* text) : data_(text), size_(0) {
    while (text[size_] != '\0') ++size_;
  }
  constexpr string_view(const char* text, std::size_t size) : data_(text), size_(size) {}
  string_view(const string&) { fastvec_host_only_string(); }

  constexpr std::size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr const char* data() const { return data_; }
  constexpr const char* begin() const { return data_; }
  constexpr const char* end() const { return data_ + size_; }
  constexpr char operator[](std::size_t i) const { return data_[i]; }
  friend constexpr bool operator==(string_view a, string_view b) {
    if (a.size_ != b.size_) return false;
    for (std::size_t i = 0; i < a.size_; ++i) {
      if (a.data_[i] != b.data_[i]) return false;
    }
    return true;
  }

 private:
  const char* data_;
  std::size_t size_;
};

template <class Number>
string to_string(Number) {
  fastvec_host_only_string();
}

class exception {
 public:
  exception() = default;
  const char* what() const { return ""; }
};

#define FASTVEC_HOST_ONLY_EXCEPTION(name, base)                     \
  class name : public base {                                        \
   public:                                                          \
    explicit name(const char*) { fastvec_host_only_exception(); }   \
    explicit name(const string&) { fastvec_host_only_exception(); } \
                                                                    \
   protected:                                                       \
    name() = default;                                               \
  };
FASTVEC_HOST_ONLY_EXCEPTION(logic_error, exception)
FASTVEC_HOST_ONLY_EXCEPTION(invalid_argument, logic_error)
FASTVEC_HOST_ONLY_EXCEPTION(domain_error, logic_error)
FASTVEC_HOST_ONLY_EXCEPTION(length_error, logic_error)
FASTVEC_HOST_ONLY_EXCEPTION(out_of_range, logic_error)
FASTVEC_HOST_ONLY_EXCEPTION(runtime_error, exception)
FASTVEC_HOST_ONLY_EXCEPTION(range_error, runtime_error)
FASTVEC_HOST_ONLY_EXCEPTION(overflow_error, runtime_error)
FASTVEC_HOST_ONLY_EXCEPTION(underflow_error, runtime_error)
#undef FASTVEC_HOST_ONLY_EXCEPTION

template <class... Arguments>
int snprintf(char*, std::size_t, const char*, Arguments...) {
  fastvec_host_only_cstdio();
}
inline double strtod(const char*, char**) { fastvec_host_only_cstdio(); }
inline int atoi(const char*) { fastvec_host_only_cstdio(); }

}  // namespace std
