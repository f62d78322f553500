"""``fastvec bench``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from fastvec.bench.measure import bare_loop, measure
from fastvec.bench.peers import PEERS, select_peers
from fastvec.bench.report import describe_machine, plot, table
from fastvec.cli.arguments import add_plugins, load_plugins
from fastvec.native import registry
from fastvec.terminal import columns, fit, say
from fastvec.vector.cores import usable_cores

__all__ = ["main", "make_parser"]


def main(argv: Sequence[str]) -> int:
    """Measure steps per second; print a table, and JSON or a plot if asked."""
    arguments = make_parser().parse_args(argv)
    peers = select_peers(arguments.against)
    try:
        load_plugins(arguments.plugin)
    except (ImportError, ValueError) as error:
        raise SystemExit(_mistake(error)) from error
    for env_id in arguments.env_ids:
        if registry.find(env_id) is None:
            raise SystemExit(_mistake(registry.unknown_env(env_id)))
    machine = describe_machine()
    if not arguments.quiet:
        versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
        say(f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}; {versions}", hang=2)
        say(f"env steps per second, median of {arguments.rounds} rounds; in brackets: fastvec's ratio")

    results = []
    for env_id in arguments.env_ids:
        for num_envs in arguments.num_envs:
            settings = {"seconds": arguments.seconds, "rounds": arguments.rounds}
            results += measure(env_id, num_envs, arguments.num_threads, peers, **settings)
            results.append(bare_loop(env_id, num_envs, arguments.num_threads, **settings))
            if not arguments.quiet:
                print(f"  {env_id} x {num_envs} done", flush=True)
    if not arguments.quiet:
        print(table(results, columns(sys.stdout)))
    if arguments.plot:
        plot(results, arguments.plot)
    report = {
        "machine": machine,
        "seconds": arguments.seconds,
        "results": [result.as_dict() for result in results],
    }
    if arguments.output:
        Path(arguments.output).write_text(json.dumps(report, indent=1) + "\n")
    if arguments.json:
        print(json.dumps(report))
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The arguments of ``fastvec bench``."""
    groups = ", ".join(sorted({peer.group for peer in PEERS} - {"fastvec"}))
    parser = argparse.ArgumentParser(
        prog="fastvec bench",
        description="Measure env steps per second beside other vectors, each in turn in this process, and beside "
        "a bare C++ loop over the same env. Random actions are made beforehand.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("env_ids", nargs="*", default=["CartPole-v1"], metavar="ID", help="native env ids")
    parser.add_argument("--num-envs", type=_numbers, default="1,8,64,1024,65536", help="numbers of envs")
    parser.add_argument("--num-threads", type=int, default=usable_cores(), help="threads, for all that take them")
    parser.add_argument("--against", default="gymnasium,envpool", help=f"any of {groups}, or none")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the median counts")
    parser.add_argument("--plot", metavar="PNG", help="draw the results (needs matplotlib)")
    parser.add_argument("--output", metavar="FILE", help="write the results and the machine as JSON")
    parser.add_argument("--json", action="store_true", help="print one last line of JSON")
    add_plugins(parser)
    parser.add_argument("--quiet", action="store_true", help="print no table")
    return parser


def _mistake(error: Exception) -> str:
    return fit(f"fastvec bench: {error}", width=columns(sys.stderr))


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]
