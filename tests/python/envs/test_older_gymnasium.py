"""A Gymnasium that lacks some of the envs whose numbers the native ones give: an older one, or one yet to come."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import fastvec
from fastvec.native import registry

OF_GYMNASIUM_1_1 = ["CliffWalking-v1", "CliffWalkingSlippery-v1", "Taxi-v4"]

SCRIPT = """
import json, sys
import gymnasium
for env_id in json.loads(sys.argv[1]):
    del gymnasium.registry[env_id]
    if env_id == "Taxi-v4":
        gymnasium.register("Taxi-v3", "older:Env")  # another version of it, as an older one has
import fastvec
from fastvec.cli.main import main

def why(make, env_id):
    try:
        make(env_id)
    except Exception as error:
        return [type(error).__name__, str(error)]

answers = {
    "listed": fastvec.list_envs(),
    "left_out": fastvec.native.registry.left_out(),
    "gymnasium": [name for name in gymnasium.registry if name.startswith("fastvec/")],
    "asked": {name: why(fastvec.make_vec, name) for name in json.loads(sys.argv[2])},
    "list": main(["list", "--json"]),
}
if "CartPole-v1" in fastvec.list_envs():
    envs = fastvec.make_vec("CartPole-v1", 2)
    answers["observation"] = envs.reset(seed=3)[0].tolist()
print(json.dumps(answers))
"""


def without(missing: list[str], asked: list[str]) -> dict[str, Any]:
    """What fastvec answers in a new process where Gymnasium lacks these ids; warnings are errors there."""
    command = [sys.executable, "-W", "error", "-c", SCRIPT, json.dumps(missing), json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_missing_counterpart_leaves_its_env_out_and_no_other():
    asked = ["Taxi-v4", "fastvec/Taxi-v4", "fastvec:fastvec/CliffWalking-v1"]
    answers = without(OF_GYMNASIUM_1_1, asked)
    assert answers["listed"] == [name for name in without([], [])["listed"] if name not in OF_GYMNASIUM_1_1]
    assert sorted(answers["left_out"]) == sorted(OF_GYMNASIUM_1_1)
    assert not {f"fastvec/{name}" for name in OF_GYMNASIUM_1_1} & set(answers["gymnasium"])
    for name in asked:
        kind, message = answers["asked"][name]
        native = name.rpartition("/")[2]
        assert kind == "UnknownEnvError"
        assert f"there is no env with the id {name!r}: the native env {native!r} gives the numbers of" in message
        assert "does not have: install one that does" in message
    envs = fastvec.make_vec("CartPole-v1", 2)
    assert answers["observation"] == envs.reset(seed=3)[0].tolist()


def test_even_a_gymnasium_without_any_of_them_can_be_imported_with_fastvec():
    counterparts = [
        counterpart for name in fastvec.list_envs() if (counterpart := registry.get(name).counterpart) is not None
    ]
    missing = sorted({counterpart.gymnasium_id for counterpart in counterparts})
    answers = without(missing, ["CartPole-v1"])
    assert answers["left_out"].keys() >= set(missing)
    assert answers["asked"]["CartPole-v1"][0] == "UnknownEnvError"


def test_an_id_that_somebody_else_has_registered_leaves_the_import_alone():
    code = (
        "import gymnasium; gymnasium.register('fastvec/CartPole-v1', 'somebody.elses:Env')\n"
        "import fastvec; print(*fastvec.list_envs()); print(gymnasium.spec('fastvec/CartPole-v1').entry_point)\n"
        "fastvec.make_vec('CartPole-v1', 2, backend='native')"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    listed, owner = (line.split() for line in done.stdout.splitlines())
    assert "Pendulum-v1" in listed
    assert "CartPole-v1" not in listed
    assert owner == ["somebody.elses:Env"]
    why = "'CartPole-v1' is claimed by two libraries: somebody.elses:Env and "
    assert "cannot be loaded as a whole: env id " + why in done.stderr
    assert why in done.stderr.splitlines()[-1]  # and of the error


def test_nothing_is_left_out_beside_the_gymnasium_that_is_tested():
    assert fastvec.native.registry.left_out() == {}
