"""Runs the blocks of a page, in order: Python in one namespace, commands by bash: ``python -m support.snippets PAGE``.

In a process of its own (:func:`run_page`), since what pages import changes processes: torchrl the way in which worker
processes start, JAX whether they may be forked.

- A ``text`` block right below a block is what that prints (:mod:`support.printed` says how exactly), and a block that
  prints has one. ``<!-- numbers within 30 % -->`` between the two lets all numbers be off by so much, and
  ``<!-- numbers vary -->`` lets them be any.
- ``>>>`` makes a block a doctest.
- ``<!-- invisible-code: python`` ... ``-->``, or ``sh``, is a block that readers do not see.
- ``<!-- skip: next "why" -->`` leaves out the next block.

Comments in the last two forms are Sybil's, which parses the page and runs the blocks. Commands have to succeed. In them
``fastvec`` trains and measures briefly, what installs or tests does nothing (`.ci/run` does both, in earnest), and
``<time>`` stands for any.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import traceback
import types
import warnings
from dataclasses import dataclass
from pathlib import Path
from unittest import SkipTest

from sybil import Document, Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from support.printed import ANY, assert_printed

ROOT = Path(__file__).parents[3]
# What makes a command quick: its output differs in nothing but numbers.
QUICK = {
    "bench": ["--seconds", "0.01", "--rounds", "1"],
    "train": ["--total-timesteps", "20000", "--no-compile"],
}
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

_DOCTESTS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
_BETWEEN = re.compile(r"\s*(?:<!-- numbers (?:within (?P<percent>\d+) %|(?P<vary>vary)) -->)?\s*")


@dataclass(frozen=True)
class Skip:
    """A block that is not run.

    Attributes:
        page: the page.
        line: of the comment above the block.
        reason: None where the page gives none.
    """

    page: Path
    line: int
    reason: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def has_code(page: Path) -> bool:
    """Whether there is anything to run."""
    return re.search(r"^ *```(python|sh)$", page.read_text(), re.MULTILINE) is not None


def needs_jax(page: Path) -> bool:
    """Whether its blocks import JAX; `tests/jax` runs those."""
    return re.search(r"^ *import jax$", page.read_text(), re.MULTILINE) is not None


def skips(page: Path) -> list[Skip]:
    """The blocks of a page that are not run."""
    document = Document.parse(str(page), SkipParser())
    reasons = [(example.line, example.parsed[1]) for example in document]
    return [Skip(page, line, None if reason is None else reason.strip("\"'")) for line, reason in reasons]


def modules_with_doctests() -> list[str]:
    """The modules of fastvec whose docstrings have lines that begin with ``>>>``."""
    package = ROOT / "python" / "fastvec"
    files = [path for path in sorted(package.rglob("*.py")) if "templates" not in path.parts]
    found = [path for path in files if re.search(r"^ *>>> ", path.read_text(), re.MULTILINE)]
    names = [".".join(path.relative_to(package.parent).with_suffix("").parts) for path in found]
    return [name.removesuffix(".__init__") for name in names]


def assert_doctests_hold(module: str) -> None:
    """Fail where a docstring of the module says something else than happens, or nothing was tried."""
    result = doctest.testmod(importlib.import_module(module), optionflags=_DOCTESTS)
    assert result.failed == 0
    assert result.attempted > 0


def run_page(page: Path, folder: Path) -> str:
    """Run a page's blocks in ``folder``, in a process of its own, and fail if one fails. Returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "support.snippets", str(page)],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'tests' / 'python'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            "MPLBACKEND": "Agg",
            "SDL_VIDEODRIVER": "dummy",
            "OMP_WAIT_POLICY": "passive",  # PyTorch's threads leave the cores to others that work
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


class Blocks:
    """The blocks of one page, in order.

    Attributes:
        names: the namespace in which they run.
    """

    def __init__(self, page: Path) -> None:
        main = types.ModuleType("__main__")
        self.names = main.__dict__
        self._main = main
        self._python = PythonEvaluator()
        # What the newest block printed that the page has not shown so far, and where the block ends.
        self._printed: tuple[Example, str] | None = None
        commands = CodeBlockParser("sh", self._run_commands)
        parsers = [_PythonBlocks(self), commands, CodeBlockParser("text", self._compare), SkipParser()]
        self._document = Sybil(parsers).parse(page)
        self._document.namespace = self.names

    def run(self) -> None:
        """Run them all.

        Raises:
            AssertionError: a block prints something else than the page shows, or the page does not show it. What a
                block raises.
        """
        before = sys.modules["__main__"]
        sys.modules["__main__"] = self._main  # where worker processes look for what a block defines
        try:
            for example in self._document:
                try:
                    example.evaluate()
                except SkipTest as skipped:
                    print(f"{example.path}:{example.line} is left out: {skipped}")
            self._assert_all_is_shown()
        finally:
            sys.modules["__main__"] = before

    def evaluate(self, example: Example) -> None:
        """Run one block, and keep what it prints."""
        self._assert_all_is_shown()
        out = io.StringIO()
        with contextlib.redirect_stdout(out), warnings.catch_warnings():
            warnings.filterwarnings("error", module="__main__")  # a reader would see it, and wonder
            self._python(example)
        self._printed = (example, out.getvalue())

    def _run_commands(self, example: Example) -> None:
        with tempfile.TemporaryDirectory() as folder:
            _write_stand_ins(Path(folder))
            path = os.pathsep.join([folder, sysconfig.get_path("scripts"), os.environ["PATH"]])
            home = Path("home").absolute()  # what a command leaves there is nobody's; caches are used as ever
            home.mkdir(exist_ok=True)
            caches = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", example.parsed.replace("<time>", "*")],
                env={**os.environ, "PATH": path, "HOME": str(home), "XDG_CACHE_HOME": caches},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        assert done.returncode == 0, f"line {example.line}:\n{example.parsed}\n{done.stdout}"

    def _compare(self, example: Example) -> None:
        if self._printed is None:  # below a block that was left out
            return
        block, printed = self._printed
        between = _BETWEEN.fullmatch(example.document.text[block.end : example.start])
        if between is None:  # text that stands for itself
            return
        within = ANY if between["vary"] else None if between["percent"] is None else int(between["percent"]) / 100
        self._printed = None
        assert_printed(example.parsed.splitlines(), printed, within)

    def _assert_all_is_shown(self) -> None:
        if self._printed is not None:
            block, printed = self._printed
            assert not printed.strip(), f"the page does not show what line {block.line} prints:\n{printed}"


class _PythonBlocks(PythonCodeBlockParser):
    def __init__(self, blocks: Blocks) -> None:
        super().__init__(doctest_optionflags=_DOCTESTS)
        self.codeblock_parser = CodeBlockParser("python", blocks.evaluate)


def _write_stand_ins(folder: Path) -> None:
    """Programs of these names, to be found first; what they would keep elsewhere stays in the folder of the page."""
    scripts = dict.fromkeys(("pip", "pre-commit", "pytest"), "exit 0")
    cases = [f'{command}) set -- "$@" {" ".join(flags)} ;;' for command, flags in QUICK.items()]
    scripts["fastvec"] = "\n".join(
        [
            '[ -z "$FASTVEC_CACHE_DIR" ] || export FASTVEC_CACHE_DIR="$PWD/$FASTVEC_CACHE_DIR"',
            f'case "$1" in {" ".join(cases)} esac',
            f'exec "{sys.executable}" -m fastvec "$@"',
        ]
    )
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)


def main(page: str) -> int:
    """Run a page's blocks here; 1 where one fails."""
    try:
        Blocks(Path(page)).run()
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
