"""``fastvec check``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

import gymnasium

from fastvec.cli.arguments import add_env_kwargs, add_plugins, env_kwargs, load_plugins
from fastvec.terminal import say
from fastvec.testing import CHECKS, PYTHON_CHECKS, Finding, run_checks

__all__ = ["main", "make_parser"]


def main(argv: Sequence[str]) -> int:
    """Check an env; 0 if it passes, 1 if it fails, 2 if it cannot be made."""
    arguments = make_parser().parse_args(argv)
    out = sys.stderr if arguments.json else sys.stdout
    known = {**PYTHON_CHECKS, **CHECKS}
    wide = max(map(len, known))

    def show(check: str, findings: list[Finding]) -> None:
        words = {True: "FAIL", False: "note"}
        if not any(finding.is_failure for finding in findings):
            say(f"  ok    {check:<{wide}}", known[check][1], file=out)
        for finding in findings:
            say(f"  {words[finding.is_failure]}  {check:<{wide}}", finding.message, file=out)
            say(f"        {'':<{wide}}", f"fix: {finding.hint}", file=out)

    try:
        load_plugins(arguments.plugin)
        report = run_checks(
            arguments.env_id,
            num_envs=arguments.num_envs,
            num_steps=arguments.num_steps,
            seed=arguments.seed,
            throughput=not arguments.no_throughput,
            time_limit=arguments.time_limit,
            only=arguments.checks,
            isolate=not arguments.in_process,
            env_kwargs=env_kwargs(arguments.env_kwargs),
            progress=show,
        )
    except (gymnasium.error.Error, LookupError, TypeError, ValueError, ImportError, RuntimeError) as error:
        say(f"fastvec check: {error}", file=sys.stderr)
        return 2
    if report.skipped:
        say(f"  not checked, because of what failed: {', '.join(report.skipped)}", file=out)
    if report.steps_per_second is not None:
        print(f"  {report.steps_per_second:,.0f} env steps per second on one thread", file=out)
    verdict = f"fails {len(report.failures)} of" if report.failures else "passes"
    print(f"{report.env_id} {verdict} {len(report.checks)} checks", file=out)
    if arguments.json:
        print(json.dumps(asdict(report)))
    return 1 if report.failures else 0


def make_parser() -> argparse.ArgumentParser:
    """The arguments of ``fastvec check``."""
    parser = argparse.ArgumentParser(
        prog="fastvec check",
        description="Play an env in many ways and look for the mistakes that are easy to make.",
    )
    parser.add_argument("env_id", help="such as my_envs/GridWalk-v0")
    add_env_kwargs(parser)
    parser.add_argument("--num-envs", type=int, default=8, help="envs per vector (default: 8)")
    parser.add_argument(
        "--num-steps", type=int, help="steps per env and run (default: 200, and fewer where a step takes long)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of envs and actions (default: 0)")
    add_plugins(parser)
    parser.add_argument(
        "--time-limit",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="how long one call into the env may take (default: 20)",
    )
    parser.add_argument("--checks", nargs="+", metavar="NAME", help="these checks alone")
    parser.add_argument(
        "--in-process", action="store_true", help="play the env in this process, for a debugger; no time limit then"
    )
    parser.add_argument("--no-throughput", action="store_true", help="leave out the measurement")
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    return parser
