"""Which tests the first run of a newcomer leaves out: those that compile programs, start many processes, or go through
hundreds of cases of what others show. They are marked ``extended``, and `.ci/run` runs them.

Paths are relative to tests/python; ``::`` narrows one down.
"""

from __future__ import annotations

EXTENDED = (
    "ale/test_ale.py",
    "benchmarks/test_benchmarks_gpu.py::test_dry_run_measures_and_reports",
    "cli/test_check_python.py",
    "cli/test_doctor.py",
    "cli/test_completion.py",
    "cli/test_terminal.py",
    "docs/test_doctests.py",
    "docs/test_notebooks.py",
    "docs/test_pictures.py",
    "docs/test_snippets.py::test_blocks_run_and_print_what_the_page_shows",
    "envs/box2d/test_car_racing.py",
    "envs/box2d/test_differential.py",
    "envs/mujoco/",
    "gpu_kernels/",
    "integrations/sb3/",
    "native/test_async.py::test_calls_about_one_env_are_refused_while_envs_are_in_flight",
    "process/test_async.py",
    "process/test_choice.py",
    "process/test_closing.py",
    "process/test_faults.py",
    "process/test_infos.py",
    "process/test_interrupts.py",
    "process/test_lifecycle.py",
    "process/test_main_module.py",
    "process/test_make.py",
    "process/test_same_as_sync.py::test_action_space_without_parts_is_an_error_of_step_as_in_sync_vector_env",
    "process/test_same_as_sync.py::test_gymnasium_env_steps_as_in_sync_vector_env",
    "process/test_same_as_sync.py::test_numbers_do_not_depend_on_the_number_of_workers",
    "process/test_same_as_sync.py::test_observation_space_is_batched_as_in_sync_vector_env",
    "sdk/",
    "train/test_cli.py",
    "train/test_compile.py",
    "train/test_compiled.py",
    "train/test_cuda_simulation.py",
    "train/test_distributed.py",
    "train/test_learner.py::test_a_loss_of_ones_own_is_made_smaller_as_by_torch_adam",
    "train/test_modules.py",
    "train/test_sac.py::test_compiled_steps_are_the_eager_ones_in_any_number_of_threads",
    "vector/test_arrays.py::test_what_is_held_of_a_batch_is_never_overwritten",
    "vector/test_async.py",
    "vector/test_calls.py",
    "vector/test_make_from_spec.py",
    "vector/test_pending.py",
    "vector/test_timeouts.py",
)


def is_extended(path: str, name: str) -> bool:
    """Whether the test ``name`` (without its parameters) of the file ``path`` is among them."""
    for entry in EXTENDED:
        file, _, test = entry.partition("::")
        if path.startswith(file) and test in ("", name):
            return True
    return False
