"""benchmarks/gpu.py, as far as it can be tried without a GPU: nothing is to fail for a trifle where there is one."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import gpu
from fastvec.train.config import PPOConfig, SACConfig
from gpu_suite import measure, prepare, report, rows
from gpu_suite.children import Child, Outcome


def child(code: str, folder: Path) -> Child:
    command = [sys.executable, "-X", "faulthandler", "-c", code]
    return Child(command, name="child", folder=folder, env=os.environ)


def suite(folder: Path, *arguments: str) -> gpu.Suite:
    made = gpu.Suite(gpu.parse(list(arguments)), folder)
    made.results["machine"] = {"versions": {}}
    return made


def test_dry_run_measures_and_reports(tmp_path):
    output, markdown = tmp_path / "out" / "gpu.json", tmp_path / "out" / "gpu.md"
    rows = ["cartpole-1024-captured", "sac-256-captured"]
    options = ["--device", "cpu", "--small", "--no-build", "--rows", *rows, "--seconds", "0.01"]
    command = [sys.executable, gpu.__file__, *options, "--output", str(output), "--markdown", str(markdown)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    results = json.loads(output.read_text())
    measured = {row["name"]: row for row in results["rows"]}
    assert set(measured) == set(rows)
    for row in measured.values():
        assert row["status"] == "ok"
        assert row["result"]["iterations"] >= measure.LEAST
        assert row["result"]["steps_per_second"] > 0
        shares = row["result"]["shares"]
        assert set(shares) == {"env", "inference", "update"}
        assert 0.5 < sum(shares.values()) <= 1.0
    soft = measured["sac-256-captured"]["result"]
    assert soft["updates_per_second"] == pytest.approx(soft["steps_per_second"] / 16)
    assert results["tests"] == {"status": "not run", "reason": "the device is cpu"}
    assert results["machine"]["versions"]["fastvec"]
    assert "| cartpole-1024-captured | 8 x 16 |" in markdown.read_text()
    assert "| sac-256-captured | 8 | 16 |" in markdown.read_text()
    assert markdown.read_text() in ended.stdout


@pytest.mark.parametrize("row", rows.ROWS, ids=lambda row: row.name)
def test_settings_of_each_row_are_valid(row):
    for each in (row, rows.small(row)):
        config = SACConfig if row.kind == "sac" else PPOConfig
        config(**each.settings, **rows.MODES[each.mode], eval_episodes=0, device="cuda")
    json.dumps(row.settings)


def test_names_of_rows_are_unique_and_known():
    names = [row.name for row in rows.ROWS]
    assert len(set(names)) == len(names)
    assert set(rows.SMALL) <= set(names)
    assert [row.name for row in gpu.select(["same-*", "sb3-cpu"], is_small=False)] == [
        name for name in names if name.startswith("same-") or name == "sb3-cpu"
    ]


def test_process_that_hangs_is_ended_with_its_children_and_says_where(tmp_path):
    code = """
import subprocess, sys, threading
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("RESULT", '{"pid": %d}' % other.pid, flush=True)
def stuck():
    threading.Event().wait()
stuck()
"""
    hanging = child(code, tmp_path)
    while "RESULT" not in hanging.files[0].read_text():
        assert hanging.process.poll() is None
    outcome = hanging.finish(0.0)
    assert outcome.timed_out
    assert not outcome.ok
    assert "in stuck" in outcome.stderr
    assert outcome.result is not None  # what it had said before is kept
    give_up = time.monotonic() + 60.0
    while is_running(outcome.result["pid"]):  # it has been killed, and is going
        assert time.monotonic() < give_up


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_process_that_fails_keeps_its_last_words_and_last_whole_result(tmp_path):
    code = "print('RESULT {\"a\": 1}'); print('RESULT {\"a\": 2}'); print('RESULT {\"a'); raise SystemExit('no device')"
    outcome = child(code, tmp_path).finish(60.0)
    assert (outcome.ok, outcome.timed_out, outcome.returncode) == (False, False, 1)
    assert outcome.result == {"a": 2}
    assert outcome.tail() == ["no device"]


def test_rows_that_do_not_fit_or_lack_a_package_are_listed_as_not_run(tmp_path):
    late = suite(tmp_path, "--budget", "0", "--output", str(tmp_path / "gpu.json"))
    late.measure(list(gpu.select(["cartpole-1024-eager", "halfcheetah-64-captured"], is_small=False)))
    found = {
        row["name"]: (row["status"], row["reason"]) for row in json.loads((tmp_path / "gpu.json").read_text())["rows"]
    }
    assert found == {
        "cartpole-1024-eager": ("not run", "0 s were left"),
        "halfcheetah-64-captured": ("not run", "mujoco not installed"),
    }


def test_row_that_fails_costs_no_other(tmp_path, monkeypatch):
    codes = {
        "same-captured": "raise SystemExit('broken')",
        "same-eager": "input(); print('RESULT {\"steps_per_second\": 7.0}')",
        "same-compiled": "input()",
    }
    three = suite(tmp_path)
    monkeypatch.setattr(three, "child", lambda row: child(codes[row.name], tmp_path))
    three.measure(list(gpu.select(["same-captured", "same-compiled", "same-eager"], is_small=False)))
    found = {row["name"]: (row["status"], row["last_lines"], row["result"]) for row in three.results["rows"]}
    assert found["same-captured"] == ("failed", ["broken"], None)
    assert found["same-compiled"][0] == "failed"  # it ended well, but without a result
    assert found["same-eager"] == ("ok", None, {"steps_per_second": 7.0})


def test_report_of_what_went_wrong_names_it(tmp_path):
    broken = suite(tmp_path, "--device", "cuda")
    broken.results["machine"] = None
    broken.results["tests"] = {
        **{"status": "timed out", "counts": {"passed": 3, "failed": 1}, "not_passed": ["tests/gpu/test_a.py::test_b"]},
        **{"seconds": 150.0, "last_lines": []},
    }
    cut = {"steps_per_second": 2000.0, "shares": {"env": 0.5}, "warm_up_seconds": 1.0, "mean_return": None}
    words = ["Traceback", "RuntimeError: out of memory"]
    whole = {**cut, "compiled": False, "warnings": ["UserWarning: old PyTorch"], "gpu_peak_mib": {"reserved": 512.0}}
    for name, outcome in (
        ("same-captured", Outcome(1, False, 9.0, "", "\n".join(words))),
        ("leanrl-continuous-compiled", Outcome(-11, False, 9.0, "RESULT " + json.dumps(whole), "Segmentation fault")),
    ):
        (row,) = gpu.select([name], is_small=False)
        broken.note(row, "failed", outcome)
    text = report.as_markdown(broken.results)
    assert "timed out after 150 s; 1 failed, 3 passed." in text
    assert "- tests/gpu/test_a.py::test_b" in text
    assert "- same-captured: failed, `RuntimeError: out of memory`" in text
    assert "| leanrl-continuous-compiled (NOT compiled) | 1 x 2048 | 64 | 2,000 | 50% |" in text
    assert "| leanrl-continuous-compiled | 2,000 | 1,774 | 1.1 |" in text
    assert "published, other machine" in text
    assert "- leanrl-continuous-compiled warned: UserWarning: old PyTorch" in text


def test_profile_tells_copies_from_kernels_and_counts_calls():
    from torch.autograd import DeviceType

    def event(key: str, count: int, microseconds: float, device: Any = DeviceType.CUDA) -> Any:
        return SimpleNamespace(key=key, count=count, self_device_time_total=microseconds, device_type=device)

    events = [
        event("Memcpy HtoD (Pinned -> Device)", 64, 300.0),
        event("Memcpy DtoH (Device -> Pinned)", 64, 100.0),
        event("Memcpy DtoD (Device -> Device)", 9, 5000.0),
        event("Memset (Device)", 9, 5000.0),
        event("ampere_sgemm_64x64", 10, 2000.0),
        event("cudaGraphLaunch", 130, 0.0, DeviceType.CPU),
        event("aten::mm", 130, 2000.0, DeviceType.CPU),
    ]
    seen = measure.summarize(events, 2)
    assert seen["copy_seconds"] == pytest.approx(200e-6)
    assert seen["kernel_seconds"] == pytest.approx(1000e-6)
    assert seen["host_calls"] == {"cudaGraphLaunch": 65.0}
    with pytest.raises(RuntimeError, match="no kernel"):
        measure.summarize(events[:2], 2)


@pytest.mark.parametrize("profiler", ["works", "fails"])
def test_row_on_cuda_tells_its_speed_before_it_is_profiled(profiler, monkeypatch, capsys):
    import torch

    import fastvec.train

    class Trainer:
        """Stands in for the trainer; a stand-in for the profiler looks at it."""

        device = torch.device("cpu")

        def __init__(self, *_: Any, **__: Any) -> None:
            self.groups = [None, None]

        def iterate(self) -> Any:
            times = dict.fromkeys(("env_seconds", "inference_seconds", "update_seconds"), 0.0)
            return SimpleNamespace(**times, episodes=0, mean_return=float("nan"), metrics={})

        def close(self) -> None:
            pass

    def profile(*_: Any) -> dict[str, Any]:
        if profiler == "fails":
            raise RuntimeError("no events")
        return {"copy_seconds": 1.0, "kernel_seconds": 2.0}

    monkeypatch.setattr(fastvec.train, "PPO", Trainer)
    monkeypatch.setattr(measure, "profile", profile)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    for name in ("max_memory_allocated", "max_memory_reserved"):
        monkeypatch.setattr(torch.cuda, name, lambda: 3 << 20)
    (row,) = gpu.select(["same-captured"], is_small=False)
    measure.time_training(dataclasses.asdict(row), "cuda", 0.0, [])
    first, last = (
        json.loads(line.removeprefix("RESULT ")) for line in capsys.readouterr().out.splitlines() if "RESULT" in line
    )
    assert first["steps_per_second"] > 0
    assert first["gpu_peak_mib"] == {"allocated": 3.0, "reserved": 3.0}
    assert first["mean_return"] is None
    if profiler == "works":
        assert last["shares"]["device_busy"] == pytest.approx(2 * last["shares"]["transfer"])
        assert last["shares"]["transfer"] == pytest.approx(1.0 / last["iteration_seconds"]["median"])
    else:
        assert "transfer" not in last["shares"]
        assert last["warnings"] == ["profiling failed: RuntimeError('no events')"]


def test_wheels_are_installed_without_an_index(tmp_path):
    folder, wheels = tmp_path / "work", tmp_path / "wheels"
    folder.mkdir()
    wheels.mkdir()
    with pytest.raises(prepare.PreparationFailed, match="no wheel"):
        prepare.install_wheels(wheels, folder, os.environ, limit=60.0)
    with zipfile.ZipFile(wheels / "carried_thing-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("carried_thing.py", "VALUE = 7\n")
        info = "carried_thing-1.0.dist-info/"
        wheel.writestr(
            info + "METADATA", "Metadata-Version: 2.1\nName: carried-thing\nVersion: 1.0\nRequires-Dist: absent\n"
        )
        wheel.writestr(
            info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(info + "RECORD", "")
    env = prepare.environment(folder)
    prepare.install_wheels(wheels, folder, env, limit=120.0)
    command = [sys.executable, "-c", "import carried_thing; print(carried_thing.VALUE)"]
    assert subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout == "7\n"


def test_tests_on_the_device_are_counted(tmp_path, monkeypatch):
    tests = tmp_path / "tests" / "gpu"
    tests.mkdir(parents=True)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = gpu\n")
    (tests / "test_some.py").write_text(
        "import pytest\n"
        "pytestmark = pytest.mark.gpu\n"
        "@pytest.mark.parametrize('n', [1, 2])\n"
        "def test_good(n): pass\n"
        "def test_bad(): assert 1 == 2\n"
        "def test_left_out(): pytest.skip('one device')\n"
    )
    monkeypatch.setattr(prepare, "ROOT", tmp_path)
    counted, log = prepare.run_tests(tmp_path, os.environ, limit=120.0)
    assert counted["status"] == "failed"
    assert counted["counts"] == {"passed": 2, "failed": 1, "skipped": 1}
    assert counted["not_passed"] == ["tests/gpu/test_some.py::test_bad"]
    assert "assert 1 == 2" in log
