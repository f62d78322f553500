"""Results as JSON and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

GOAL = 5_000_000.0
GOAL_TIMES_SB3 = 10.0


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.replace(path)


def as_json(results: dict[str, Any]) -> str:
    """Everything."""
    return json.dumps(results, indent=2) + "\n"


def as_markdown(results: dict[str, Any]) -> str:
    """What a reader wants to know: the machine, the tables, and what went wrong."""
    rows = results["rows"]
    parts = [
        "# Training on a GPU",
        *(["**A dry run: rollouts of some dozens of steps. Its figures mean nothing.**"] if results["small"] else []),
        "\n".join(_machine(results["machine"])),
        _tests(results["tests"]),
        _training([row for row in rows if row["kind"] == "train" and row["result"]]),
        _soft([row for row in rows if row["kind"] == "sac" and row["result"]]),
        _peer(rows),
        _published([row for row in rows if row["published"] and row["result"]]),
        _problems(rows),
        *results["notes"],
        f"The whole command took {results['seconds']:.0f} s of {results['budget_seconds']:.0f} s.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _machine(machine: dict[str, Any] | None) -> list[str]:
    if machine is None:
        return ["The machine could not be described: see what failed."]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        f"- {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']:.0f} GiB; {machine['system']}"
    ]
    gpu = machine["gpu"]
    if gpu is not None:
        lines.append(
            f"- {gpu['name']}, {gpu['memory_mib'] / 1024:.0f} GiB, driver {gpu['driver'] or 'unknown'}, "
            f"CUDA {gpu['cuda']}, compute capability {gpu['compute_capability']}"
        )
    return [*lines, f"- Python {machine['python']}, {versions}"]


def _tests(tests: dict[str, Any] | None) -> str:
    if tests is None:
        return ""
    if tests["status"] == "not run":
        return f"`pytest tests/gpu -m gpu`: not run, {tests['reason']}."
    counts = ", ".join(f"{number} {name}" for name, number in sorted(tests["counts"].items())) or "no test ended"
    lines = [f"`pytest tests/gpu -m gpu`: {tests['status']} after {tests['seconds']:.0f} s; {counts}."]
    return "\n".join([*lines, *(f"- {name}" for name in tests["not_passed"])])


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are numbers, and flush right."""
    rule = ["---", *(["---:"] * (len(header) - 1))]
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *lines))


def _number(value: float | None, form: str = ",.0f") -> str:
    return "" if value is None else format(value, form)


def _name(row: dict[str, Any]) -> str:
    """The row's name, and that it was not compiled where it was to be."""
    uncompiled = row["mode"] == "compiled" and not row["result"]["compiled"]
    return row["name"] + (" (NOT compiled)" if uncompiled else "")


def _training(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    header = ("row", "envs x steps", "minibatch", "steps/s", "env", "inference", "update", "transfer", "device busy")
    lines = []
    for row in rows:
        settings, result = row["settings"], row["result"]
        size = settings["num_envs"] * settings["num_steps"]
        shares = result["shares"]
        memory = result.get("gpu_peak_mib", {}).get("reserved")
        lines.append(
            (
                _name(row),
                f"{settings['num_envs']:,} x {settings['num_steps']}",
                f"{size // settings['num_minibatches']:,}",
                _number(result["steps_per_second"]),
                *(
                    _number(shares.get(name), ".0%")
                    for name in ("env", "inference", "update", "transfer", "device_busy")
                ),
                _number(result["warm_up_seconds"], ".1f"),
                _number(memory),
                _number(result["mean_return"], ".1f"),
            )
        )
    words = (
        "Environment steps per second are medians over iterations after the warm-up. env, inference and update are the "
        "host's shares of an iteration; waiting for the device counts as inference or update. transfer (copies between "
        "host and device) and device busy (kernels) are the profiler's, as shares of the same time: they overlap with "
        "the first three, and with each other. The last columns are seconds of warm-up (making everything, compiling, "
        "capturing and three iterations), reserved GPU memory at its peak in MiB, and the mean return of the last 100 "
        "training episodes.\n\n"
    )
    return "## Training\n\n" + words + _table((*header, "warm-up s", "GPU MiB", "return"), lines)


def _soft(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    header = ("row", "envs", "batch", "gradient steps/s", "steps/s", "env", "inference", "update", "warm-up s")
    lines = []
    for row in rows:
        settings, result = row["settings"], row["result"]
        lines.append(
            (
                _name(row),
                f"{settings['num_envs']:,}",
                f"{settings.get('batch_size', 256):,}",
                _number(result["updates_per_second"]),
                _number(result["steps_per_second"]),
                *(_number(result["shares"][name], ".0%") for name in ("env", "inference", "update")),
                _number(result["warm_up_seconds"], ".1f"),
            )
        )
    words = "HalfCheetah-v5, networks of 256-256. The columns are as in the table above.\n\n"
    return "## SAC\n\n" + words + _table(header, lines)


def _best(rows: list[dict[str, Any]], prefix: str) -> dict[str, Any] | None:
    found = [row for row in rows if row["name"].startswith(prefix) and row["result"]]
    return max(found, key=lambda row: row["result"]["steps_per_second"], default=None)


def _peer(rows: list[dict[str, Any]]) -> str:
    """This trainer beside Stable-Baselines3, and what was aimed at."""
    lines = []
    ours, theirs, largest = _best(rows, "same-"), _best(rows, "sb3-"), _best(rows, "cartpole-")
    if ours and theirs:
        ratio = ours["result"]["steps_per_second"] / theirs["result"]["steps_per_second"]
        header = ("CartPole-v1, 64 envs x 32 steps, minibatch 256, 4 epochs, two 64-64 networks", "steps/s")
        both = [row for row in rows if row["name"].startswith(("same-", "sb3-")) and row["result"]]
        lines += [_table(header, ((row["name"], _number(row["result"]["steps_per_second"])) for row in both)), ""]
        lines += [
            f"The faster of each: {ours['name']} is {ratio:.1f} times {theirs['name']} (goal: {GOAL_TIMES_SB3:g}).",
            "",
        ]
    if largest:
        speed = largest["result"]["steps_per_second"]
        lines += [f"The fastest CartPole row is {largest['name']} with {speed:,.0f} steps/s (goal: {GOAL:,.0f})."]
    return "\n".join(["## Beside Stable-Baselines3 on this machine, and the goals", "", *lines]) if lines else ""


def _published(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    lines = [
        (
            row["name"],
            _number(row["result"]["steps_per_second"]),
            _number(row["published"][1]),
            f"{row['result']['steps_per_second'] / row['published'][1]:.1f}",
            row["published"][0],
        )
        for row in rows
    ]
    words = (
        "With their scripts' hyper-parameters. Their figures are **published, other machine**; they compare little but "
        "orders of magnitude."
    )
    return f"## Beside published figures\n\n{words}\n\n" + _table(
        ("row", "steps/s", "published", "ratio", "whose"), lines
    )


def _problems(rows: list[dict[str, Any]]) -> str:
    """Rows without a whole result, and warnings."""
    lines = [f"- {row['name']}: {row['status']}{_because(row)}" for row in rows if row["status"] != "ok"]
    lines += [f"- {row['name']} warned: {text}" for row in rows for text in (row["result"] or {}).get("warnings", ())]
    return "\n".join(["## Not run, failed, or with a warning", "", *lines]) if lines else ""


def _because(row: dict[str, Any]) -> str:
    """The reason, and the last line that it said."""
    reason = f", {row['reason']}" if row["reason"] else ""
    return reason + (f", `{row['last_lines'][-1].strip()}`" if row["last_lines"] else "")
