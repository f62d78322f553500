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
from fastvec.train.report import TrainingDiverged
from fastvec.train.run.interrupts import interruptible
from fastvec.train.run.periodic import PeriodicEvaluation
from fastvec.train.run.plot import plot_curves, read_curve
from fastvec.train.run.rundir import NoRunDir, RunDir, finite_or_none
from fastvec.train.run.trainable import Trainable

CHECKPOINT_SECONDS = 60.0


def train_run(
    trainer: Trainable,
    run_dir: Path,
    *,
    stream: TextIO,
    started: float,
    algorithm: str = DEFAULT_ALGORITHM,
    wandb_project: str | None = None,
) -> dict[str, Any]:
    """Train to the end of the trainer's configuration.

    Ctrl-C ends the run after the iteration under way; like a number that is not finite, it leaves a
    checkpoint.

    Args:
        trainer: what is trained; it stays open.
        run_dir: where the log, the checkpoints and the learning curve are written.
        stream: where progress is shown.
        algorithm: the trainer's name, for config.json.
        started: ``time.monotonic()`` at which the run's wall time began.
        wandb_project: also log to this project of Weights & Biases.

    Returns:
        The summary that ``--json`` prints. ``stopped`` is None, "interrupted" or the quantity that diverged.

    Raises:
        OSError: something cannot be written.
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
        display.say(f"{env_id} by {algorithm.upper()} on {trainer.device}, run directory {run_dir}")
        trainer.save(run.checkpoint)  # whatever happens, there is one; and a disk that takes none shows itself now
        if not trainer.resumes_exactly:
            display.say("these environments cannot be saved: --resume will begin new episodes")
        for note in trainer.notes:
            display.say(note)
        display.say(_how_it_computes(trainer))
        stopped = _iterate(trainer, run, display, evaluations, interrupted, started=started)
        checkpoint = run.checkpoint if stopped in (None, "interrupted") else run_dir / "diverged.pt"
        display.say(f"saving {checkpoint}")
        trainer.save(checkpoint)
        if trainer.world.is_main:
            plot_curves({env_id: [read_curve(run_dir)]}, run_dir / "learning_curve.png", title=env_id)
        evaluation = None
        if stopped is None and config.eval_episodes:
            display.say(f"evaluating over {config.eval_episodes} episodes")
            evaluation = evaluations.evaluate(trainer.global_step, started=started)
        if stopped is None and trainer.world.any(bool(interrupted))[0]:
            stopped = "interrupted"
        display.activity = "training"
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
        save=trainer.save,
        every=trainer.config.eval_every,
        first_step=trainer.global_step,
        world=trainer.world,
        interrupted=interrupted,
    )


def _how_it_computes(trainer: Trainable) -> str:
    if trainer.compiles:
        return "compiling with torch.compile, a minute at most the first time"
    if trainer.config.compile is None:
        return "training eagerly: compiling would take longer than it saves"
    return "training eagerly"


def _iterate(
    trainer: Trainable,
    run: RunDir | NoRunDir,
    display: Display,
    evaluations: PeriodicEvaluation,
    interrupted: Sequence[int],
    *,
    started: float,
) -> str | None:
    """Train to the end, with a checkpoint a minute.

    Returns:
        What stopped it before: "interrupted", or the quantity that diverged.
    """
    last_checkpoint = time.monotonic()
    while not trainer.done:
        # Decided by all ranks together, since a rank that went its own way would leave the others waiting.
        now = time.monotonic()
        leave, due = trainer.world.any(bool(interrupted), now - last_checkpoint > CHECKPOINT_SECONDS)
        if leave:
            return "interrupted"
        if due:
            trainer.save(run.checkpoint)
            last_checkpoint = time.monotonic()
        start = time.monotonic()
        try:
            report = trainer.iterate()
        except TrainingDiverged as error:
            display.say(f"stopped: {error}")
            return error.quantity
        now = time.monotonic()
        display.show(report, now - start)
        run.log(report, steps_per_second=display.speed.steps_per_second, seconds=now - started)
        if evaluations.is_due(trainer.global_step):
            evaluation = evaluations.evaluate(trainer.global_step, started=started)
            if evaluation is not None:
                display.say_evaluation(evaluation.mean_return)
    return None
