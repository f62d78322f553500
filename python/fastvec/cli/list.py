"""``fastvec list``."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np

from fastvec.cli.arguments import add_env_kwargs, add_plugins, env_kwargs, load_plugins
from fastvec.cli.descriptions import Details, Listing, all_listings, describe
from fastvec.cli.signatures import Argument
from fastvec.terminal import columns, fit, say

__all__ = ["main", "make_parser"]

_BACKENDS = {
    "native": "native",
    "ale": "ale-py's vector env",
    "process": "Python, in worker processes",
}
_MANY = 8  # so many envs with the same keyword arguments: they are shown once


def main(argv: Sequence[str]) -> int:
    """Print the envs that ``make_vec`` knows by id, or all about one; 2 if there is no such env."""
    arguments = make_parser().parse_args(argv)
    try:
        load_plugins(arguments.plugin)
        if arguments.env_id is None:
            listings = all_listings(with_process=arguments.all)
            print(json.dumps([_row(listing) for listing in listings])) if arguments.json else _print_all(listings)
        else:
            found = describe(arguments.env_id, env_kwargs(arguments.env_kwargs))
            print(json.dumps(_as_json(found)) if arguments.json else "\n".join(_lines(found, columns(sys.stdout))))
    except (gymnasium.error.Error, LookupError, TypeError, ValueError, ImportError, RuntimeError) as error:
        say(f"fastvec list: {error.args[0] if isinstance(error, KeyError) else error}", file=sys.stderr)
        return 2
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The arguments of ``fastvec list``."""
    parser = argparse.ArgumentParser(
        prog="fastvec list",
        description="List the native envs, and ale-py's where it is installed, with their keyword arguments; with "
        "--all, every id of Gymnasium's registry too; with an ID, all there is to know about that env.",
    )
    parser.add_argument("env_id", nargs="?", metavar="ID", help="describe this env: spaces, arguments, infos...")
    parser.add_argument("--all", action="store_true", help="also ids that get Python worker processes")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead")
    add_env_kwargs(parser)
    add_plugins(parser)
    return parser


# -- all envs -----------------------------------------------------------------------------------------------


def _print_all(listings: Sequence[Listing]) -> None:
    width = max(len(listing.id) for listing in listings)
    for at, (_, found) in enumerate(itertools.groupby(listings, key=lambda one: (one.backend, one.family))):
        group = list(found)
        print("" if at == 0 else "\n", end="")
        shared = {_signature(listing) for listing in group}
        said_once = len(group) >= _MANY and len(shared) == 1
        say(f"{group[0].family} ({_BACKENDS[group[0].backend]})", shared.pop() if said_once else "", hang=2)
        for listing in group:
            say(f"  {listing.id:<{width}}", "" if said_once else _signature(listing))


def _signature(listing: Listing) -> str:
    text = ", ".join(map(str, listing.arguments))
    if listing.options:
        text += f"{'; ' if text else ''}reset options: {', '.join(name for name, _ in listing.options)}"
    if listing.needs:
        text += f"{'; ' if text else ''}needs: {_install(listing.needs)}"
    return text


def _install(extra: str) -> str:
    return f'pip install "{extra}"'


# -- one env ------------------------------------------------------------------------------------------------


def _lines(found: Listing | Details, width: int | None) -> Iterator[str]:
    listing = found.listing if isinstance(found, Details) else found
    yield fit(f"{listing.id}  ({listing.family}; {_BACKENDS[listing.backend]})", width=width)
    if listing.needs:
        yield fit(f"  to see its spaces and infos: {_install(listing.needs)}", width=width)
    if isinstance(found, Details):
        yield from _space_lines("observation space", found.observation_space, width)
        yield from _space_lines("action space", found.action_space, width)
        yield f"  time limit         {'none' if found.time_limit is None else f'{found.time_limit} steps'}"
        yield f"  reward threshold   {'none' if found.reward_threshold is None else f'{found.reward_threshold:g}'}"
        yield fit("  render modes     ", ", ".join(found.render_modes) or "none", width)
    yield from _table("keyword arguments", [(str(argument), argument.doc) for argument in listing.arguments], width)
    if listing.backend == "native":
        yield from _table("reset options", listing.options, width)
    if not isinstance(found, Details):
        return
    if listing.backend == "native":
        rows = [(f"{name}={value!r}", doc) for name, value, doc in found.parameters]
        yield from _table("parameters, for set_attr", rows, width)
    title = "info keys" if found.infos_are_declared else "info keys of a reset and a step"
    yield from _table(title, found.infos, width)


def _space_lines(title: str, space: gymnasium.Space[Any], width: int | None) -> Iterator[str]:
    if not isinstance(space, (gymnasium.spaces.Dict, gymnasium.spaces.Tuple)):
        yield fit(f"  {title:<17}", _one_line(space), width)
        return
    yield f"  {title:<17}  {type(space).__name__}"
    items = space.spaces.items() if isinstance(space, gymnasium.spaces.Dict) else enumerate(space.spaces)
    for key, child in items:
        yield fit(f"  {'':<17}    {key!r}: {_one_line(child)}", width=width)


def _one_line(space: gymnasium.Space[Any]) -> str:
    return " ".join(str(space).split())


def _table(title: str, rows: Sequence[tuple[str, str]], width: int | None) -> Iterator[str]:
    yield f"  {title}{'' if rows else ': none'}"
    widest = max((len(name) for name, doc in rows if doc and len(name) <= 44), default=0)
    for name, doc in rows:
        yield fit(f"    {name:<{widest}}", doc, width)


# -- JSON ---------------------------------------------------------------------------------------------------


def _row(listing: Listing) -> dict[str, Any]:
    row = {
        "id": listing.id,
        "family": listing.family,
        "backend": listing.backend,
        "kwargs": {argument.name: _default(argument) for argument in listing.arguments},
        "options": [name for name, _ in listing.options],
    }
    return row | ({} if listing.needs is None else {"needs": listing.needs})


def _as_json(found: Listing | Details) -> dict[str, Any]:
    listing = found.listing if isinstance(found, Details) else found
    row = _row(listing)
    row["kwargs"] = {one.name: {"default": _default(one), "doc": one.doc} for one in listing.arguments}
    row["options"] = dict(listing.options)
    if not isinstance(found, Details):
        return row
    return row | {
        "observation_space": str(found.observation_space),
        "action_space": str(found.action_space),
        "max_episode_steps": found.time_limit,
        "reward_threshold": found.reward_threshold,
        "render_modes": list(found.render_modes),
        "parameters": {name: {"value": _plain(value), "doc": doc} for name, value, doc in found.parameters},
        "infos": dict(found.infos),
    }


def _default(argument: Argument) -> Any:
    return None if argument.default is Argument.REQUIRED else _plain(argument.default)


def _plain(value: Any) -> Any:
    """A value as JSON has it: tuples and arrays as lists; what JSON cannot say (infinity, classes) as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    return value if value is None or isinstance(value, (bool, int, str)) else repr(value)
