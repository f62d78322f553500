// The part of XLA's foreign function interface (FFI) that fastvec uses, declared by ourselves: plain C structs, whose
// sizes and offsets XLA keeps from version 0.1 on (later minors add fields at the ends). So the extension needs neither
// jaxlib to be built nor a certain version of it to run. tests/python/jax/test_ffi_layout.py compiles these against the
// header that jaxlib installs, and compares.
//
// XLA calls a handler with a CallFrame. Every pointer in it is valid during the call. Enums are ints, as C has them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastvec::jax::ffi {

inline constexpr int kMajor = 0, kMinor = 1;  // the version that handlers say they were built for

struct Extension {
  std::size_t struct_size;
  int type;
  Extension* next;
};
inline constexpr int kMetadataExtension = 1;

struct ApiVersion {
  std::size_t struct_size;
  Extension* extension_start;
  int major_version, minor_version;
};

// What XLA asks of a handler when it is registered.
struct Metadata {
  std::size_t struct_size;
  ApiVersion api_version;
  std::uint32_t traits;
};
struct MetadataExtension {
  Extension base;
  Metadata* metadata;
};

struct Error;  // XLA's own
inline constexpr int kInvalidArgument = 3, kNotFound = 5, kFailedPrecondition = 9, kInternal = 13;
struct ErrorCreateArgs {
  std::size_t struct_size;
  Extension* extension_start;
  const char* message;
  int code;
};

struct Api {
  std::size_t struct_size;
  Extension* extension_start;
  ApiVersion api_version;
  const void* internal_api;
  Error* (*error_create)(ErrorCreateArgs* args);  // owned by XLA once it was returned from a handler
};

// Element types of buffers.
enum DataType : int {
  kPred = 1,
  kS8 = 2,
  kS16 = 3,
  kS32 = 4,
  kS64 = 5,
  kU8 = 6,
  kU16 = 7,
  kU32 = 8,
  kU64 = 9,
  kF32 = 11,
  kF64 = 12
};

// A dense array in row-major order.
struct Buffer {
  std::size_t struct_size;
  Extension* extension_start;
  int dtype;  // DataType
  void* data;
  std::int64_t rank;
  std::int64_t* dims;
};

struct Args {
  std::size_t struct_size;
  Extension* extension_start;
  std::int64_t size;
  int* types;  // 1: a Buffer
  void** args;
};
struct Rets {
  std::size_t struct_size;
  Extension* extension_start;
  std::int64_t size;
  int* types;
  void** rets;
};

struct ByteSpan {
  const char* ptr;
  std::size_t len;
};
struct Scalar {
  int dtype;
  void* value;
};
inline constexpr int kScalarAttr = 3;
struct Attrs {
  std::size_t struct_size;
  Extension* extension_start;
  std::int64_t size;
  int* types;
  ByteSpan** names;
  void** attrs;
};

inline constexpr int kExecute = 3;  // the stage in which buffers may be read and written
struct CallFrame {
  std::size_t struct_size;
  Extension* extension_start;
  const Api* api;
  void* context;
  int stage;
  Args args;
  Rets rets;
  Attrs attrs;
};

using Handler = Error* (*)(CallFrame* frame);

}  // namespace fastvec::jax::ffi
