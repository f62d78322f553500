"""What the commands show in a narrow window, without colours, in a file and in a notebook."""

from __future__ import annotations

import re
import signal
import sys

import pytest

from fastvec.terminal import fit
from support.terminals import FASTVEC, run_in_pipe, run_in_window, screen, window

ESCAPE = b"\x1b"
STYLE = re.compile(rb"\x1b\[[0-9;:]*m")
SHORT_RUN = (
    "CartPole-v1",
    "--total-timesteps",
    "512",
    "--num-envs",
    "4",
    "--num-steps",
    "64",
    "--num-minibatches",
    "4",
)
TRAIN = (*FASTVEC, "train", *SHORT_RUN, "--no-compile", "--eval-episodes", "2")
QUICK_BENCH = ("bench", "CartPole-v1", "--num-envs", "1,64", "--seconds", "0.01", "--rounds", "1")


def shows_at(columns, written):
    """The lines of a window, after a look at whether the window itself had to break one."""
    shown = screen(written, columns)
    assert shown == screen(written, 300), "a line is wider than the window"
    return shown


@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["list", "FrozenLake-v1"],
        ["list", "Ant-v5"],
        ["list", "CartPole-v0815"],
        ["check", "CartPole-v1", "--no-throughput", "--num-steps", "20", "--checks", "seeding", "waiting"],
        ["doctor"],
        ["eval", "no/such/run"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_narrow_window_breaks_lines_between_words_and_loses_none(words):
    command = [*FASTVEC, *words]
    written = run_in_window(command)
    assert " ".join(shows_at(60, written)).split() == run_in_pipe(command).split()
    assert ESCAPE not in written


@pytest.mark.parametrize("command", ["list", "new", "check", "doctor", "bench", "train", "eval", "plot", "export"])
def test_help_fits_a_narrow_window(command):
    written = run_in_window([*FASTVEC, command, "--help"], NO_COLOR="1")
    assert any("--help" in line for line in shows_at(60, written))
    assert ESCAPE not in written


def test_bench_fits_a_narrow_window():
    shown = shows_at(60, run_in_window([*FASTVEC, *QUICK_BENCH, "--against", "gymnasium"]))
    assert "CartPole-v1, 64 envs" in shown
    row = next(line for line in shown if line.startswith("  gymnasium sync"))
    assert re.fullmatch(r"  gymnasium sync +\d[\d.]*[kM]? +\(\d+(\.\d+)?x\)", row)


def test_a_wide_window_and_a_file_have_the_peers_beside_each_other():
    wide = shows_at(200, run_in_window([*FASTVEC, *QUICK_BENCH, "--against", "gymnasium"], columns=200))
    piped = run_in_pipe([*FASTVEC, *QUICK_BENCH, "--against", "gymnasium"]).splitlines()
    for lines in (wide, piped):
        assert any(re.fullmatch(r"env +num_envs +fastvec +gymnasium sync.*", line) for line in lines)


def test_training_fits_a_narrow_window(tmp_path):
    written = run_in_window([*TRAIN, "--run-dir", "run"], folder=tmp_path)
    shown = shows_at(60, written)
    text = " ".join(shown)
    assert STYLE.search(written)
    assert "step 512 of 512 (100%)" in re.sub(" +", " ", text)
    assert "run directory run" in re.sub(r"\s+", " ", text)
    assert any(line.startswith("CartPole-v1 by PPO on cpu") for line in shown), "what is said first stays"


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"JPY_PARENT_PID": "1"}], ids=str)
def test_training_without_colours_is_plain_text(environment, tmp_path):
    written = run_in_window([*TRAIN, "--run-dir", "run"], folder=tmp_path, **environment)
    shown = shows_at(60, written)
    if "NO_COLOR" in environment:
        assert not STYLE.search(written)
        assert any(line.startswith("step ") and line.endswith("(100%)") for line in shown)
    else:
        assert ESCAPE not in written
        assert any(line.startswith("step 512/512") for line in shown)
    assert any(line.startswith("mean return ") for line in shown)


def test_a_log_file_has_whole_lines_of_plain_text(tmp_path):
    printed = run_in_pipe([*TRAIN, "--run-dir", "a-rather-long-name/of-a-run/directory"], folder=tmp_path)
    assert "\x1b" not in printed
    assert "\r" not in printed
    assert re.search(
        r"^CartPole-v1 by PPO on cpu, run directory a-rather-long-name/of-a-run/directory$", printed, re.MULTILINE
    )
    assert re.search(r"^step 512/512 +return .* update \d+%$", printed, re.MULTILINE)


def test_ctrl_c_is_answered_in_a_narrow_window(tmp_path):
    words = ["CartPole-v1", "--total-timesteps", "100000000", "--num-steps", "512", "--num-envs", "64"]
    command = [*FASTVEC, "train", *words, "--no-compile", "--run-dir", "run"]
    with window(command, folder=tmp_path) as shown:
        shown.read(until=b"training (")
        shown.process.send_signal(signal.SIGINT)
        shown.read()
        assert shown.process.wait(60) == 130
    lines = shows_at(60, shown.written)
    assert "stopped: interrupted" in lines
    assert "saving" in shown.written.decode()


def test_a_notebook_gets_lines_of_plain_text(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    from nbclient import NotebookClient

    settings = "total_timesteps=512, num_envs=4, num_steps=64, num_minibatches=4, compile=False"
    cells = [
        f"from fastvec.train import PPO\nPPO('CartPole-v1', {settings}).learn(progress=True)",
        f"!{sys.executable} {' '.join(TRAIN[1:])} --run-dir {tmp_path / 'run'}",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    for cell in notebook.cells:
        text = "".join(output.text for output in cell.outputs if output.output_type == "stream")
        assert "step 512/512" in text
        assert "\x1b" not in text


@pytest.mark.parametrize(
    ("head", "text", "expected"),
    [
        ("  name", "short", ["  name  short"]),
        ("  name", "forty columns of text, or nearly so many, and more", [
            "  name  forty columns of text, or nearly so", "        many, and more",
        ]),
        ("  a-name-of-many-letters", "a text below it, not beside", [
            "  a-name-of-many-letters", "      a text below it, not beside",
        ]),
        ("one two three four five six seven eight nine ten", "", [
            "one two three four five six seven eight nine", "  ten",
        ]),
        ("  x", 'there is no box2d here: pip install "fastvec[box2d]"', [
            "  x  there is no box2d here:", '     pip install "fastvec[box2d]"',
        ]),
        ("x", "semi-implicit-euler-or-explicit-euler-or-neither", [
            "x", "    semi-implicit-euler-or-explicit-euler-or-neither",
        ]),
    ],
)  # fmt: skip
def test_lines_are_broken_between_words(head, text, expected):
    assert fit(head, text, 46).splitlines() == expected
    assert fit(head, text, None) == (f"{head}  {text}" if text else head)
