"""``fastvec train``: flags to the settings of a run, and its summary to stdout.

PyTorch takes seconds to load, so it is imported after the flags are read, and after a word to the user.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import tyro

from fastvec.cli.arguments import literal
from fastvec.cli.dataclass_flags import add_flags
from fastvec.cli.run_arguments import Plugins, load_plugins, read_flags
from fastvec.terminal import say
from fastvec.train.algorithms import ALGORITHMS, DEFAULT_ALGORITHM, Algorithm, find_algorithm
from fastvec.train.presets import PresetName, preset
from fastvec.train.run.preflight import choose_run_dir, is_main_rank, leave_quickly, limit_spinning, run_dir_of
from fastvec.train.run.rundir import RunSettings, read_settings
from fastvec.train.run.trackers import import_wandb

if TYPE_CHECKING:
    from fastvec.train.run.session import Session

__all__ = ["main", "make_parser", "parse_flags"]


@dataclass(frozen=True, kw_only=True)
class RunFlags:
    """Train on an environment. Defaults are those of the environment's preset, where it has one."""

    env_id: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="ENV_ID")] = None
    """Environment to train on, such as CartPole-v1."""
    algo: str = DEFAULT_ALGORITHM
    """What learns. "ppo" suits all actions; "pqn" learns values of Discrete and MultiDiscrete actions; "sac" takes the
    fewest steps, for Box actions."""
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
    trust: tyro.conf.FlagCreatePairsOff[bool] = False
    """With --resume: read what runs code when it is read: the states of environments in Python (without, new episodes
    begin), and checkpoints of format 3."""
    wandb: str | None = None
    """Also log to this project of Weights & Biases (pip install wandb)."""
    compile_only: tyro.conf.FlagCreatePairsOff[bool] = False
    """Build what this run would call compiled, keep it in $FASTVEC_CACHE_DIR (or the user's cache directory), and
    end: for the image of a container, whose runs then start at once."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print one machine-readable line at the end, and progress on stderr."""

    algorithm: ClassVar[Algorithm]

    def config(self) -> Any:
        """The algorithm's settings alone.

        Raises:
            ValueError, TypeError: one of them cannot be.
        """
        names = [setting.name for setting in dataclasses.fields(self.algorithm.config)]
        return self.algorithm.config(**{name: getattr(self, name) for name in names})


def flags_of(algorithm: Algorithm) -> type[RunFlags]:
    """The flags of a run with this algorithm: its settings, then those of :class:`RunFlags`.

    Making one checks nothing, since flags are still being read then; :meth:`RunFlags.config` does.
    """
    namespace = {"__doc__": RunFlags.__doc__, "__post_init__": lambda _: None, "algorithm": algorithm}
    bases = (RunFlags, algorithm.config)
    return dataclasses.make_dataclass("TrainFlags", [], bases=bases, namespace=namespace, frozen=True, kw_only=True)


def make_parser() -> argparse.ArgumentParser:
    """The arguments of ``fastvec train``, whatever ``--algo`` says: for those who want to know their names."""
    parser = argparse.ArgumentParser(prog="fastvec train")
    for algorithm in ALGORITHMS.values():
        add_flags(parser, flags_of(algorithm), choices={"algo": [*ALGORITHMS]})
    parser.add_argument("--no-compile", action="store_true", help="the same as --compile False")
    return parser


def main(argv: list[str]) -> int:
    """``fastvec train ENV_ID [flags]``.

    Returns:
        The exit status: 0; 1 where the run diverged or could not write; 2 for a mistake in the flags; 130 after Ctrl-C.
    """
    started = time.monotonic()
    try:
        try:
            flags, session = prepare(argv)
        except (ValueError, TypeError, OSError) as error:
            say(f"fastvec train: {error}", file=sys.stderr)
            return 2
        if flags.compile_only:
            count = session.compile()
            say(f"{count} programs are kept" if count else "nothing of this run can be kept: it compiles as it goes")
            return 0
        summary = session.run(started=started)
        if session.is_main:
            print_summary(summary, as_json=flags.json)
        return {None: 0, "interrupted": 130}.get(summary["stopped"], 1)
    except OSError as error:  # a disk that is full; what else goes wrong while training shows where it came from
        say(f"fastvec train: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # while there was nothing to save, or for the second time
        print("fastvec train: interrupted", file=sys.stderr)
        return 130


def prepare(argv: list[str]) -> tuple[RunFlags, Session]:
    """The flags, and all that comes before training.

    Raises:
        ValueError, TypeError, OSError: what a user can put right.
    """
    flags = parse_flags(argv)
    config = flags.config()
    if flags.compile_only:
        config = dataclasses.replace(config, compile=True)
    if flags.env_id is None:
        raise ValueError("which environment? Name one, as in: fastvec train CartPole-v1")
    if flags.wandb is not None:
        import_wandb()
    load_plugins(flags.plugin)
    run_dir = choose_run_dir(flags.run_dir, flags.resume)
    stream = sys.stderr if flags.json else sys.stdout
    if not is_main_rank():
        stream = Path(os.devnull).open("w")  # noqa: SIM115 - used until the process ends
    print("loading PyTorch", file=stream, flush=True)
    limit_spinning()
    leave_quickly()

    from fastvec.train.run.session import Session, SessionSettings

    settings = SessionSettings(
        algorithm=flags.algorithm.name,
        env_id=flags.env_id,
        config=config,
        env_kwargs={key: literal(value) for key, value in flags.env_kwargs.items()},
        resume=flags.resume,
        run_dir=run_dir,
        wandb_project=flags.wandb,
        trust=flags.trust,
    )
    return flags, Session(settings, stream=stream)


def parse_flags(argv: list[str]) -> RunFlags:
    """Flags over the preset of the environment that they name, or over the settings of the run they resume.

    Returns:
        What :func:`flags_of` makes of the algorithm, which a run that is resumed keeps.

    Raises:
        ValueError, OSError: the run that is resumed cannot be read, or is another than the flags say. SystemExit: flags
            that cannot be read, or ``--help``.
    """
    argv = spell_out_compile(argv)
    saved = read_saved(argv)
    algorithm = find_algorithm(read_algorithm(argv) or (DEFAULT_ALGORITHM if saved is None else saved.algorithm))
    flags = flags_of(algorithm)
    without_help = [word for word in argv if word not in ("-h", "--help")]
    try:
        named, _ = tyro.cli(flags, args=without_help, return_unknown_args=True, console_outputs=False)
    except SystemExit:  # something is wrong with the flags: the parse below says what
        named = flags()
    # --plugin appends: it has no base.
    base: dict[str, Any] = {"env_id": named.env_id, "preset": named.preset, "algo": algorithm.name}
    if saved is not None:
        if algorithm.name != saved.algorithm:
            raise ValueError(f"{named.resume} is a run of {saved.algorithm}, not of {algorithm.name}: leave --algo out")
        if named.env_id not in (None, saved.env_id):
            raise ValueError(f"{named.resume} is a run on {saved.env_id}, not on {named.env_id}")
        if named.env_kwargs:
            raise ValueError("a run that is resumed keeps its environments: leave --env-kwargs out")
        if named.preset != "learning":
            raise ValueError("a run that is resumed has its own settings: leave --preset out")
        base |= {"env_id": saved.env_id, **saved.config}
    elif named.env_id is not None:
        base.update(dataclasses.asdict(preset(named.env_id, named.preset, algorithm=algorithm.name)))
    return read_flags(flags, argv, command="train", default=flags(**base))


def read_saved(argv: list[str]) -> RunSettings | None:
    """What the run says that ``--resume`` names; None without that flag. It tells which flags there are.

    Raises:
        ValueError, OSError: the run cannot be read.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--resume", nargs="?", type=Path)
    resume = parser.parse_known_args(argv)[0].resume
    return None if resume is None else read_settings(run_dir_of(resume))


def read_algorithm(argv: list[str]) -> str | None:
    """The name behind ``--algo``, which tells which flags there are; None where that is missing."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--algo", nargs="?")
    name: str | None = parser.parse_known_args(argv)[0].algo
    return name


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


def print_summary(summary: dict[str, Any], *, as_json: bool) -> None:
    """Print what :func:`fastvec.train.run.run.train_run` returned."""
    if as_json:
        print(json.dumps(summary))
        return
    if summary["stopped"] is not None:
        say(f"stopped: {summary['stopped']}{'' if summary['stopped'] == 'interrupted' else ' is not finite'}")
    speed = summary["steps_per_second"]
    mean_return = summary["mean_return"]
    say(f"mean return {'-' if mean_return is None else f'{mean_return:.2f}'} ({summary['mean_return_of']})")
    rate = f", {speed:,.0f} steps/s" if speed else ""
    say(f"{summary['total_timesteps']:,} steps in {summary['wall_seconds']:.1f} s{rate}")
    say(f"run directory {summary['run_dir']}")
