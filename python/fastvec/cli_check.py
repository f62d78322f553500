"""``fastvec check``."""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fastvec import registry
from fastvec.testing import CHECKS, Finding, run_checks

__all__ = ["main"]


def main(argv: Sequence[str]) -> int:
    """Check an env; 0 if it passes, 1 if it fails, 2 if it cannot be made."""
    arguments = _parser().parse_args(argv)
    out = sys.stderr if arguments.json else sys.stdout
    wide = max(map(len, CHECKS))

    def show(check: str, findings: list[Finding]) -> None:
        words = {True: "FAIL", False: "note"}
        if not any(finding.is_failure for finding in findings):
            print(f"  ok    {check:<{wide}}  {CHECKS[check][1]}", file=out, flush=True)
        for finding in findings:
            print(f"  {words[finding.is_failure]}  {check:<{wide}}  {finding.message}", file=out)
            print(f"        {'':<{wide}}  fix: {finding.hint}", file=out, flush=True)

    try:
        for path in arguments.plugin:
            registry.load_plugin(path)
        report = run_checks(
            arguments.env_id,
            num_envs=arguments.num_envs,
            num_steps=arguments.num_steps,
            seed=arguments.seed,
            throughput=not arguments.no_throughput,
            env_kwargs=dict(_kwarg(text) for text in arguments.env_kwargs),
            progress=show,
        )
    except (KeyError, TypeError, ValueError, ImportError, RuntimeError) as error:
        print(f"fastvec check: {error}", file=sys.stderr)
        return 2
    if report.skipped:
        print(f"  not checked, because of what failed: {', '.join(report.skipped)}", file=out)
    if report.steps_per_second is not None:
        print(f"  {report.steps_per_second:,.0f} env steps per second on one thread", file=out)
    verdict = f"fails {len(report.failures)} of" if report.failures else "passes"
    print(f"{report.env_id} {verdict} {len(report.checks)} checks", file=out)
    if arguments.json:
        print(json.dumps(asdict(report)))
    return 1 if report.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fastvec check",
        description="Play an env in many ways and look for the mistakes that are easy to make.",
    )
    parser.add_argument("env_id", help="such as my_envs/GridWalk-v0")
    parser.add_argument("--env-kwargs", nargs="*", default=[], metavar="NAME=VALUE", help="the env's own arguments")
    parser.add_argument("--num-envs", type=int, default=8, help="envs per vector (default: 8)")
    parser.add_argument("--num-steps", type=int, default=200, help="steps per env and run (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of envs and actions (default: 0)")
    parser.add_argument("--plugin", action="append", default=[], metavar="PATH", help="load this env library first")
    parser.add_argument("--no-throughput", action="store_true", help="leave out the measurement")
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    return parser


def _kwarg(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"expected --env-kwargs NAME=VALUE, got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value
