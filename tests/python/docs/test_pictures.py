"""The pictures and tables of README and docs are those of benchmarks/results."""

from __future__ import annotations

import json
import math
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pytest

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "benchmarks" / "results"
SVG = "{http://www.w3.org/2000/svg}"

pytestmark = pytest.mark.skipif(not RESULTS.exists(), reason="a source distribution has no results")


def pictures(*words):
    command = [sys.executable, str(ROOT / "tools" / "pictures.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture
def copy(tmp_path):
    """A copy of all that the command reads and writes."""
    for name in ("docs", "benchmarks/results"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "README.md", tmp_path)
    return tmp_path


def files(root):
    found = [root / "README.md", *(root / "docs").rglob("*.md"), *(root / "docs" / "pictures").glob("*.svg")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def test_pages_and_pictures_are_up_to_date():
    done = pictures("--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_not_up_to_date_is_named_and_then_written(copy):
    path = copy / "benchmarks" / "results" / "step.json"
    content = json.loads(path.read_text())
    row = next(row for row in content["results"] if (row["env_id"], row["num_envs"]) == ("CartPole-v1", 64))
    assert row["peer"] == "fastvec"
    row["steps_per_second"] = 1234.0
    path.write_text(json.dumps(content))
    before = files(copy)

    done = pictures("--check", "--root", str(copy))
    named = set(re.findall(r"^not up to date: (.*)$", done.stdout, re.MULTILINE))
    assert done.returncode == 1
    assert named == {"README.md", "docs/pictures/step.svg", "docs/pictures/scaling.svg"}
    assert files(copy) == before, "--check writes nothing"

    assert pictures("--root", str(copy)).returncode == 0
    changed = {name for name, content in files(copy).items() if content != before[name]}
    assert changed == named
    assert re.search(r"^CartPole-v1 +64 +1\.2k ", (copy / "README.md").read_text(), re.MULTILINE)
    assert pictures("--check", "--root", str(copy)).returncode == 0


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64")
    or f"matplotlib=={mpl.__version__};" not in (ROOT / "constraints.txt").read_text(),
    reason="shapes of letters differ in their last digits",
)
def test_a_picture_that_is_drawn_again_has_the_same_bytes(copy):
    before = files(copy)
    for path in (copy / "docs" / "pictures").glob("*.svg"):
        path.unlink()
    assert pictures("--root", str(copy)).returncode == 0
    assert files(copy) == before


def shapes(picture, kind):
    """The points of what is drawn, by the names that the drawing gives: ``{"bar fastvec": [(x, y), ...]}``."""
    tree = ElementTree.parse(ROOT / "docs" / "pictures" / f"{picture}.svg")
    found = {}
    for axes in tree.iter(f"{SVG}g"):
        for group in axes.findall(f"{SVG}g"):
            name = group.get("id", "")
            if name.startswith(f"{kind} "):
                numbers = re.findall(r"-?\d+(?:\.\d+)?", group.find(f".//{SVG}path").get("d"))
                points = list(zip(map(float, numbers[::2]), map(float, numbers[1::2]), strict=True))
                found.setdefault(axes.get("id"), {})[name.removeprefix(f"{kind} ")] = points
    return found


def close_to_a_line(xs, ys):
    """How far points are from one straight line, at most: by Cramer's rule, without the drawing's own code."""
    n, sx, sy = len(xs), sum(xs), sum(ys)
    sxx, sxy = sum(x * x for x in xs), sum(x * y for x, y in zip(xs, ys, strict=True))
    slope = (n * sxy - sx * sy) / (n * sxx - sx * sx)
    return max(abs(y - (sy - slope * sx) / n - slope * x) for x, y in zip(xs, ys, strict=True))


def test_bars_are_as_long_as_the_logarithms_of_what_was_measured():
    rows = json.loads((RESULTS / "step.json").read_text())["results"]
    bars = shapes("step", "bar")
    assert len(bars) == 4
    for axes, drawn in bars.items():
        env_id = axes.removeprefix("axes ")
        rates = {
            row["peer"]: row["steps_per_second"] for row in rows if (row["env_id"], row["num_envs"]) == (env_id, 64)
        }
        assert set(drawn) == set(rates) - {"bare C++ loop"}
        ends = [max(x for x, _ in drawn[peer]) for peer in drawn]
        assert max(ends) - min(ends) > 50
        assert close_to_a_line([math.log10(rates[peer]) for peer in drawn], ends) < 0.1


def test_the_curve_over_the_number_of_envs_goes_through_what_was_measured():
    ((_, lines),) = shapes("scaling", "line").items()
    rows = json.loads((RESULTS / "step.json").read_text())["results"]
    scale = json.loads((RESULTS / "scale.json").read_text())["results"]
    measured = {
        (row["peer"], row["num_envs"]): row["steps_per_second"] for row in rows if row["env_id"] == "CartPole-v1"
    }
    most = max(num_envs for _, num_envs in measured)
    larger = {row["num_envs"]: 1e9 / row["nanoseconds_per_env_step"] for row in scale if row["num_envs"] > most}
    heights, logarithms = [], []
    for peer, points in lines.items():
        sizes = sorted(num_envs for name, num_envs in measured if name == peer)
        rates = [measured[peer, num_envs] for num_envs in sizes]
        if peer == "fastvec" and len(points) > len(rates):
            rates += [larger[num_envs] for num_envs in sorted(larger)]
        heights += [y for _, y in points]
        logarithms += [math.log10(rate) for rate in rates]
    assert len(heights) > 20
    assert close_to_a_line(logarithms, heights) < 0.1


def test_each_picture_says_its_machine():
    for picture, file in (("step", "step"), ("scaling", "step"), ("training", "train"), ("training_gpu", "gpu")):
        text = (ROOT / "docs" / "pictures" / f"{picture}.svg").read_text()
        numbers = json.loads(re.search(r"<dc:description>(.*)</dc:description>", text)[1].replace("&quot;", '"'))
        machine = json.loads((RESULTS / f"{file}.json").read_text())["machine"]
        name = machine.get("processor") or machine["cpu"]
        assert name.replace("(R)", "") in numbers["machine"]


def test_an_index_shows_the_pictures_of_the_readme():
    code = "import index_readme; print(index_readme.dynamic_metadata('readme')['text'])"
    text = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "tools", capture_output=True, text=True).stdout
    targets = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text)
    assert targets
    for target in targets:
        path = target.removeprefix("https://raw.githubusercontent.com/fastvec/fastvec/main/").removesuffix(
            "?sanitize=true"
        )
        assert (ROOT / path).is_file()


def numbers_of(root, picture):
    text = (root / "docs" / "pictures" / f"{picture}.svg").read_text()
    return json.loads(re.search(r"<dc:description>(.*)</dc:description>", text)[1])


def test_a_seed_that_is_there_counts_on_in_the_band_of_learning_curves(copy):
    machine = json.loads((RESULTS / "step.json").read_text())["machine"]
    cpu = {"cpu_seconds": 1.0}
    quick = {
        "seed": 1,
        "steps": 100,
        "seconds": 1.0,
        **cpu,
        "reached": True,
        "curve": [[0, 0.1, 0.0], [100, 1.0, 10.0]],
    }
    slow = {"seed": 2, "steps": 200, "seconds": 3.0, **cpu, "reached": True, "curve": [[0, 0.1, 0.0], [200, 3.0, 12.0]]}
    lost = {"seed": 3, "steps": 900, "seconds": 9.0, **cpu, "reached": False, "curve": []}
    row = {"env_id": "CartPole-v1", "return": 9.0, "algo": "ppo", "flags": [], "runs": [quick, slow, lost]}
    (copy / "benchmarks" / "results" / "choosing.json").write_text(json.dumps({"machine": machine, "rows": [row]}))
    assert pictures("--root", str(copy)).returncode == 0
    line = numbers_of(copy, "learning")["envs"]["CartPole-v1"]["algorithms"]["ppo"]
    assert line["seeds"] == 2
    assert (line["along"][0], line["along"][-1]) == (0.0, 200.0)
    for steps, mean, least, most in zip(line["along"], line["mean"], line["least"], line["most"], strict=True):
        returns = (min(steps, 100.0) / 10.0, 12.0 * steps / 200.0)
        expected = (sum(returns) / 2, min(returns), max(returns))
        assert (mean, least, most) == pytest.approx(expected, rel=1e-4)
    (chosen,) = numbers_of(copy, "choosing")["rows"]
    assert (chosen["steps"], chosen["seconds"]) == ([100.0, 200.0], [1.0, 3.0]), "those that got there"
