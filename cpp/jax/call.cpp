#include "call.hpp"

#include <algorithm>
#include <cstring>
#include <exception>

#include "fastvec/space.hpp"
#include "jax/port.hpp"

namespace fastvec::jax {

namespace {

// XLA's element type of ours (FV_*).
constexpr int kTypes[] = {ffi::kPred, ffi::kS8,  ffi::kS16, ffi::kS32, ffi::kS64, ffi::kU8,
                          ffi::kU16,  ffi::kU32, ffi::kU64, ffi::kF32, ffi::kF64};

int type_of(std::int32_t dtype) { return kTypes[dtype]; }

// What JAX has in place of a 64-bit type unless it is told otherwise; the type itself where there is no such.
int narrow(int type) {
  if (type == ffi::kS64) return ffi::kS32;
  if (type == ffi::kU64) return ffi::kU32;
  if (type == ffi::kF64) return ffi::kF32;
  return type;
}

const char* name_of(int type) {
  for (std::int32_t dtype = FV_BOOL; dtype <= FV_FLOAT64; ++dtype) {
    if (kTypes[dtype] == type) return dtype_name(dtype);
  }
  return "another type";
}

// Memory of this thread's own, which the next call on it uses again.
class Scratch {
 public:
  void* take(std::int64_t bytes) {
    if (next_ == blocks_.size()) blocks_.emplace_back();
    auto& block = blocks_[next_++];
    const auto words = static_cast<std::size_t>(bytes + 7) / 8;
    if (block.size() < words) block.resize(words);
    return block.data();
  }
  void reuse() { next_ = 0; }

 private:
  std::vector<std::vector<std::uint64_t>> blocks_;
  std::size_t next_ = 0;
};

thread_local Scratch scratch;

template <class From, class To>
void convert(const void* from, void* to, std::int64_t count) {
  const auto* const source = static_cast<const From*>(from);
  auto* const target = static_cast<To*>(to);
  for (std::int64_t i = 0; i < count; ++i) target[i] = static_cast<To>(source[i]);
}

}  // namespace

Call::Call(ffi::CallFrame& frame) : frame_(frame) { scratch.reuse(); }

std::int64_t Call::attribute(const char* name) const {
  const ffi::Attrs& attrs = frame_.attrs;
  for (std::int64_t i = 0; i < attrs.size; ++i) {
    const ffi::ByteSpan& given = *attrs.names[i];
    if (given.len != std::strlen(name) || std::memcmp(given.ptr, name, given.len) != 0) continue;
    const auto& scalar = *static_cast<const ffi::Scalar*>(attrs.attrs[i]);
    if (attrs.types[i] != ffi::kScalarAttr || scalar.dtype != ffi::kS64) break;
    return *static_cast<const std::int64_t*>(scalar.value);
  }
  throw CallError(ffi::kInvalidArgument, std::string("expected the attribute ") + name + ", an int64");
}

const ffi::Buffer& Call::argument(int dtype, const char* what) {
  if (next_argument_ == frame_.args.size) {
    throw CallError(ffi::kInvalidArgument, std::string("expected another argument: ") + what);
  }
  const auto& buffer = *static_cast<const ffi::Buffer*>(frame_.args.args[next_argument_++]);
  if (dtype != 0 && buffer.dtype != dtype) {
    throw CallError(ffi::kInvalidArgument,
                    std::string(what) + ": expected " + name_of(dtype) + ", got " + name_of(buffer.dtype));
  }
  return buffer;
}

ffi::Buffer& Call::result(int dtype, const char* what) {
  if (next_result_ == frame_.rets.size) {
    throw CallError(ffi::kInvalidArgument, std::string("expected another result: ") + what);
  }
  auto& buffer = *static_cast<ffi::Buffer*>(frame_.rets.rets[next_result_++]);
  if (dtype != 0 && buffer.dtype != dtype) {
    throw CallError(ffi::kInvalidArgument,
                    std::string(what) + ": expected " + name_of(dtype) + ", got " + name_of(buffer.dtype));
  }
  return buffer;
}

engine::ActionView Call::actions(const engine::Layout& layout, bool accepts_float64, std::int64_t rows) {
  bool are_float64 = false;
  for (const engine::Leaf& leaf : layout.actions) {
    const ffi::Buffer& buffer = argument(0, "actions");
    const std::int64_t count = rows * leaf.row_bytes / static_cast<std::int64_t>(engine::dtype_bytes(leaf.dtype));
    require_elements(buffer, count, "actions");
    const int type = type_of(leaf.dtype);
    if (buffer.dtype == type) {
      actions_.push_back(buffer.data);
    } else if (accepts_float64 && leaf.dtype == FV_FLOAT32 && buffer.dtype == ffi::kF64) {
      are_float64 = true;
      actions_.push_back(buffer.data);
    } else if (buffer.dtype == narrow(type)) {
      void* const wide = scratch.take(8 * count);
      if (leaf.dtype == FV_INT64) convert<std::int32_t, std::int64_t>(buffer.data, wide, count);
      else if (leaf.dtype == FV_UINT64) convert<std::uint32_t, std::uint64_t>(buffer.data, wide, count);
      else convert<float, double>(buffer.data, wide, count);
      actions_.push_back(wide);
    } else {
      throw CallError(ffi::kInvalidArgument,
                      std::string("actions: expected ") + name_of(type) + ", got " + name_of(buffer.dtype));
    }
  }
  return {actions_.data(), are_float64};
}

void* Call::leaf(std::int32_t dtype, std::int64_t bytes, const char* what) {
  ffi::Buffer& buffer = result(0, what);
  require_elements(buffer, bytes / static_cast<std::int64_t>(engine::dtype_bytes(dtype)), what);
  const int type = type_of(dtype);
  if (buffer.dtype == type) return buffer.data;
  if (buffer.dtype != narrow(type)) {
    throw CallError(ffi::kInvalidArgument,
                    std::string(what) + ": expected " + name_of(type) + ", got " + name_of(buffer.dtype));
  }
  void* const wide = scratch.take(bytes);
  later_.push_back({wide, dtype, &buffer});
  return wide;
}

void Call::leaves(const engine::Layout& layout, std::int64_t rows, engine::BatchView& view) {
  for (const engine::InfoLeaf& field : layout.info) {
    view.info.push_back(leaf(field.dtype, rows * field.row_bytes, field.name.c_str()));
    view.info_mask.push_back(static_cast<std::uint8_t*>(leaf(FV_BOOL, rows, field.name.c_str())));
  }
}

const engine::BatchView& Call::rows(const engine::Layout& layout, std::int64_t rows) {
  for (const engine::Leaf& of : layout.observations) {
    view_.observations.push_back(leaf(of.dtype, rows * of.row_bytes, "observations"));
  }
  view_.rewards = static_cast<double*>(leaf(FV_FLOAT64, rows * 8, "rewards"));
  view_.terminated = static_cast<std::uint8_t*>(leaf(FV_BOOL, rows, "terminated"));
  view_.truncated = static_cast<std::uint8_t*>(leaf(FV_BOOL, rows, "truncated"));
  leaves(layout, rows, view_);
  return view_;
}

std::uint8_t* Call::final_rows(const engine::Layout& layout, std::int64_t rows, engine::BatchView& view) {
  auto* const mask = static_cast<std::uint8_t*>(leaf(FV_BOOL, rows, "final_obs' mask"));
  std::memset(mask, 0, static_cast<std::size_t>(rows));
  for (const engine::Leaf& of : layout.observations) {
    view.observations.push_back(leaf(of.dtype, rows * of.row_bytes, "final_obs"));
    std::memset(view.observations.back(), 0, static_cast<std::size_t>(rows * of.row_bytes));
  }
  leaves(layout, rows, view);
  for (std::size_t i = 0; i < layout.info.size(); ++i) {
    std::memset(view.info[i], 0, static_cast<std::size_t>(rows * layout.info[i].row_bytes));
    std::memset(view.info_mask[i], 0, static_cast<std::size_t>(rows));
  }
  return mask;
}

void Call::clear_rewards(std::int64_t rows) const {
  const auto count = static_cast<std::size_t>(rows);
  std::fill_n(view_.rewards, count, 0.0);
  std::memset(view_.terminated, 0, count);
  std::memset(view_.truncated, 0, count);
}

void Call::finish() {
  for (const Later& later : later_) {
    const std::int64_t count = num_elements(*later.to);
    if (later.dtype == FV_INT64) convert<std::int64_t, std::int32_t>(later.from, later.to->data, count);
    else if (later.dtype == FV_UINT64) convert<std::uint64_t, std::uint32_t>(later.from, later.to->data, count);
    else convert<double, float>(later.from, later.to->data, count);
  }
}

void Call::require_all_taken() const {
  if (next_argument_ == frame_.args.size && next_result_ == frame_.rets.size) return;
  throw CallError(ffi::kInvalidArgument,
                  "expected " + std::to_string(next_argument_) + " arguments and " + std::to_string(next_result_) +
                      " results, got " + std::to_string(frame_.args.size) + " and " + std::to_string(frame_.rets.size));
}

std::int64_t num_elements(const ffi::Buffer& buffer) {
  std::int64_t count = 1;
  for (std::int64_t i = 0; i < buffer.rank; ++i) count *= buffer.dims[i];
  return count;
}

std::string shape_of(const ffi::Buffer& buffer) {
  std::string text = "(";
  for (std::int64_t i = 0; i < buffer.rank; ++i) text += (i == 0 ? "" : ", ") + std::to_string(buffer.dims[i]);
  return text + ")";
}

void require_elements(const ffi::Buffer& buffer, std::int64_t count, const char* what) {
  if (num_elements(buffer) == count) return;
  throw CallError(ffi::kInvalidArgument, std::string(what) + ": expected " + std::to_string(count) +
                                             " elements, got an array of shape " + shape_of(buffer));
}

ffi::Error* handle(ffi::CallFrame* frame, void (*body)(Call& call, std::string& env_id)) {
  if (frame->extension_start != nullptr && frame->extension_start->type == ffi::kMetadataExtension) {
    ffi::Metadata& metadata = *reinterpret_cast<ffi::MetadataExtension*>(frame->extension_start)->metadata;
    metadata.api_version = {sizeof(ffi::ApiVersion), nullptr, ffi::kMajor, ffi::kMinor};
    metadata.traits = 0;
    return nullptr;
  }
  std::string env_id = "fastvec.jax";
  const auto fail = [&](int code, const std::string& why) {
    const std::string message = env_id + ": " + why;
    ffi::ErrorCreateArgs args{sizeof args, nullptr, message.c_str(), code};
    return frame->api->error_create(&args);
  };
  try {
    if (frame->stage != ffi::kExecute) return nullptr;
    Call call(*frame);
    body(call, env_id);
    return nullptr;
  } catch (const CallError& error) {
    return fail(error.code(), error.what());
  } catch (const PortError& error) {
    return fail(ffi::kFailedPrecondition, error.what());
  } catch (const engine::EnvFailures& failures) {
    const engine::EnvFailure& first = failures.failures().front();
    std::string why = "env " + std::to_string(first.env) + ": " + first.message;
    if (failures.failures().size() > 1) why += " (and " + std::to_string(failures.failures().size() - 1) + " more)";
    return fail(ffi::kInternal, why);
  } catch (const engine::EngineError& error) {
    return fail(error.fault() == engine::Fault::kInvalidAction ? ffi::kInvalidArgument : ffi::kFailedPrecondition,
                error.what());
  } catch (const std::exception& error) {
    return fail(ffi::kInternal, error.what());
  }
}

}  // namespace fastvec::jax
