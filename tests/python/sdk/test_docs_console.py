"""Every console block of the docs, run: what stands below a command is what it prints, but for what is measured."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.compiling import compile_library
from support.printed import ANY, assert_printed
from support.snippets import PAGES, QUICK, ROOT

TAKES_PLUGINS = {"bench", "check", "train"}

# What docs/write_your_env.md says in words between its blocks, by the number of the block that it stands before.
TIRED = [
    ("std::span<float, 4>;", "std::span<float, 5>;"),
    ("{4}),", "{5}),"),
    ("goal_x_, goal_y_;", "goal_x_, goal_y_;\n  double energy_ = 1.0;"),
    ("    return {.reward", "    energy_ -= 0.02;\n    return {.reward"),
    (".terminated = arrived}", ".terminated = arrived || energy_ <= 0.0}"),
    ("(goal_y_ - y_) * scale;", "(goal_y_ - y_) * scale;\n    observation[4] = static_cast<float>(energy_);"),
]
REFILLED = [("    x_ = y_ = 0;", "    x_ = y_ = 0;\n    energy_ = 1.0;")]
EDITS = {2: TIRED, 3: REFILLED}


def blocks(page: Path) -> list[str]:
    return re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)


def commands(block: str) -> list[tuple[str, list[str]]]:
    """``(command, lines below it)`` of each."""
    assert block.startswith("$ ")
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(part.splitlines()[0], part.splitlines()[1:]) for part in parts]


def without_speed(text: str) -> str:
    return re.sub(r"[\d,]+(?= env steps per second)", "some", text)


class Shell:
    """Runs the commands of one page in a folder of its own. ``pip install`` compiles the env that is there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.libraries: list[Path] = []

    def run(self, line: str) -> str | None:
        """What it printed; None for another tool's words."""
        line, _, pipe = line.partition(" | ")
        words = shlex.split(line)
        if words[0] == "pip":
            package = self.folder / words[-1]
            if package.is_dir():
                library = self.folder / f"{package.name}{len(self.libraries)}.so"
                self.libraries.append(compile_library(package / "cpp" / f"{package.name}.cpp", library))
            return None
        assert words[0] == "fastvec"
        words += QUICK.get(words[1], [])
        if words[1] in TAKES_PLUGINS and self.libraries:
            words += ["--plugin", str(self.libraries[-1])]
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.folder,
            env={**os.environ, "MPLBACKEND": "Agg"},
            capture_output=True,
            text=True,
        )
        assert done.returncode in (0, 1), done.stderr
        if pipe:
            assert pipe == "tail -1"
            return done.stdout.splitlines()[-1] + "\n"
        return done.stdout


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: str(page.relative_to(ROOT)))
def test_console_blocks_show_what_is_printed(page: Path, tmp_path: Path):
    shell = Shell(tmp_path)
    for number, block in enumerate(blocks(page)):
        for old, new in EDITS.get(number, []) if page.name == "write_your_env.md" else []:
            source = tmp_path / "demo" / "cpp" / "demo.cpp"
            assert old in source.read_text()
            source.write_text(source.read_text().replace(old, new, 1))
            if (old, new) in (TIRED[-1], REFILLED[-1]):
                shell.run("pip install ./demo")
        for line, documented in commands(block):
            printed = shell.run(line)
            if printed is not None:
                is_measured = line.split()[1] in QUICK
                documented = [without_speed(line) for line in documented]
                assert_printed(documented, without_speed(printed), ANY if is_measured else None)
