"""One training run with all that a user wants around it: progress, logs, checkpoints, a picture, a last
word."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TextIO

from fastvec.train.ppo import PPO, TrainingDiverged
from fastvec.train.run.display import Display
from fastvec.train.run.periodic import PeriodicEvaluation
from fastvec.train.run.plot import plot_curves, read_curve
from fastvec.train.run.rundir import NoRunDir, RunDir, finite_or_none

CHECKPOINT_SECONDS = 60.0


def train_run(
    ppo: PPO, run_dir: Path, *, stream: TextIO, started: float, wandb_project: str | None = None
) -> dict[str, Any]:
    """Train ``ppo`` to the end of its configuration, writing to ``run_dir`` and showing progress on
    ``stream``.

    Ctrl-C ends the run after the iteration under way; like a number that is not finite, it leaves a
    checkpoint.

    Args:
        started: ``time.monotonic()`` at which the run's wall time began.
        wandb_project: also log to this project of Weights & Biases.

    Returns:
        The summary that ``--json`` prints. ``stopped`` is None, "interrupted" or the quantity that diverged.
    """
    env_id = ppo.env_id or "environment"
    first_step = ppo.global_step
    run: RunDir | NoRunDir = NoRunDir(run_dir)
    if ppo.world.is_main:
        run = RunDir(
            run_dir,
            env_id,
            ppo.config,
            num_iterations=ppo.num_iterations,
            first_step=first_step,
            wandb_project=wandb_project,
        )
    stopped: str | None = None
    with (
        closing(run),
        interruptible(patient=ppo.world.size > 1) as interrupted,
        Display(f"{env_id}, seed {ppo.config.seed}", ppo.config.total_timesteps, stream, interrupted) as display,
        closing(PeriodicEvaluation(ppo, run, interrupted)) as evaluations,
    ):
        display.say(f"{env_id} on {ppo.device}, run directory {run_dir}")
        ppo.save(run.checkpoint)  # whatever happens, there is one; and a disk that takes none shows itself now
        last_checkpoint = time.monotonic()
        if not ppo.resumes_exactly:
            display.say("these environments cannot be saved: --resume will begin new episodes")
        display.say(
            "compiling with torch.compile, a minute at most the first time"
            if ppo.compiles
            else "training eagerly: compiling would take longer than it saves"
            if ppo.config.compile is None
            else "training eagerly"
        )
        while not ppo.done:
            # Decided by all ranks together, since a rank that went its own way would leave the others waiting.
            now = time.monotonic()
            leave, due = ppo.world.any(bool(interrupted), now - last_checkpoint > CHECKPOINT_SECONDS)
            if leave:
                stopped = "interrupted"
                break
            if due:
                ppo.save(run.checkpoint)
                last_checkpoint = time.monotonic()
            start = time.monotonic()
            try:
                report = ppo.iterate()
            except TrainingDiverged as error:
                stopped = error.quantity
                display.say(f"stopped: {error}")
                break
            now = time.monotonic()
            display.show(report, now - start)
            run.log(
                report,
                steps_per_second=display.speed.steps_per_second,
                learning_rate=ppo.learner.learning_rate,
                seconds=now - started,
            )
            if evaluations.due:
                evaluation = evaluations.evaluate(started=started)
                if evaluation is not None:
                    display.say_evaluation(evaluation.mean_return)
        checkpoint = run.checkpoint if stopped in (None, "interrupted") else run_dir / "diverged.pt"
        display.say(f"saving {checkpoint}")
        ppo.save(checkpoint)
        if ppo.world.is_main:
            plot_curves({env_id: [read_curve(run_dir)]}, run_dir / "learning_curve.png", title=env_id)
        evaluation = None
        if stopped is None and ppo.config.eval_episodes:
            display.say(f"evaluating over {ppo.config.eval_episodes} episodes")
            evaluation = evaluations.evaluate(started=started)
        if stopped is None and ppo.world.any(bool(interrupted))[0]:
            stopped = "interrupted"
        display.activity = "training"
    training_return = ppo.collector.episodes.mean_return
    return {
        "env_id": env_id,
        "seed": ppo.config.seed,
        "total_timesteps": ppo.global_step,
        "steps_per_second": finite_or_none(display.speed.steps_per_second),
        "wall_seconds": time.monotonic() - started,
        "mean_return": finite_or_none(evaluation.mean_return if evaluation else training_return),
        "mean_return_of": (
            f"greedy evaluation of {len(evaluation.returns)} episodes"
            if evaluation
            else f"last {len(ppo.collector.episodes.recent)} training episodes"
        ),
        "training_return": finite_or_none(training_return),
        "best_mean_return": evaluations.best,
        "best_step": evaluations.best_step,
        "compiled": ppo.compiles,
        "device": str(ppo.device),
        "processes": ppo.world.size,
        "resumed_from": first_step or None,
        "stopped": stopped,
        "run_dir": str(run_dir),
    }


@contextmanager
def interruptible(*, patient: bool = False) -> Iterator[list[int]]:
    """A list that is empty until Ctrl-C or SIGTERM comes; a second one kills as ever.

    ``patient`` takes any number of them: under torchrun, Ctrl-C reaches each process once from the terminal and once
    more from torchrun, which kills by force those that do not leave within half a minute.
    """
    received: list[int] = []
    previous: dict[int, Any] = {}

    def note(number: int, frame: Any) -> None:
        received.append(number)
        if not patient:
            for name, handler in previous.items():
                signal.signal(name, handler)

    try:
        for name in (int(signal.SIGINT), int(signal.SIGTERM)):
            previous[name] = signal.signal(name, note)
    except ValueError:  # not the main thread: signals go elsewhere
        previous.clear()
    try:
        yield received
    finally:
        for name, handler in previous.items():
            signal.signal(name, handler)
