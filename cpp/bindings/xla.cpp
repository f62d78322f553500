#include "xla.hpp"

#include <string>

#include "call.hpp"
#include "describe.hpp"
#include "errors.hpp"
#include "jax/handlers.hpp"
#include "jax/pure_env.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

void VectorCore::XlaPort::enter(const char* what, bool beside_flying) {
  constexpr const char* kInUse =
      "this vector env is in use by another thread: expected one caller at a time, of its handles too";
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) throw jax::PortError(kInUse);
  if (core_ == nullptr) throw jax::PortError("this vector env is closed");
  if (!core_->home_->is_here()) throw jax::PortError("this process was forked from the one that made this vector env");
  if (core_->in_use_.exchange(true, std::memory_order_acquire)) throw jax::PortError(kInUse);
  // From here on nobody else changes the core.
  std::string refusal;
  if (!core_->engine_) {
    refusal = "this vector env is closed";
  } else if (core_->pending_ || !core_->held_.empty()) {
    refusal = std::string(what) + ": expected no call that is pending";
  } else if (!beside_flying && core_->in_flight() != 0) {
    refusal = std::string(what) + ": expected no env in flight, got " + std::to_string(core_->in_flight()) +
              "; recv them first";
  }
  if (!refusal.empty()) {
    core_->in_use_.store(false, std::memory_order_release);
    throw jax::PortError(refusal);
  }
  static_cast<void>(lock.release());  // until `leave`
}

void VectorCore::XlaPort::leave() noexcept {
  core_->in_use_.store(false, std::memory_order_release);
  mutex_.unlock();
}

void VectorCore::XlaPort::detach() {
  const std::lock_guard lock(mutex_);
  core_ = nullptr;
}

std::pair<std::uint32_t, std::uint32_t> VectorCore::xla_handle() {
  const Call call(*this, "xla", Call::Beside::kFlying);
  if (!port_) {
    port_ = std::make_shared<XlaPort>(*this);
    port_id_ = jax::add_port(port_);
  }
  return {port_id_, port_->sequence};
}

void VectorCore::remove_port() {
  if (!port_) return;
  {
    const py::gil_scoped_release release;  // a call under way is waited for, and an env's own code may want the GIL
    port_->detach();
  }
  jax::remove_port(port_id_);
}

namespace {

// A PureEnv as Python has it: a view of one that is kept.
struct PureEnvView {
  jax::PureEnv* env;
};

// Makes the env of `key`, or finds it.
PureEnvView make_pure_env(std::int64_t key, const EnvType& type, const py::list& kwargs, std::int64_t max_episode_steps,
                          int autoreset_mode, int num_threads) {
  if (jax::PureEnv* const known = jax::find_pure_env(key)) return {known};
  const KwargValues values(*type.table, kwargs);
  PureEnvView made{};
  without_gil([&] {
    made.env = &jax::keep_pure_env(
        key, std::make_unique<jax::PureEnv>(*type.table, values.get(), max_episode_steps,
                                            static_cast<engine::AutoresetMode>(autoreset_mode), num_threads));
  });
  return made;
}

}  // namespace

void register_xla(py::module_& module) {
  using namespace py::literals;
  module.def(
      "xla_handlers",
      [] {
        py::dict handlers;
        const auto add = [&](std::span<const jax::NamedHandler> some) {
          for (const jax::NamedHandler& each : some) {
            handlers[each.name] = py::capsule(reinterpret_cast<void*>(each.handler));
          }
        };
        add(jax::pure_handlers());
        add(jax::port_handlers());
        return handlers;
      },
      "The functions that XLA calls, as capsules for jax.ffi.register_ffi_target.");
  module.def("has_plain_state", [](const EnvType& type) { return jax::is_plain(*type.table); }, "type"_a);
  py::class_<PureEnvView>(module, "PureEnv")
      .def(py::init(&make_pure_env), "key"_a, "type"_a, "kwargs"_a, py::kw_only(), "max_episode_steps"_a,
           "autoreset_mode"_a, "num_threads"_a)
      .def_property_readonly("spec", [](const PureEnvView& view) { return describe_spec(view.env->envs().spec()); })
      .def_property_readonly("max_episode_steps", [](const PureEnvView& view) { return view.env->time_limit(); })
      .def_property_readonly("state_size", [](const PureEnvView& view) { return view.env->initial_state().size(); });
}

}  // namespace fastvec::bindings
