#include "probe.hpp"

#include <pybind11/numpy.h>

#include "describe.hpp"
#include "tools/probe.hpp"

namespace fastvec::bindings {

namespace py = pybind11;

namespace {

constexpr const char* kKinds[] = {"outside", "unwritten", "not finite", "other", "failed"};

tools::ProbePlan plan_of(std::int64_t num_envs, std::int64_t steps, std::uint64_t seed, double seconds,
                         const py::list& actions, const py::object& progress) {
  tools::ProbePlan plan{.num_envs = num_envs, .steps = steps, .seed = seed, .seconds = seconds, .actions = {}};
  for (const py::handle leaf : actions) plan.actions.push_back(py::reinterpret_borrow<py::array>(leaf).data());
  plan.action_batches = py::reinterpret_borrow<py::array>(actions[0]).shape(0);
  if (!progress.is_none()) plan.progress = progress.cast<py::array_t<std::int64_t>>().mutable_data();
  return plan;
}

}  // namespace

void register_probe(py::module_& module) {
  using namespace py::literals;
  module.def(
      "run_guarded",
      [](const EnvType& type, const py::list& kwargs, std::int64_t num_envs, std::int64_t envs_per_call,
         std::int64_t steps, std::uint64_t seed, double seconds, const py::list& actions, const py::object& progress) {
        const KwargValues values(*type.table, kwargs);
        const tools::ProbePlan plan = plan_of(num_envs, steps, seed, seconds, actions, progress);
        tools::ProbeReport report;
        {
          const py::gil_scoped_release release;
          report = tools::run_guarded(*type.table, values.get(), plan, envs_per_call);
        }
        py::list faults;
        for (const tools::ProbeFault& fault : report.faults) {
          faults.append(py::make_tuple(kKinds[fault.kind], fault.call, fault.what, fault.env, fault.last_env,
                                       fault.step, fault.at));
        }
        return py::make_tuple(report.steps, faults);
      },
      "type"_a, "kwargs"_a, py::kw_only(), "num_envs"_a, "envs_per_call"_a, "steps"_a, "seed"_a, "seconds"_a,
      "actions"_a, "progress"_a);
  module.def(
      "run_apart",
      [](const EnvType& type, const py::list& kwargs, std::int64_t num_envs, int num_threads, std::int64_t steps,
         std::uint64_t seed, const py::list& actions, const py::object& progress) {
        const KwargValues values(*type.table, kwargs);
        const tools::ProbePlan plan = plan_of(num_envs, steps, seed, 1e9, actions, progress);
        tools::ProbeDigests digests;
        {
          const py::gil_scoped_release release;
          digests = tools::run_apart(*type.table, values.get(), plan, num_threads);
        }
        py::list names;
        for (const std::string& name : digests.columns) names.append(name);
        const std::vector<py::ssize_t> shape{steps + 1, num_envs, static_cast<py::ssize_t>(digests.columns.size())};
        return py::make_tuple(names, py::array_t<std::uint32_t>(shape, digests.values.data()), digests.nanoseconds);
      },
      "type"_a, "kwargs"_a, py::kw_only(), "num_envs"_a, "num_threads"_a, "steps"_a, "seed"_a, "actions"_a,
      "progress"_a);
}

}  // namespace fastvec::bindings
