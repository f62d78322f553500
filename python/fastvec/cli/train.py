"""``fastvec train``: flags to a configuration, a configuration to a run.

PyTorch takes seconds to load, so it is imported inside the functions, after a word to the user.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from fastvec.cli.train_tools import Plugins, eval_main, export_main, load_plugins, plot_main
from fastvec.train.config import PPOConfig, read_config
from fastvec.train.presets import PresetName, preset
from fastvec.train.run.trackers import import_wandb

__all__ = ["eval_main", "export_main", "main", "plot_main"]


@dataclass(frozen=True, kw_only=True)
class TrainFlags(PPOConfig):
    """Train PPO on an environment. Defaults are those of the environment's preset, where it has one."""

    env_id: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="ENV_ID")] = None
    """Environment to train on, such as CartPole-v1."""
    preset: PresetName = "learning"
    """Where the defaults come from: "learning" for few steps, "throughput" for many steps per second."""
    env_kwargs: dict[str, str] = field(default_factory=dict)
    """Keyword arguments of the environment: --env-kwargs goal_velocity 0.1"""
    plugin: Plugins = ()
    """Load this env library first; may be given several times."""
    run_dir: Path | None = None
    """Where the run is kept; by default runs/ENV__SEED__TIME."""
    resume: Path | None = None
    """Go on with this run directory, exactly where its checkpoint was made (or with a checkpoint in it, such as
    RUN/best.pt)."""
    wandb: str | None = None
    """Also log to this project of Weights & Biases (pip install wandb)."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print one machine-readable line at the end, and progress on stderr."""

    def __post_init__(self) -> None:
        """Checked when :meth:`config` makes the configuration, not while flags are still being read."""

    def config(self) -> PPOConfig:
        """The hyper-parameters alone."""
        return PPOConfig(**{f.name: getattr(self, f.name) for f in dataclasses.fields(PPOConfig)})


def main(argv: list[str]) -> int:
    """``fastvec train ENV_ID [flags]``."""
    started = time.monotonic()
    try:
        try:
            run = prepare(argv)
        except (ValueError, TypeError, OSError) as error:
            print(f"fastvec train: {error}", file=sys.stderr)
            return 2
        return run(started)
    except OSError as error:  # a disk that is full; what else goes wrong while training shows where it came from
        print(f"fastvec train: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # while there was nothing to save, or for the second time
        print("fastvec train: interrupted", file=sys.stderr)
        return 130


def prepare(argv: list[str]) -> Callable[[float], int]:
    """All that comes before training. The run itself takes when it began, on ``time.monotonic()``, and gives the exit
    status.

    Raises:
        ValueError, TypeError, OSError: what a user can put right.
    """
    flags = parse_flags(argv)
    config = flags.config()
    if flags.env_id is None:
        raise ValueError("which environment? Name one, as in: fastvec train CartPole-v1")
    if flags.wandb is not None:
        import_wandb()
    load_plugins(flags.plugin)
    if config.backend != "gymnasium":
        import fastvec  # noqa: F401 - an incomplete installation shows itself before PyTorch is loaded
    resumed_dir = None if flags.resume is None else run_dir_of(flags.resume)
    chosen_dir = flags.run_dir or resumed_dir
    if chosen_dir is not None and chosen_dir != resumed_dir:
        check_is_free(chosen_dir)
    stream = sys.stderr if flags.json else sys.stdout
    if int(os.environ.get("RANK", "0")):  # one process of torchrun's speaks for all
        stream = open(os.devnull, "w")  # noqa: SIM115 - used until the process ends
    print("loading PyTorch", file=stream, flush=True)
    spin_briefly()

    import gymnasium

    from fastvec.train.distributed import join_world, leave_world
    from fastvec.train.ppo import PPO
    from fastvec.train.run.run import train_run
    from fastvec.train.run.rundir import new_run_dir

    world = join_world()
    try:
        if flags.resume is not None:
            ppo = PPO.load(flags.resume, world=world, **dataclasses.asdict(config))
        else:
            kwargs = {key: literal(value) for key, value in flags.env_kwargs.items()}
            ppo = PPO(flags.env_id, config=config, env_kwargs=kwargs, world=world)
    except gymnasium.error.Error as error:  # an unknown id, a package that an environment lacks
        raise ValueError(str(error)) from error
    run_dir = chosen_dir or new_run_dir(flags.env_id, config.seed)

    def run(started: float) -> int:
        try:
            summary = train_run(ppo, run_dir, stream=stream, started=started, wandb_project=flags.wandb)
        finally:
            ppo.close()
            leave_world(world)
        if world.is_main:
            print_summary(summary, as_json=flags.json)
        return {None: 0, "interrupted": 130}.get(summary["stopped"], 1)

    return run


def parse_flags(argv: list[str]) -> TrainFlags:
    """Flags over the preset of the environment that they name, or over the settings of the run they
    resume."""
    argv = spell_out_compile(argv)
    without_help = [word for word in argv if word not in ("-h", "--help")]
    try:
        named, _ = tyro.cli(TrainFlags, args=without_help, return_unknown_args=True, console_outputs=False)
    except SystemExit:  # something is wrong with the flags: the parse below says what
        named = TrainFlags()
    base: dict[str, Any] = {"env_id": named.env_id, "preset": named.preset}  # --plugin appends: it has no base
    if named.resume is not None:
        saved = read_config(run_dir_of(named.resume))
        if named.env_id not in (None, saved["env_id"]):
            raise ValueError(f"{named.resume} is a run on {saved['env_id']}, not on {named.env_id}")
        if named.env_kwargs:
            raise ValueError("a run that is resumed keeps its environments: leave --env-kwargs out")
        if named.preset != "learning":
            raise ValueError("a run that is resumed has its own settings: leave --preset out")
        base |= {"env_id": saved["env_id"], **saved["config"]}
    elif named.env_id is not None:
        base.update(dataclasses.asdict(preset(named.env_id, named.preset)))
    return tyro.cli(TrainFlags, args=argv, default=TrainFlags(**base), prog="fastvec train")


def run_dir_of(resume: Path) -> Path:
    """The run directory that ``--resume`` means: itself, or that of the checkpoint which it names."""
    return resume if resume.is_dir() or resume.suffix != ".pt" else resume.parent


def check_is_free(run_dir: Path) -> None:
    """ValueError where ``run_dir`` holds a run already: a new one would overwrite its checkpoint."""
    if (run_dir / "checkpoint.pt").exists():
        raise ValueError(
            f"{run_dir} already holds a run: go on with it by --resume {run_dir}, or name another directory"
        )


def spin_briefly() -> None:
    """Keep PyTorch's OpenMP threads from burning a core that another program wants; call before PyTorch is
    loaded.

    By default each waits in a loop for milliseconds after each operation, in case another follows. Where a second
    program wants the core, that loop is what keeps it, and the thread that all wait for, from running.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")


def spell_out_compile(argv: list[str]) -> list[str]:
    """``--compile`` and ``--no-compile`` as the three-valued flag that they set."""
    words = []
    for i, word in enumerate(argv):
        if word == "--no-compile":
            words += ["--compile", "False"]
        elif word == "--compile" and (i + 1 == len(argv) or argv[i + 1] not in ("True", "False", "None")):
            words += ["--compile", "True"]
        else:
            words.append(word)
    return words


def literal(text: str) -> Any:
    """A Python literal, or the text itself where it is none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def print_summary(summary: dict[str, Any], *, as_json: bool) -> None:
    """The last word of a run on stdout."""
    if as_json:
        print(json.dumps(summary))
        return
    if summary["stopped"] is not None:
        print(f"stopped: {summary['stopped']}", end="")
        print("" if summary["stopped"] == "interrupted" else " is not finite")
    speed = summary["steps_per_second"]
    mean_return = summary["mean_return"]
    print(f"mean return {'-' if mean_return is None else f'{mean_return:.2f}'} ({summary['mean_return_of']})")
    print(f"{summary['total_timesteps']:,} steps in {summary['wall_seconds']:.1f} s", end="")
    print(f", {speed:,.0f} steps/s" if speed else "")
    print(f"run directory {summary['run_dir']}")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
