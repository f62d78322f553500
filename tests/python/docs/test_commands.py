"""Every command that the pages name is there, and so is each of its flags.

Commands stand in ``sh`` and ``console`` blocks, and in inline code. Those of ``console`` blocks are run as well
(tests/python/sdk/test_docs_console.py).
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unittest import mock

import pytest

from fastvec.cli.main import COMMANDS, main
from fastvec.train.algorithms import ALGORITHMS
from support import snippets
from support.snippets import ROOT

PAGES = [
    *snippets.PAGES,
    *sorted(page for folder in ("benchmarks", "cpp", "examples", "python") for page in (ROOT / folder).rglob("*.md")),
]

# Programs of others, whose flags are theirs to say.
OTHERS = {".", "apt-get", "bash", "c++", "clang-tidy", "cmake", "ctest", "git", "head", "lint-imports", "mkdocs"}
OTHERS |= {"mkdir", "mypy", "pip", "pre-commit", "ruff", "tail", "torchrun", "xargs"}
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


@cache
def flags_of(command: str) -> set[str]:
    """The flags of ``fastvec COMMAND``, as its ``--help`` has them."""
    calls = [[command, "--help"]]
    if command == "train":
        calls = [["train", "--algo", algorithm, "--help"] for algorithm in ALGORITHMS]
    text = io.StringIO()
    with mock.patch.dict(os.environ, COLUMNS="200"), contextlib.redirect_stdout(text):
        for call in calls:
            with contextlib.suppress(SystemExit):
                main(call)
    return {*FLAG.findall(text.getvalue()), "--help"}


@cache
def extras() -> set[str]:
    table = (ROOT / "pyproject.toml").read_text().partition("[project.optional-dependencies]\n")[2].partition("\n[")[0]
    return set(re.findall(r"^([a-z0-9-]+) = \[", table, re.MULTILINE))


@cache
def flags_in_scripts() -> set[str]:
    """What the benchmarks take as flags, and what fastvec passes to other tools, as these stand in their sources."""
    files = [*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "tools").rglob("*.py")]
    files += (ROOT / "python" / "fastvec" / "gpu_kernels").glob("*.py")
    return {flag for file in files for flag in re.findall(r'"(--[a-z][a-z0-9-]*)[="]', file.read_text())}


def simple_commands(line: str) -> Iterator[list[str]]:
    """The words of each command of a line of shell, without the variables that are set for it."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word.strip("|&;"):
            words.append(word)
            continue
        while words and re.match(r"[A-Z_]+=", words[0]):
            words = words[1:]
        if words:
            yield words
        words = []


def lines_of(page: Path) -> Iterator[str]:
    """Each line of a page's blocks of commands."""
    for language, block in re.findall(r"^ *```(sh|console)\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if language == "sh":
                yield line.strip()
            elif line.strip().startswith("$ "):
                yield line.strip()[2:]


def inline_code(page: Path) -> Iterator[str]:
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for paragraph in text.split("\n\n"):
        for _, code in re.findall(r"(`+)(.+?)\1", paragraph, re.DOTALL):
            yield " ".join(code.replace("\\|", "|").split())


def fault_of(words: list[str]) -> str | None:
    """What of a command is not there."""
    name, *rest = words
    if name == "export":
        return None
    if name == "fastvec":
        return fault_of_fastvec(rest)
    if name in ("python", "python3"):
        return fault_of_python(rest)
    if name == "pytest":
        return next((f"no {word}" for word in rest if "/" in word and not (ROOT / word).exists()), None)
    if name not in OTHERS:
        return f"who is {name}?"
    if name == "pip":
        wanted = {extra for word in rest for extra in re.findall(r"^(?:fastvec|\.)\[(.*)\]$", word)}
        missing = {one for extra in wanted for one in extra.split(",")} - extras()
        return f"no extra {missing}" if missing else None
    return fault_of(rest[rest.index("-m") + 1 :]) if "-m" in rest and "fastvec" in rest else None


def fault_of_fastvec(words: list[str]) -> str | None:
    if not words or words[0].startswith("-"):
        return None
    if words[0] not in COMMANDS:
        return f"no command {words[0]}"
    unknown = {flag for word in words for flag in FLAG.findall(word)} - flags_of(words[0])
    return f"fastvec {words[0]} has no {unknown}" if unknown else None


def fault_of_python(words: list[str]) -> str | None:
    if words[:2] == ["-m", "fastvec"]:
        return fault_of_fastvec(words[2:])
    if not words or not words[0].endswith(".py"):
        return None
    if not (ROOT / words[0]).exists():
        return f"no {words[0]}"
    unknown = {flag for word in words for flag in FLAG.findall(word)} - flags_in_scripts()
    return f"{words[0]} has no {unknown}" if unknown else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_blocks_and_their_flags_are_there(page: Path):
    faults = {line: fault for line in lines_of(page) for words in simple_commands(line) if (fault := fault_of(words))}
    assert faults == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_flags_in_sentences_are_there(page: Path):
    known = {flag for command in COMMANDS for flag in flags_of(command)} | flags_in_scripts()
    faults = {}
    for code in inline_code(page):
        if code.split()[0] in ("fastvec", "python", "pip", "pytest"):
            faults[code] = [fault for words in simple_commands(code) if (fault := fault_of(words))]
        elif code.startswith("--") and (unknown := set(FLAG.findall(code)) - known):
            faults[code] = [f"no {unknown}"]
    assert {code: found for code, found in faults.items() if found} == {}


@pytest.mark.parametrize(
    "line",
    [
        "fastvec dance",
        "fastvec train CartPole-v1 --total-time-steps 5",
        "FASTVEC_CACHE_DIR=x fastvec eval RUN --films  # so",
        'pip install "fastvec[everything]" && fastvec list',
        "torchrun --nproc-per-node=2 -m fastvec train --alogrithm ppo",
        "python benchmarks/bench_nothing.py",
        "python benchmarks/bench_process.py --idle",
        "pytest tests/nowhere",
        "fastvec list | most",
    ],
)
def test_command_that_is_not_there_is_found(line):
    assert [fault for words in simple_commands(line) if (fault := fault_of(words))]


def test_flags_of_the_others_are_left_to_them():
    line = "pip install --no-deps '.[train]' && cmake --preset dev && fastvec train X --algo sac --buffer-size 9"
    assert [fault_of(words) for words in simple_commands(line)] == [None, None, None]
