"""Loading env libraries: what is refused, and why it says so."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import gymnasium
import pytest

import fastvec
from support.native import run_script

CASES = {"no symbol": 0, "claims CartPole-v1": 1, "other major": 2, "small table": 3, "no step": 4, "no table": 5,
         "same id twice": 6, "good": 7}  # fmt: skip


@pytest.fixture(scope="session")
def table(build: Callable[..., Path]) -> Callable[[str], Path]:
    """``table(case)``: a library of tests/cpp/fixtures/tables.cpp."""
    built: dict[str, Path] = {}

    def make(case: str) -> Path:
        if case not in built:
            built[case] = build("tables", f"-DCASE={CASES[case]}", suffix=f"_{CASES[case]}")
        return built[case]

    return make


def test_a_missing_file_is_an_import_error(tmp_path: Path):
    with pytest.raises(ImportError, match="nowhere"):
        fastvec.load_plugin(tmp_path / "nowhere.so")


def test_a_file_that_is_no_library_is_an_import_error(tmp_path: Path):
    file = tmp_path / "text.so"
    file.write_text("not a library")
    for _ in range(2):
        with pytest.raises(ImportError, match=r"cannot load env library .*text\.so"):
            fastvec.load_plugin(file)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("no symbol", "not a fastvec env library: it does not export fastvec_plugin_v1"),
        ("other major", r"built for fastvec ABI 2\.\d, this fastvec has 1\.\d.*build it again"),
        ("small table", "expected a table of at least .* bytes, got 8"),
        ("no step", "its env number 0 lacks a required function"),
        ("no table", "gave no table"),
        ("same id twice", "each env id once, got 'TinyTwice-v0' twice"),
    ],
)
def test_a_library_that_does_not_fit_is_an_import_error(table: Callable[[str], Path], case: str, message: str):
    before = fastvec.list_envs()
    for _ in range(2):
        with pytest.raises(ImportError, match=message) as caught:
            fastvec.load_plugin(table(case))
        assert table(case).name in str(caught.value)
    assert fastvec.list_envs() == before


def test_an_id_claimed_by_two_libraries_names_both(table: Callable[[str], Path]):
    before = fastvec.list_envs()
    for _ in range(2):
        with pytest.raises(ValueError, match=r"'CartPole-v1' is claimed by two libraries: .*classic_control.*tables_1"):
            fastvec.load_plugin(table("claims CartPole-v1"))
    assert fastvec.list_envs() == before  # TinyFirst-v0 is not there either
    assert "fastvec/TinyFirst-v0" not in gymnasium.registry


def test_loading_again_changes_nothing(table: Callable[[str], Path]):
    first = fastvec.load_plugin(table("good"))
    assert first == ["TinyGood-v0"]
    assert fastvec.load_plugin(str(table("good"))) == first
    assert fastvec.load_plugin(table("good").parent / "." / table("good").name) == first
    assert "TinyGood-v0" in fastvec.list_envs()
    assert fastvec.make_vec("TinyGood-v0", 2).reset()[0].shape == (2, 1)
    assert gymnasium.make("fastvec/TinyGood-v0").reset()[0].shape == (1,)


def test_an_env_without_working_defaults_can_be_loaded(faulty: str):
    assert gymnasium.spec("fastvec/Failing-v0").max_episode_steps is None
    assert gymnasium.make_vec("fastvec/Failing-v0", num_envs=2, how="well").reset()[0].shape == (2, 1)


def test_the_headers_are_installed():
    include = Path(fastvec.get_include())
    assert (include / "fastvec" / "env.hpp").is_file()
    assert (Path(fastvec.get_cmake_dir()) / "fastvecConfig.cmake").is_file()


def test_a_broken_entry_point_is_named_and_does_not_stop_the_others(tmp_path: Path):
    info = tmp_path / "broken_envs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-envs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fastvec.plugins]\nbroken = broken_envs:library\n")
    (tmp_path / "broken_envs.py").write_text("library = 'no_such_library.so'\n")
    done = run_script(
        "import sys; sys.path.insert(0, sys.argv[1]); import fastvec; print('CartPole-v1' in fastvec.list_envs())",
        tmp_path,
    )
    assert done.stdout.strip() == "True", done.stderr
    assert "'broken'" in done.stderr
    assert "broken_envs:library" in done.stderr
    assert "no_such_library.so" in done.stderr


@pytest.mark.parametrize("form", ["path", "[path]", "lambda: path", "lambda: [path]"])
def test_installed_packages_are_found(tmp_path: Path, table: Callable[[str], Path], form: str):
    info = tmp_path / "good_envs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: good-envs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fastvec.plugins]\ngood = good_envs:library\n")
    (tmp_path / "good_envs.py").write_text(f"path = {str(table('good'))!r}\nlibrary = {form}\n")
    done = run_script(
        "import sys; sys.path.insert(0, sys.argv[1]); import fastvec; print('TinyGood-v0' in fastvec.list_envs())",
        tmp_path,
    )
    assert done.stdout.strip() == "True", done.stderr


def test_a_library_is_not_unloaded_under_living_vectors(table: Callable[[str], Path]):
    fastvec.load_plugin(table("good"))
    envs = fastvec.make_vec("TinyGood-v0", 2)
    ctypes.CDLL(str(table("good")))
    assert envs.reset()[0].tolist() == [[0.5], [0.5]]
