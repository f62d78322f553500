"""``fastvec new``: the package that it writes builds, tests and is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import fastvec
import fastvec.testing
from fastvec.cli.main import main
from fastvec.cli.scaffold import TEMPLATE_NAME, new_package
from support.compiling import WARNINGS, run


def test_every_file_carries_the_new_name(tmp_path):
    written = new_package("night-owls", tmp_path / "owls")
    names = {path.relative_to(tmp_path / "owls").as_posix() for path in written}
    assert {"CMakeLists.txt", "pyproject.toml", "README.md", ".gitignore", "cpp/night_owls.cpp"} <= names
    assert {"python/night_owls/__init__.py", "tests/test_night_owls.py"} <= names
    for path in written:
        assert TEMPLATE_NAME not in path.read_text()
    assert '"night_owls/GridWalk-v0"' in (tmp_path / "owls/cpp/night_owls.cpp").read_text()


@pytest.mark.parametrize("name", ["", "Upper", "1st", "a b", "class", "json", "fastvec", "a/b", "../up"])
def test_name_that_no_package_can_have_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match="expected a name"):
        new_package(name, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_folder_that_holds_something_is_left_alone(tmp_path, capsys):
    (tmp_path / "precious.txt").write_text("mine")
    assert main(["new", "owls", "--folder", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_new_env_builds_without_a_warning_and_conforms(tmp_path, compile_text):
    new_package("fresh_envs", tmp_path / "fresh")
    source = (tmp_path / "fresh/cpp/fresh_envs.cpp").read_text()
    library = compile_text(source, name="fresh_envs", flags=WARNINGS)
    assert fastvec.load_plugin(library) == ["fresh_envs/GridWalk-v0"]
    report = fastvec.testing.check_env("fresh_envs/GridWalk-v0")
    assert not report.notes
    with pytest.raises(ValueError, match="expected size >= 2, got 1"):
        fastvec.make_vec("fresh_envs/GridWalk-v0", size=1)


def test_installed_package_is_found_and_passes_its_own_tests(tmp_path):
    """pip builds and installs it (into a folder of its own); its entry point, its module and its tests work."""
    if shutil.which("cmake") is None:
        pytest.skip("there is no cmake")
    pytest.importorskip("scikit_build_core")
    written = new_package("owl_envs", tmp_path / "owl_envs")
    site = tmp_path / "site"
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    run(sys.executable, "-m", "pip", "install", *options, "--target", site, tmp_path / "owl_envs")
    environment = {**os.environ, "PYTHONPATH": str(site)}
    code = "import gymnasium, owl_envs; print(gymnasium.make('owl_envs/GridWalk-v0', size=5).reset(seed=0)[0].shape)"
    assert run(sys.executable, "-c", code, env=environment).strip() == "(4,)"
    tests = next(path for path in written if path.name == "test_owl_envs.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)]
    done = subprocess.run(command, env=environment, cwd=tests.parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_cmake_refuses_another_major_version(tmp_path):
    if shutil.which("cmake") is None:
        pytest.skip("there is no cmake")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.18...3.31)\nproject(x LANGUAGES NONE)\n"
        'find_package(fastvec ${WANTED} REQUIRED CONFIG)\nmessage(STATUS "found ${fastvec_VERSION}")\n'
    )
    version = ".".join(fastvec.__version__.split(".")[:2])
    command = ["cmake", "-S", tmp_path, f"-Dfastvec_DIR={fastvec.get_cmake_dir()}"]
    assert f"found {fastvec.__version__}" in run(*command, "-B", tmp_path / "same", f"-DWANTED={version}")
    words = [str(word) for word in (*command, "-B", tmp_path / "other", "-DWANTED=99.0")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode != 0
    assert Path(fastvec.get_cmake_dir()).name in done.stderr


def test_package_that_is_installed_editable_has_its_envs(tmp_path):
    """``pip install -e``, into a virtual environment of its own."""
    if shutil.which("cmake") is None:
        pytest.skip("there is no cmake")
    pytest.importorskip("scikit_build_core")
    new_package("lark_envs", tmp_path / "lark_envs")
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "outer.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index"]
    install += ["--no-build-isolation", "--disable-pip-version-check", "--editable", tmp_path / "lark_envs"]
    ask = "import fastvec, gymnasium; envs = fastvec.make_vec('lark_envs/GridWalk-v0', 2, size=5); envs.reset(seed=0); "
    ask += "env = gymnasium.make('lark_envs:lark_envs/GridWalk-v0'); print(env.reset(seed=0)[0].shape, envs.spec.id)"
    run(*install)
    assert not list((tmp_path / "lark_envs" / "python").rglob("*.so"))  # it is not beside the sources
    assert run(python, "-W", "error", "-c", ask, cwd=tmp_path).split() == ["(4,)", "lark_envs/GridWalk-v0"]
