"""``fastvec doctor``: what works, what is missing and what brings it, and what is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from fastvec.cli import diagnosis


def _doctor(*words, **environment):
    command = [sys.executable, "-m", "fastvec", "doctor", *words]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=300)


def _report(**environment):
    done = _doctor("--json", **environment)
    assert not done.stderr
    return done.returncode, json.loads(done.stdout)


def _states(findings):
    return {finding["name"]: finding["state"] for finding in findings}


@pytest.fixture(scope="module")
def here():
    return _report()


def test_what_works_here_is_found(here):
    status, report = here
    assert status == 0
    assert report["works"]
    assert report["numpy"] == metadata.version("numpy")
    assert set(_states(report["envs"]).values()) == {"ok"}
    assert _states(report["trainers"])["PyTorch"] == "ok"
    assert f"torch {metadata.version('torch')}" in {row["name"]: row["text"] for row in report["extras"]}["train"]


def test_extras_are_those_of_the_package_but_for_contributors(here):
    declared = set(metadata.metadata("fastvec").get_all("Provides-Extra"))
    assert set(_states(here[1]["extras"])) == declared - {"test", "dev", "docs"}


def test_what_is_installed_and_does_not_work_is_named_and_is_status_1(tmp_path):
    (tmp_path / "mujoco").mkdir()
    (tmp_path / "mujoco" / "__init__.py").write_text("raise RuntimeError('no GLIBC_9.99')")
    status, report = _report(PYTHONPATH=str(tmp_path))
    broken = {row["name"]: row["text"] for row in report["envs"] if row["state"] == "broken"}
    assert status == 1
    assert list(broken) == ["MuJoCo"]
    assert "no GLIBC_9.99" in broken["MuJoCo"]
    assert not report["works"]


def test_a_compiler_that_is_not_there_and_one_that_is_too_old(tmp_path):
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\necho 'error: unrecognized option -std=c++20' >&2\nexit 1\n")
    old.chmod(0o755)
    status, report = _report(PATH=str(tmp_path), CXX="")
    assert (status, _states(report["C++ envs"])["compiler"]) == (0, "missing")
    status, report = _report(CXX=str(old))
    assert (status, _states(report["C++ envs"])["compiler"]) == (1, "broken")
    assert "unrecognized option -std=c++20" in json.dumps(report["C++ envs"])


def test_a_missing_package_comes_with_what_brings_it(tmp_path):
    hide = (
        "import importlib.metadata as m\n"
        "real = m.version\n"
        "def version(name):\n"
        "    if name == 'box2d':\n"
        "        raise m.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "m.version = version\n"
    )
    (tmp_path / "sitecustomize.py").write_text(hide)
    status, report = _report(PYTHONPATH=str(tmp_path))
    box2d = {row["name"]: row for row in report["envs"]}["Box2D"]
    assert (status, box2d["state"]) == (0, "missing")
    assert box2d["text"] == 'no box2d: pip install "fastvec[box2d]"'


def test_the_text_has_a_line_for_everything_and_no_colours(here):
    printed = _doctor().stdout
    names = [row["name"] for group in ("envs", "extras", "trainers", "C++ envs") for row in here[1][group]]
    assert all(any(f" {name} " in line for line in printed.splitlines()) for name in names)
    assert "\x1b" not in printed


@pytest.mark.parametrize(
    ("python", "system"), [((3, 10), "linux"), ((3, 11), "linux"), ((3, 13), "darwin"), ((3, 14), "win32")]
)
def test_extras_hold_what_pip_would_install(python, system, monkeypatch):
    """``packaging`` reads markers as pip does; it is no dependency of fastvec, which reads its own few by patterns."""
    monkeypatch.setattr(sys, "version_info", (*python, 0, "final", 0))
    monkeypatch.setattr(sys, "platform", system)
    there = {"python_version": "{}.{}".format(*python), "sys_platform": system}
    expected: dict[str, list[str]] = {}
    for wanted in map(Requirement, metadata.requires("fastvec")):
        for extra in metadata.metadata("fastvec").get_all("Provides-Extra"):
            of_the_extra = wanted.marker and not wanted.marker.evaluate({**there, "extra": ""})
            if wanted.name != "fastvec" and of_the_extra and wanted.marker.evaluate({**there, "extra": extra}):
                expected.setdefault(extra, []).append(wanted.name)
    assert diagnosis.requirements() == expected
