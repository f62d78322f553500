#include "vector_core.hpp"

#include <algorithm>
#include <cstring>

#include "convert.hpp"
#include "engine/snapshot.hpp"
#include "errors.hpp"
#include "fastvec/flags.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

namespace {

bool interrupted(void*) {
  const py::gil_scoped_acquire acquire;
  return PyErr_CheckSignals() != 0;
}

constexpr engine::StopCheck kStopCheck{interrupted, nullptr};

const std::uint8_t* mask_data(const py::object& mask) {
  return mask.is_none() ? nullptr : static_cast<const std::uint8_t*>(py::reinterpret_borrow<py::array>(mask).data());
}

std::optional<engine::ResetOptions> read_options(const fv_env_type& type, const py::object& options) {
  if (options.is_none()) return std::nullopt;
  engine::ResetOptions result;
  result.values.resize(static_cast<std::size_t>(type.num_options));
  result.present.resize(static_cast<std::size_t>(type.num_options) + 1);  // never null, even with no options declared
  for (const py::handle item : options) {
    const auto pair = py::reinterpret_borrow<py::tuple>(item);
    const auto index = pair[0].cast<std::size_t>();
    result.values[index] = pair[1].cast<double>();
    result.present[index] = 1;
  }
  return result;
}

void require_home(const platform::Home& home) {
  if (home.is_here()) return;
  raise(
      "ForkedError",
      "this process was forked from the one that made this vector env, which alone can use it; make another one here");
}

}  // namespace

// Marks the core as in use. Taken and given back with the GIL held, so a plain bool is enough.
class VectorCore::Call {
 public:
  // What else may be under way: nothing; envs in flight; a pending batch as well.
  enum class Beside { kNothing, kFlying, kAnything };

  Call(VectorCore& core, const char* what, Beside beside = Beside::kNothing) : core_(core) {
    if (!core.engine_) raise("ClosedError", "this vector env is closed");
    require_home(*core.home_);  // first: what else is noted may be of a call that another thread had under way
    if (core.in_use_) {
      PyErr_SetString(PyExc_RuntimeError,
                      "this vector env is in use by another thread: expected one caller at a time; "
                      "guard it with a lock or give each thread its own");
      throw py::error_already_set();
    }
    if (beside != Beside::kAnything) refuse_if_pending(what);
    if (beside == Beside::kNothing && core.in_flight() != 0) {
      raise("AsyncStateError", std::string(what) + ": expected no env in flight, got " +
                                   std::to_string(core.in_flight()) + "; recv() them first");
    }
    core_.in_use_ = true;
    if (beside == Beside::kAnything || !core.pending_) return;
    try {
      core.drop_pending();
    } catch (...) {
      core_.in_use_ = false;
      throw;
    }
  }
  ~Call() { core_.in_use_ = false; }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  engine::Engine& engine() const { return *core_.engine_; }

 private:
  void refuse_if_pending(const char* what) const {
    const bool is_pending = core_.pending_ && !core_.pending_->is_overdue;
    if (!is_pending && core_.held_.empty()) return;
    raise_already_pending(what, is_pending ? core_.pending_->name() : core_.held_);
  }

  VectorCore& core_;
};

VectorCore::VectorCore(const EnvType& type, const py::list& kwargs, const CoreOptions& options,
                       std::shared_ptr<platform::Home> home)
    : options_(options), home_(home ? std::move(home) : std::make_shared<platform::Home>()) {
  const KwargValues values(*type.table, kwargs);
  const engine::EngineOptions engine_options{.num_envs = options.num_envs,
                                             .num_threads = options.num_threads,
                                             .pin_threads = options.pin_threads,
                                             .autoreset = static_cast<engine::AutoresetMode>(options.autoreset_mode),
                                             .max_episode_steps = options.max_episode_steps};
  without_gil([&] { engine_ = std::make_unique<engine::Engine>(*type.table, values.get(), engine_options); });
  const engine::Layout& layout = engine_->layout();
  buffers_ = std::make_unique<BufferRing>(layout, options.num_envs, !options.copy);
  infos_ = std::make_unique<InfoDicts>(layout);
}

VectorCore::~VectorCore() { free_engine(); }

void VectorCore::free_engine() {
  if (!home_->is_here()) {  // a copy of what the parent's threads may have been at work on: it is left as it is
    static_cast<void>(background_.release());
    static_cast<void>(runner_.release());
    static_cast<void>(engine_.release());
    return;
  }
  background_.reset();
  runner_.reset();
  engine_.reset();
}

engine::Engine& VectorCore::engine() const {
  if (!engine_) raise("ClosedError", "this vector env is closed");
  return *engine_;
}

py::object VectorCore::assemble(const fv_space& space, const std::vector<py::object>& leaves, std::size_t& at) const {
  if (space.kind == FV_SPACE_TUPLE) {
    py::tuple result(static_cast<std::size_t>(space.num_children));
    for (std::int64_t i = 0; i < space.num_children; ++i) {
      result[static_cast<std::size_t>(i)] = assemble(*space.children[i], leaves, at);
    }
    return result;
  }
  if (space.kind == FV_SPACE_DICT) {
    py::dict result;
    for (std::int64_t i = 0; i < space.num_children; ++i) {
      result[space.keys[i]] = assemble(*space.children[i], leaves, at);
    }
    return result;
  }
  return leaves[at++];
}

py::object VectorCore::observation_of(const BatchBuffer& buffer) const {
  std::size_t at = 0;
  return assemble(*engine_->spec().observation_space, buffer.observations, at);
}

py::dict VectorCore::info_of(const BatchBuffer& buffer, std::int64_t rows, const FinalInfo* final) const {
  return infos_->make(buffer.info, buffer.info_mask, buffer.view(), rows, final);
}

py::dict VectorCore::step_info(const BatchBuffer& buffer, std::int64_t rows, const std::int64_t* envs) const {
  if (static_cast<engine::AutoresetMode>(options_.autoreset_mode) != engine::AutoresetMode::kSameStep) {
    return info_of(buffer, rows, nullptr);
  }
  const std::optional<FinalInfo> final = final_info(rows, envs);
  return info_of(buffer, rows, final ? &*final : nullptr);
}

void VectorCore::apply_seeds(const py::object& seeds, const py::object& seed_mask) {
  if (seeds.is_none()) return;
  const auto words = py::reinterpret_borrow<py::array>(seeds);
  engine_->seed({static_cast<const std::uint32_t*>(words.data()), static_cast<std::size_t>(words.size())},
                static_cast<std::size_t>(words.shape(1)), mask_data(seed_mask));
}

void VectorCore::seed(const py::object& seeds, const py::object& seed_mask) {
  const Call call(*this, "seed");
  apply_seeds(seeds, seed_mask);
}

py::tuple VectorCore::reset(const py::object& seeds, const py::object& seed_mask, const py::object& mask,
                            const py::object& options, const py::object& out) {
  const Call call(*this, "reset");
  engine::Engine& engine = call.engine();
  const auto reset_options = read_options(engine.envs().type(), options);
  const std::int64_t rows = engine.num_envs();
  BatchBuffer& buffer = buffers_->acquire();
  engine::BatchView view = buffer.view();
  OutArrays given;
  if (!out.is_none()) {
    given = parse_out(engine, out, rows);
    if (!given.observations.empty()) view.observations = given.observations;
  }
  // Options are checked before the seeds are applied: a refused reset changes nothing.
  without_gil([&] {
    if (reset_options) engine.envs().check_options(*reset_options);
  });
  apply_seeds(seeds, seed_mask);
  try {
    without_gil([&] { engine.reset(mask_data(mask), reset_options ? &*reset_options : nullptr, view, kStopCheck); });
  } catch (const engine::EnvFailures& failures) {
    raise(failures, reset_result(buffer, given));
  }
  return reset_result(buffer, given);
}

py::tuple VectorCore::reset_result(const BatchBuffer& buffer, const OutArrays& given) const {
  return py::make_tuple(given.observations.empty() ? observation_of(buffer) : given.observation,
                        info_of(buffer, options_.num_envs, nullptr));
}

py::tuple VectorCore::step(py::handle actions, py::handle out) {
  const Call call(*this, "step");
  engine::Engine& engine = call.engine();
  const Actions converted(engine, actions, engine.num_envs(), options_.action_kinds);
  BatchBuffer& buffer = buffers_->acquire();
  const auto run = [&](const engine::BatchView& view, const OutArrays& given) {
    try {
      without_gil([&] { engine.step(converted.view(), view, kStopCheck); });
    } catch (const engine::EnvFailures& failures) {
      raise(failures, step_result(buffer, given));
    }
    return step_result(buffer, given);
  };
  if (out.is_none()) {
    static const OutArrays kNone;
    return run(buffer.view(), kNone);
  }
  PendingBatch batch(engine, buffer);
  batch.write_to(parse_out(engine, out, engine.num_envs()));
  return run(batch.view, batch.given);
}

py::tuple VectorCore::step_result(const BatchBuffer& buffer, const OutArrays& given) const {
  return py::make_tuple(given.observations.empty() ? observation_of(buffer) : given.observation,
                        given.rewards != nullptr ? given.reward_array : buffer.rewards,
                        given.terminated != nullptr ? given.terminated_array : buffer.terminated,
                        given.truncated != nullptr ? given.truncated_array : buffer.truncated,
                        step_info(buffer, options_.num_envs, nullptr));
}

void VectorCore::start_reset(const py::object& seeds, const py::object& seed_mask, const py::object& mask,
                             const py::object& options, const py::object& out) {
  const Call call(*this, "reset_async");
  engine::Engine& engine = call.engine();
  auto batch = std::make_unique<PendingBatch>(engine, buffers_->acquire());
  batch->options = read_options(engine.envs().type(), options);
  if (!out.is_none()) batch->write_to(parse_out(engine, out, engine.num_envs()));
  if (const std::uint8_t* which = mask_data(mask); which != nullptr) {
    batch->mask.emplace(which, which + engine.num_envs());
  }
  without_gil([&] {
    if (batch->options) engine.envs().check_options(*batch->options);
  });
  apply_seeds(seeds, seed_mask);
  start(std::move(batch));
}

void VectorCore::start_step(py::handle actions, py::handle out) {
  const Call call(*this, "step_async");
  engine::Engine& engine = call.engine();
  auto batch = std::make_unique<PendingBatch>(engine, buffers_->acquire());
  batch->actions.emplace(engine, actions, engine.num_envs(), options_.action_kinds, true);
  if (!out.is_none()) batch->write_to(parse_out(engine, out, engine.num_envs()));
  without_gil([&] { engine.check_step(batch->actions->view()); });
  start(std::move(batch));
}

void VectorCore::start(std::unique_ptr<PendingBatch> batch) {
  if (!background_) background_ = std::make_unique<engine::Background>();
  pending_ = std::move(batch);
  background_->start(PendingBatch::run, pending_.get());
}

py::tuple VectorCore::finish(std::optional<double> timeout) {
  const Call call(*this, "wait", Call::Beside::kAnything);
  if (!pending_) raise("AsyncStateError", "expected a call that is pending, got none");
  pending_->is_overdue = true;
  bool is_done = false;
  without_gil([&] { is_done = background_->wait(timeout, kStopCheck); });
  if (!is_done) {
    raise("CallTimeoutError", "the envs did not finish within " + std::to_string(*timeout) +
                                  " s; what was begun goes on and can be waited for again");
  }
  const std::unique_ptr<PendingBatch> batch = std::move(pending_);
  const auto result = [&] {
    return batch->actions ? step_result(batch->buffer, batch->given) : reset_result(batch->buffer, batch->given);
  };
  try {
    if (const std::exception_ptr error = background_->error()) std::rethrow_exception(error);
  } catch (const engine::EnvFailures& failures) {
    raise(failures, result());
  } catch (const engine::EngineError& error) {
    raise(error);
  }
  return result();
}

void VectorCore::drop_pending() {
  without_gil([&] { background_->wait(std::nullopt, kStopCheck); });
  pending_.reset();
}

std::optional<FinalInfo> VectorCore::final_info(std::int64_t rows, const std::int64_t* envs) const {
  const engine::Engine& engine = *engine_;
  const std::uint8_t* const ended = engine.final_mask();
  const auto env_of = [&](std::int64_t row) { return envs == nullptr ? row : envs[row]; };
  std::int64_t first = 0;
  if (envs == nullptr) first = next_set(ended, 0, rows);
  else
    while (first < rows && ended[envs[first]] == 0) ++first;
  if (first == rows) return std::nullopt;

  const engine::BatchView& view = engine.final_batch();
  // A copy of the rows; those of other envs may be in use by other threads.
  const auto array = [&](std::int32_t dtype, const std::vector<std::int64_t>& row_shape,
                         const void* data) -> py::object {
    std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(rows)};
    shape.insert(shape.end(), row_shape.begin(), row_shape.end());
    if (envs == nullptr) return py::array(numpy_dtype(dtype), shape, data);  // without a base: a copy
    py::array result(numpy_dtype(dtype), shape);
    const auto bytes = static_cast<std::size_t>(result.nbytes()) / static_cast<std::size_t>(rows);
    for (std::int64_t row = 0; row < rows; ++row) {
      std::memcpy(static_cast<std::byte*>(result.mutable_data()) + static_cast<std::size_t>(row) * bytes,
                  static_cast<const std::byte*>(data) + static_cast<std::size_t>(env_of(row)) * bytes, bytes);
    }
    return result;
  };
  const py::object mask = array(FV_BOOL, {}, ended);
  std::vector<py::object> leaves, info, info_mask;
  const engine::Layout& layout = engine.layout();
  for (std::size_t i = 0; i < layout.observations.size(); ++i) {
    leaves.push_back(array(layout.observations[i].dtype, layout.observations[i].shape, view.observations[i]));
  }
  engine::BatchView copies;
  for (std::size_t i = 0; i < layout.info.size(); ++i) {
    info.push_back(array(layout.info[i].dtype, layout.info[i].shape, view.info[i]));
    py::object written = array(FV_BOOL, {}, view.info_mask[i]).attr("__and__")(mask);
    // Rows of earlier steps are not part of this one.
    info.back()[written.attr("__invert__")()] = py::int_(0);
    copies.info.push_back(py::detail::array_proxy(info.back().ptr())->data);
    copies.info_mask.push_back(reinterpret_cast<std::uint8_t*>(py::detail::array_proxy(written.ptr())->data));
    info_mask.push_back(written);
  }
  std::size_t at = 0;
  const py::object observations = assemble(*engine.spec().observation_space, leaves, at);
  return FinalInfo{.first = first,
                   .mask = mask,
                   .observations = final_observations_(observations, mask),
                   .info = infos_->make(info, info_mask, copies, rows, nullptr)};
}

void VectorCore::async_reset(const py::object& seeds, const py::object& seed_mask, const py::object& mask,
                             const py::object& options) {
  // Options are checked by the env's own code, which nobody else may be in meanwhile.
  const bool any_option = !options.is_none() && py::len(options) != 0;
  const Call call(*this, any_option ? "async_reset with options" : "async_reset",
                  any_option ? Call::Beside::kNothing : Call::Beside::kFlying);
  engine::Engine& engine = call.engine();
  const auto reset_options = read_options(engine.envs().type(), options);
  const std::uint8_t* which = mask_data(mask);
  std::vector<std::int64_t> envs;
  for (std::int64_t i = 0; i < engine.num_envs(); ++i) {
    if (which == nullptr || which[i] != 0) envs.push_back(i);
  }
  without_gil([&] {
    if (!runner_) runner_ = std::make_unique<engine::AsyncRunner>(engine);
    runner_->require_idle(envs, "async_reset");
    if (reset_options && in_flight() == 0) engine.envs().check_options(*reset_options);
  });
  apply_seeds(seeds, seed_mask);
  without_gil([&] { runner_->reset(envs, reset_options ? &*reset_options : nullptr); });
}

void VectorCore::send(py::handle actions, const py::array_t<std::int64_t>& envs) {
  const Call call(*this, "send", Call::Beside::kFlying);
  engine::Engine& engine = call.engine();
  const Actions converted(engine, actions, envs.size(), options_.action_kinds);
  without_gil([&] {
    if (!runner_) runner_ = std::make_unique<engine::AsyncRunner>(engine);
    runner_->step({envs.data(), static_cast<std::size_t>(envs.size())}, converted.view());
  });
}

py::tuple VectorCore::recv(std::optional<double> timeout, std::int64_t count) {
  const Call call(*this, "recv", Call::Beside::kFlying);
  engine::Engine& engine = call.engine();
  if (!runner_) raise("AsyncStateError", "recv: expected envs in flight, got none; call async_reset() first");
  if (!async_buffers_)
    async_buffers_ = std::make_unique<BufferRing>(engine.layout(), options_.batch_size, !options_.copy);
  // A batch of another size has memory of its own, which its arrays keep.
  std::optional<BatchBuffer> own;
  if (count != options_.batch_size) own.emplace(engine.layout(), count);
  BatchBuffer& buffer = own ? *own : async_buffers_->acquire();
  py::array_t<std::int64_t> envs(count);
  const auto result = [&] {
    py::dict info = step_info(buffer, count, envs.data());
    info["env_id"] = envs;
    return py::make_tuple(observation_of(buffer), buffer.rewards, buffer.terminated, buffer.truncated, info);
  };
  try {
    without_gil([&] { runner_->receive(count, timeout, buffer.view(), envs.mutable_data(), kStopCheck); });
  } catch (const engine::EnvFailures& failures) {
    raise(failures, result());
  }
  return result();
}

std::int64_t VectorCore::checked_env(std::int64_t env) const {
  if (env < 0 || env >= options_.num_envs) {
    throw py::index_error("expected an env from 0 to " + std::to_string(options_.num_envs - 1) + ", got " +
                          std::to_string(env));
  }
  return env;
}

std::vector<std::int64_t> VectorCore::checked_envs(const py::array_t<std::int64_t>& envs) const {
  std::vector<std::int64_t> result(envs.data(), envs.data() + envs.size());
  for (const std::int64_t env : result) checked_env(env);
  return result;
}

py::bytes VectorCore::save_state(const py::array_t<std::int64_t>& envs) {
  const Call call(*this, "get_state");
  engine::Engine& engine = call.engine();
  try {
    const std::vector<std::byte> data = engine::save_state(engine, checked_envs(envs));
    return py::bytes(reinterpret_cast<const char*>(data.data()), data.size());
  } catch (const engine::EnvFailures& failures) {
    raise(failures, py::none());
  }
}

void VectorCore::load_state(const py::array_t<std::int64_t>& envs, const py::bytes& data, int format) {
  const Call call(*this, "set_state");
  engine::Engine& engine = call.engine();
  const std::string_view view = data;
  try {
    const std::vector<std::int64_t> ids = checked_envs(envs);
    std::vector<std::int64_t> once = ids;
    std::sort(once.begin(), once.end());
    if (const auto twice = std::adjacent_find(once.begin(), once.end()); twice != once.end()) {
      throw py::value_error("set_state: expected each env id once, got " + std::to_string(*twice) + " twice");
    }
    engine::load_state(engine, ids, {reinterpret_cast<const std::byte*>(view.data()), view.size()}, format);
  } catch (const engine::EngineError& error) {
    raise(error);
  } catch (const engine::EnvFailures& failures) {
    raise(failures, py::none());
  }
}

py::bytes VectorCore::save_env(std::int64_t env) {
  const Call call(*this, "reading an env");
  engine::Engine& engine = call.engine();
  std::vector<std::byte> bytes;
  try {
    engine.envs().save(checked_env(env), bytes);
  } catch (const engine::EnvFailures& failures) {
    raise(failures, py::none());
  }
  return py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void VectorCore::load_env(std::int64_t env, const py::bytes& data) {
  const Call call(*this, "changing an env");
  engine::Engine& engine = call.engine();
  const std::string_view view = data;
  try {
    engine.envs().load(checked_env(env), {reinterpret_cast<const std::byte*>(view.data()), view.size()});
  } catch (const engine::EngineError& error) {
    raise(error);
  }
}

py::tuple VectorCore::rng_state(std::int64_t env) {
  const Call call(*this, "reading an env");
  engine::Engine& engine = call.engine();
  const fv_rng& rng = engine.episodes().rng(checked_env(env));
  return py::make_tuple(rng.state_high, rng.state_low, rng.increment_high, rng.increment_low, rng.has_uint32,
                        rng.uint32);
}

void VectorCore::set_rng_state(std::int64_t env, std::uint64_t state_high, std::uint64_t state_low,
                               std::uint64_t increment_high, std::uint64_t increment_low, std::uint32_t has_uint32,
                               std::uint32_t uint32) {
  const Call call(*this, "changing an env");
  engine::Engine& engine = call.engine();
  engine.set_rng(checked_env(env), {state_high, state_low, increment_high, increment_low, has_uint32, uint32});
}

std::int64_t VectorCore::elapsed_steps(std::int64_t env) {
  const Call call(*this, "reading an env");
  engine::Engine& engine = call.engine();
  return engine.episodes().elapsed(checked_env(env));
}

void VectorCore::set_elapsed_steps(std::int64_t env, std::int64_t steps) {
  const Call call(*this, "changing an env");
  engine::Engine& engine = call.engine();
  engine.set_elapsed(checked_env(env), static_cast<std::int32_t>(steps));
}

py::array_t<std::int32_t> VectorCore::time_limits() {
  const Call call(*this, "reading an env");
  engine::Engine& engine = call.engine();
  py::array_t<std::int32_t> steps(engine.num_envs());
  for (std::int64_t env = 0; env < engine.num_envs(); ++env) steps.mutable_at(env) = engine.episodes().time_limit(env);
  return steps;
}

void VectorCore::set_time_limits(const py::array_t<std::int32_t>& steps) {
  const Call call(*this, "changing an env");
  engine::Engine& engine = call.engine();
  if (steps.ndim() != 1 || steps.size() != engine.num_envs()) {
    throw py::value_error("expected one time limit per env, got " + std::to_string(steps.size()));
  }
  for (std::int64_t env = 0; env < engine.num_envs(); ++env) engine.set_time_limit(env, steps.at(env));
}

std::int64_t VectorCore::checked_parameter(std::int64_t parameter) const {
  if (parameter < 0 || parameter >= engine().envs().num_parameters()) {
    throw py::index_error("expected a parameter below " + std::to_string(engine().envs().num_parameters()) + ", got " +
                          std::to_string(parameter));
  }
  return parameter;
}

py::array_t<double> VectorCore::parameter(std::int64_t parameter) {
  const Call call(*this, "reading an env");
  engine::Engine& engine = call.engine();
  checked_parameter(parameter);
  py::array_t<double> values(engine.num_envs());
  for (std::int64_t env = 0; env < engine.num_envs(); ++env) {
    values.mutable_at(env) = engine.envs().parameter(env, parameter);
  }
  return values;
}

void VectorCore::set_parameter(std::int64_t parameter, const py::array_t<double>& values) {
  const Call call(*this, "changing an env");
  engine::Engine& engine = call.engine();
  checked_parameter(parameter);
  if (values.ndim() != 1 || values.size() != engine.num_envs()) {
    throw py::value_error("expected one value per env, got " + std::to_string(values.size()));
  }
  std::vector<double> before;
  try {
    for (std::int64_t env = 0; env < engine.num_envs(); ++env) {
      before.push_back(engine.envs().parameter(env, parameter));
      engine.envs().set_parameter(env, parameter, values.at(env));
    }
  } catch (const engine::EngineError& error) {
    before.pop_back();  // the one that was refused is as it was
    for (std::size_t env = 0; env < before.size(); ++env) {
      engine.envs().set_parameter(static_cast<std::int64_t>(env), parameter, before[env]);
    }
    raise(error);
  }
}

py::array VectorCore::render(std::int64_t env) {
  const Call call(*this, "render");
  engine::Engine& engine = call.engine();
  const fv_spec& spec = engine.spec();
  py::array_t<std::uint8_t> pixels({static_cast<py::ssize_t>(spec.render_height),
                                    static_cast<py::ssize_t>(spec.render_width), static_cast<py::ssize_t>(3)});
  try {
    engine.envs().render(checked_env(env), pixels.mutable_data());
  } catch (const engine::EnvFailures& failures) {
    raise(failures, py::none());
  }
  return pixels;
}

void VectorCore::close() {
  if (!engine_) return;
  if (!home_->is_here()) {
    free_engine();
    return;
  }
  const Call call(*this, "close", Call::Beside::kAnything);
  {
    const py::gil_scoped_release release;  // joining threads may wait for an env's step
    free_engine();
  }
  pending_.reset();
  async_buffers_.reset();
  buffers_.reset();
}

py::object VectorCore::observation_space() const { return describe_space(*engine().spec().observation_space); }
py::object VectorCore::action_space() const { return describe_space(*engine().spec().action_space); }
std::int64_t VectorCore::max_episode_steps() const { return engine().episodes().own_time_limit(); }
py::list VectorCore::info_fields() const { return describe_info_fields(engine().spec()); }
double VectorCore::reward_threshold() const { return engine().spec().reward_threshold; }
bool VectorCore::can_render() const { return engine().envs().can_render(); }
std::int32_t VectorCore::render_fps() const { return engine().spec().render_fps; }
int VectorCore::num_threads() const { return options_.num_threads; }
double VectorCore::nanoseconds_per_env() { return engine().nanoseconds_per_env(); }

std::int64_t VectorCore::bytes_per_env() {
  const Call call(*this, "bytes_per_env");
  return call.engine().envs().bytes_per_env() + engine::Episodes::kBytesPerEnv;
}

void register_vector_core(py::module_& module) {
  using namespace py::literals;
  module.def(
      "never_free", [](py::object object) { object.release(); }, "object"_a,
      "Keeps an object for as long as the process lives.");
  py::class_<platform::Home, std::shared_ptr<platform::Home>>(module, "Home")
      .def(py::init<>())
      .def("require", require_home)
      .def("is_here", &platform::Home::is_here)
      .def("follow_forks", &platform::Home::follow_forks);
  py::class_<VectorCore>(module, "VectorCore")
      .def(py::init([](const EnvType& type, const py::list& kwargs, std::int64_t num_envs, int num_threads,
                       bool pin_threads, int autoreset_mode, std::int64_t max_episode_steps, bool copy,
                       std::int64_t batch_size, std::string action_kinds, std::shared_ptr<platform::Home> home,
                       const py::object&) {
             return std::make_unique<VectorCore>(
                 type, kwargs,
                 CoreOptions{num_envs, num_threads, pin_threads, autoreset_mode, max_episode_steps, copy, batch_size,
                             std::move(action_kinds)},
                 std::move(home));
           }),
           "type"_a, "kwargs"_a, py::kw_only(), "num_envs"_a, "num_threads"_a, "pin_threads"_a, "autoreset_mode"_a,
           "max_episode_steps"_a, "copy"_a, "batch_size"_a, "action_kinds"_a = "", "home"_a = nullptr,
           "keep_alive"_a = py::none(), py::keep_alive<1, 13>())  // until the engine is destroyed
      .def("seed", &VectorCore::seed, "seeds"_a, "seed_mask"_a)
      .def("reset", &VectorCore::reset, "seeds"_a, "seed_mask"_a, "mask"_a, "options"_a, "out"_a)
      .def("step", &VectorCore::step, "actions"_a, "out"_a)
      .def("start_reset", &VectorCore::start_reset, "seeds"_a, "seed_mask"_a, "mask"_a, "options"_a, "out"_a)
      .def("start_step", &VectorCore::start_step, "actions"_a, "out"_a)
      .def("finish", &VectorCore::finish, "timeout"_a)
      .def("hold", &VectorCore::hold, "name"_a)
      .def("set_final_observations", &VectorCore::set_final_observations, "function"_a)
      .def("async_reset", &VectorCore::async_reset, "seeds"_a, "seed_mask"_a, "mask"_a, "options"_a)
      .def("send", &VectorCore::send, "actions"_a, "envs"_a)
      .def("recv", &VectorCore::recv, "timeout"_a, "count"_a)
      .def_property_readonly("in_flight", &VectorCore::in_flight)
      .def("save_state", &VectorCore::save_state, "envs"_a)
      .def("load_state", &VectorCore::load_state, "envs"_a, "data"_a, "format"_a)
      .def("save_env", &VectorCore::save_env, "env"_a)
      .def("load_env", &VectorCore::load_env, "env"_a, "data"_a)
      .def("rng_state", &VectorCore::rng_state, "env"_a)
      .def("set_rng_state", &VectorCore::set_rng_state, "env"_a, "state_high"_a, "state_low"_a, "increment_high"_a,
           "increment_low"_a, "has_uint32"_a, "uint32"_a)
      .def("elapsed_steps", &VectorCore::elapsed_steps, "env"_a)
      .def("set_elapsed_steps", &VectorCore::set_elapsed_steps, "env"_a, "steps"_a)
      .def("time_limits", &VectorCore::time_limits)
      .def("set_time_limits", &VectorCore::set_time_limits, "steps"_a)
      .def_property_readonly("time_limits_were_set", &VectorCore::time_limits_were_set)
      .def("parameter", &VectorCore::parameter, "parameter"_a)
      .def("set_parameter", &VectorCore::set_parameter, "parameter"_a, "values"_a)
      .def_property_readonly("parameters_were_set", &VectorCore::parameters_were_set)
      .def("render", &VectorCore::render, "env"_a)
      .def("close", &VectorCore::close)
      .def_property_readonly("observation_space", &VectorCore::observation_space)
      .def_property_readonly("action_space", &VectorCore::action_space)
      .def_property_readonly("info_fields", &VectorCore::info_fields)
      .def_property_readonly("max_episode_steps", &VectorCore::max_episode_steps)
      .def_property_readonly("reward_threshold", &VectorCore::reward_threshold)
      .def_property_readonly("can_render", &VectorCore::can_render)
      .def_property_readonly("render_fps", &VectorCore::render_fps)
      .def_property_readonly("bytes_per_env", &VectorCore::bytes_per_env)
      .def_property_readonly("num_threads", &VectorCore::num_threads)
      .def_property_readonly("nanoseconds_per_env", &VectorCore::nanoseconds_per_env);
}

}  // namespace fastvec::bindings
