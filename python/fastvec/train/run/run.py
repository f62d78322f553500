"""One training run with what a user wants around it: progress, logs, checkpoints, evaluations, a curve, a summary."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from fastvec.train.algorithms import DEFAULT_ALGORITHM
from fastvec.train.display import Display
from fastvec.train.jit import has_compiler
from fastvec.train.report import Callback, TrainingDiverged
from fastvec.train.run.interrupts import Signals, interruptible
from fastvec.train.run.periodic import PeriodicEvaluation
from fastvec.train.run.plot import plot_curves, read_curve
from fastvec.train.run.rundir import NoRunDir, RunDir, finite_or_none
from fastvec.train.run.trainable import Trainable

CHECKPOINT_SECONDS = 60.0

COMPILING_ITERATIONS = 2
"""First iterations of a run in which code may be compiled; one that primes normalisers has no update."""


def train_run(
    trainer: Trainable,
    run_dir: Path,
    *,
    stream: TextIO,
    started: float,
    algorithm: str = DEFAULT_ALGORITHM,
    wandb_project: str | None = None,
    callback: Callback | None = None,
) -> dict[str, Any]:
    """Train to the end of the trainer's configuration.

    Ctrl-C ends the run after the iteration under way (while code is compiled, at once); like a number that is not
    finite, it leaves a checkpoint. What the disk does not take is tried again at the next checkpoint.

    Args:
        trainer: what is trained; it stays open.
        run_dir: where the log, the checkpoints and the learning curve are written.
        stream: where progress is shown.
        algorithm: the trainer's name, for config.json.
        started: ``time.monotonic()`` at which the run's wall time began.
        callback: called after each iteration, before it is logged: what it adds to the report's metrics is logged with
            them. The run ends early where it returns False, on all ranks if on any.
        wandb_project: also log to this project of Weights & Biases.

    Returns:
        The summary that ``--json`` prints. ``stopped`` is None, "interrupted", "callback", or the quantity that
        diverged.

    Raises:
        OSError: something cannot be written: at the start at once, else after the end of the run.
    """
    env_id, config = trainer.env_id or "environment", trainer.config
    first_step = trainer.global_step
    run: RunDir | NoRunDir = NoRunDir(run_dir)
    if trainer.world.is_main:
        run = RunDir(
            run_dir,
            env_id,
            config,
            algorithm=algorithm,
            num_iterations=trainer.num_iterations,
            first_step=first_step,
            wandb_project=wandb_project,
        )
    with (
        closing(run),
        interruptible(patient=trainer.world.size > 1) as interrupted,
        Display(f"{env_id}, seed {config.seed}", config.total_timesteps, stream, interrupted) as display,
        closing(_evaluations_of(trainer, run, interrupted)) as evaluations,
    ):
        run.writes.warn = display.warn
        display.tell(f"{env_id} by {algorithm.upper()} on {trainer.device}, run directory {run_dir}")
        trainer.save(run.checkpoint)  # whatever happens, there is one; and a disk that takes none shows itself now
        if not trainer.resumes_exactly:
            display.tell("these environments cannot be saved: --resume will begin new episodes")
        for note in trainer.notes:
            display.tell(note)
        display.say(_how_it_computes(trainer))
        stopped, is_whole = _iterate(trainer, run, display, evaluations, interrupted, callback, started=started)
        checkpoint = run.checkpoint if stopped in (None, "interrupted", "callback") else run_dir / "diverged.pt"
        if is_whole:
            display.say(f"saving {checkpoint}")
            run.writes.attempt(checkpoint.name, partial(trainer.save, checkpoint))
        run.flush()
        if trainer.world.is_main and is_whole:
            run.writes.attempt("learning_curve.png", partial(_plot, env_id, run_dir))
        evaluation = None
        if stopped in (None, "callback") and config.eval_episodes:
            display.say(f"evaluating over {config.eval_episodes} episodes")
            evaluation = evaluations.evaluate(trainer.global_step, started=started)
        if stopped in (None, "callback") and trainer.world.any(bool(interrupted))[0]:
            stopped = "interrupted"
        display.activity = "training"
    run.writes.check()
    training_return = trainer.episodes.mean_return
    return {
        "env_id": env_id,
        "seed": config.seed,
        "total_timesteps": trainer.global_step,
        "steps_per_second": finite_or_none(display.speed.steps_per_second),
        "wall_seconds": time.monotonic() - started,
        "mean_return": finite_or_none(evaluation.mean_return if evaluation else training_return),
        "mean_return_of": (
            f"greedy evaluation of {len(evaluation.returns)} episodes"
            if evaluation
            else f"last {len(trainer.episodes.recent)} training episodes"
        ),
        "evaluation_cut": None if evaluation is None else evaluation.cut,
        "training_return": finite_or_none(training_return),
        "best_mean_return": evaluations.best,
        "best_step": evaluations.best_step,
        "compiled": trainer.compiles,
        "device": str(trainer.device),
        "processes": trainer.world.size,
        "resumed_from": first_step or None,
        "stopped": stopped,
        "run_dir": str(run_dir),
    }


def _evaluations_of(trainer: Trainable, run: RunDir | NoRunDir, interrupted: Sequence[int]) -> PeriodicEvaluation:
    episodes = trainer.config.eval_episodes
    return PeriodicEvaluation(
        run,
        make_envs=partial(trainer.make_evaluation_envs, episodes),
        play=partial(trainer.evaluate, episodes),
        save=lambda path: run.writes.attempt(path.name, partial(trainer.save, path)),
        every=trainer.config.eval_every,
        first_step=trainer.global_step,
        world=trainer.world,
        interrupted=interrupted,
    )


def _plot(env_id: str, run_dir: Path) -> None:
    plot_curves({env_id: [read_curve(run_dir)]}, run_dir / "learning_curve.png", title=env_id)


def _how_it_computes(trainer: Trainable) -> str:
    if trainer.compiles:
        return "compiling what is not kept from an earlier run"
    if trainer.config.compile is None and not has_compiler():
        return "training eagerly: there is no C++ compiler, with which it would be several times as fast"
    if trainer.config.compile is None:
        return "training eagerly: compiling would take longer than it saves"
    return "training eagerly"


def _iterate(
    trainer: Trainable,
    run: RunDir | NoRunDir,
    display: Display,
    evaluations: PeriodicEvaluation,
    interrupted: Signals,
    callback: Callback | None,
    *,
    started: float,
) -> tuple[str | None, bool]:
    """Train to the end, with a checkpoint a minute.

    Returns:
        What stopped it before ("interrupted", "callback", or the quantity that diverged), and whether the trainer is
        between two iterations, and so can be saved.
    """
    last_checkpoint = time.monotonic()
    compiling = COMPILING_ITERATIONS if trainer.compiles else 0
    while not trainer.done:
        # Decided by all ranks together, since a rank that went its own way would leave the others waiting.
        now = time.monotonic()
        leave, due = trainer.world.any(bool(interrupted), now - last_checkpoint > CHECKPOINT_SECONDS)
        if leave:
            return "interrupted", True
        if due:
            run.writes.attempt(run.checkpoint.name, partial(trainer.save, run.checkpoint))
            run.flush()
            last_checkpoint = time.monotonic()
        start = time.monotonic()
        try:
            interrupted.at_once = compiling > 0
            report = trainer.iterate()
        except TrainingDiverged as error:
            display.say(f"stopped: {error}")
            return error.quantity, True
        except KeyboardInterrupt:
            if not interrupted.at_once:
                raise
            return "interrupted", False
        finally:
            interrupted.at_once = False
        compiling -= 1
        goes_on = callback is None or callback(report) is not False
        now = time.monotonic()
        display.show(report, now - start)
        run.log(report, steps_per_second=display.speed.steps_per_second, seconds=now - started)
        if evaluations.is_due(trainer.global_step):
            evaluation = evaluations.evaluate(trainer.global_step, started=started)
            if evaluation is not None:
                display.say_evaluation(evaluation.mean_return)
        if callback is not None and trainer.world.any(not goes_on)[0]:
            return "callback", True
    return None, True
