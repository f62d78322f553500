"""Infos and observations are what the env returned, when it returned it; merged as SyncVectorEnv merges them."""

from __future__ import annotations

import copy
from collections import OrderedDict
from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

import fastvec
from support.compare import assert_same

MODES = ["NextStep", "SameStep", "Disabled"]


# -- any info at all ----------------------------------------------------------------------------------------


def draw_value(rng, kind):
    number = rng.normal() * 10
    whole = int(number)
    dtype = rng.choice(["f4", "f8", "i2", "i8", "u1", "?", ">f4"])
    return {
        "int": lambda: whole,
        "float": lambda: number,
        "bool": lambda: number > 0,
        "none": lambda: None,
        "str": lambda: "word" * (whole % 3),
        "float32": lambda: np.float32(number),
        "float64": lambda: np.float64(number),
        "int16": lambda: np.int16(whole),
        "int64": lambda: np.int64(whole),
        "bool_": lambda: np.bool_(number > 0),
        "complex64": lambda: np.complex64(number),
        "huge": lambda: 2**70 if number > 20 else whole,
        "timedelta": lambda: np.timedelta64(whole, "s") if number > 20 else np.timedelta64(whole),
        "datetime": lambda: np.datetime64("2020-01-01") + whole,
        "array0": lambda: np.array(whole).astype(dtype),
        "array1": lambda: np.arange(3).astype(dtype) + np.array(1).astype(dtype),
        "array2": lambda: rng.normal(size=(2, 3)).astype("f4"),
        "strided": lambda: rng.normal(size=(4, 6))[::2, ::-1].T,
        "empty": lambda: np.zeros((0, 2), "f4"),
        "text_array": lambda: np.array(["a", "bc"]),
        "date_array": lambda: np.array(["2020-01-01", "2021-02-03"], "M8[ms]"),
        "object_array": lambda: np.array([None, [whole]], dtype=object),
        "record": lambda: np.array([(whole, number)], dtype=[("a", "i4"), ("b", "f8")]),
        "matrix": lambda: np.ma.masked_array([1.0, number], [False, True]),
        "list": lambda: [whole, [number, {"deep": "er"}]],
        "tuple": lambda: (whole, np.arange(2)),
        "ordered": lambda: OrderedDict(b=whole, a=number),
        "final_obs": lambda: rng.normal(size=2),
    }[kind]()


KINDS = [
    *("int", "float", "bool", "none", "str", "float32", "float64", "int16", "int64", "bool_", "complex64", "huge"),
    *("timedelta", "datetime", "array0", "array1", "array2", "strided", "empty", "text_array", "date_array"),
    *("object_array", "record", "matrix", "list", "tuple", "ordered"),
]
# What can stand in one place with most others, so that not every mixture is an error.
EASY = ["int", "float", "bool", "float32", "int64", "array0", "array0", "bool_", "none", "list"]


def draw_schema(rng, depth=0):
    """Keys and what they hold: a kind, or the schema of a dict."""
    schema = {}
    for key in rng.permutation(["a", "b", "c", "_a", "d", "final_obs"])[: rng.integers(0, 5)].tolist():
        if depth < 2 and rng.random() < 0.25:
            schema[key] = draw_schema(rng, depth + 1)
        else:
            schema[key] = str(rng.choice(KINDS))
    return schema


def draw_info(rng, schema, odd_rate):
    """An info of that schema: keys are left out, and some hold another kind of value."""
    info = {}
    for key, kind in schema.items():
        if rng.random() < 0.25:
            continue
        if rng.random() < odd_rate:
            info[key] = draw_value(rng, rng.choice(EASY))
        else:
            info[key] = draw_info(rng, kind, odd_rate) if isinstance(kind, dict) else draw_value(rng, kind)
    return dict(reversed(info.items())) if rng.random() < 0.2 else info


class RandomInfos(gymnasium.Env):
    """Infos drawn anew at every step, of a schema that all envs of the vector draw alike."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if options is not None:
            self.case, self.t = options["case"], 0
        return self.np_random.normal(size=2), self.info()

    def step(self, action):
        done = self.np_random.random() < 0.3
        return self.np_random.normal(size=2), 1.0, done, False, self.info()

    def info(self):
        self.t += 1
        common = np.random.default_rng([self.case, self.t])
        schema, odd_rate = draw_schema(common), common.choice([0.0, 0.0, 0.0, 0.08])
        return draw_info(self.np_random, schema, odd_rate)


def outcome(call):
    """What it returns, or the type of what it raises; copied, since Gymnasium hands out references."""
    try:
        return copy.deepcopy(call())
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("workers", [0, 3])
@pytest.mark.parametrize("mode", MODES)
def test_random_infos_are_merged_as_in_sync_vector_env(mode, workers, closing):
    actual = closing(fastvec.make_vec([RandomInfos] * 5, num_workers=workers, autoreset_mode=mode, context="fork"))
    expected = closing(SyncVectorEnv([RandomInfos] * 5, autoreset_mode=mode))
    actions = np.zeros(5, np.int64)
    errors = 0
    for case in range(40):
        calls = [lambda envs, case=case: envs.reset(seed=1000 * case, options={"case": case})]
        calls += [lambda envs: envs.step(actions)] * 6
        for call in calls:
            one, other = outcome(lambda: call(actual)), outcome(lambda: call(expected))  # noqa: B023
            if isinstance(other, type):  # an info that cannot be merged: the next case begins with a reset
                assert one is other, f"case {case}: {one}, expected {other}"
                errors += 1
                break
            assert_same(one, other, f"case {case}")
            if mode == "Disabled" and len(other) == 5 and (done := other[2]).any():
                options = [{"reset_mask": done.copy()} for _ in "ab"]
                one, other = (outcome(lambda: envs.reset(options=options.pop())) for envs in (actual, expected))  # noqa: B023
                assert isinstance(other, type) == isinstance(one, type)
                if isinstance(other, type):
                    break
                assert_same(one, other, f"case {case}, masked reset")
    assert 0 < errors < 40


# -- envs that go on working with what they returned --------------------------------------------------------


class InPlace(gymnasium.Env):
    """Returns its own arrays and dicts, and overwrites them in ``step`` and ``reset``."""

    observation_space = spaces.Box(-100, 100, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, number=0, store=None):
        store = {} if store is None else store
        self.number = number
        self.length = 2 + number % 3
        self.pos = store.setdefault("pos", np.zeros(2, np.float32))
        self.info = store.setdefault("info", {})
        self.inner = store.setdefault("inner", {})
        self.trail = store.setdefault("trail", [])
        self.reward = store.setdefault("reward", np.zeros(()))

    def fill(self, value):
        self.pos[:] = value
        self.reward[()] = value
        self.inner.update(pos=self.pos, scalar=self.reward, deep={"pos": self.pos})
        self.info.update(pos=self.pos, nested=self.inner, count=value)

    def state(self):
        return self.pos.copy()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        self.info.clear()
        self.fill(-1 - self.number)
        self.info["fresh"] = True
        return self.state(), self.info

    def step(self, action):
        self.t += 1
        self.info.pop("fresh", None)
        self.fill(10 * self.number + self.t)
        return self.state(), self.reward, self.t == self.length, False, self.info

    def frame(self):
        self.pos[:] = 7 * self.number
        return self.pos


class OwnObservation(InPlace):
    """The observation is the env's own array, too; infos hold objects in which it is."""

    def state(self):
        return self.pos

    def fill(self, value):
        super().fill(value)
        self.trail.append(value)
        self.info.update(pair=(self.pos, value), trail=self.trail, box=[self.inner])


class Fresh(gymnasium.Wrapper):
    """Copies everything that the env returns: for a Gymnasium that keeps no references."""

    def reset(self, *, seed=None, options=None):
        return copy.deepcopy(self.env.reset(seed=seed, options=options))

    def step(self, action):
        return copy.deepcopy(self.env.step(action))


def rollout(envs, steps=9):
    disabled = envs.metadata["autoreset_mode"].value == "Disabled"
    yield copy.deepcopy(envs.reset(seed=1))
    for _ in range(steps):
        result = envs.step(np.zeros(envs.num_envs, np.int64))
        yield copy.deepcopy(result)
        if disabled and result[2].any():
            yield copy.deepcopy(envs.reset(options={"reset_mask": result[2].copy()}))


def of_one_process(kind, count, shared):
    """Callables that make envs which share what they return, if ``shared``, with those made in the same process."""
    store = {} if shared else None
    return [partial(kind, i, store) for i in range(count)]


def fresh(kind, count):
    return [lambda i=i: Fresh(kind(i)) for i in range(count)]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("mode", MODES)
def test_infos_are_copied_when_sync_vector_env_copies_them(mode, workers, closing):
    actual = closing(fastvec.make_vec(of_one_process(InPlace, 4, False), num_workers=workers, autoreset_mode=mode))
    expected = closing(SyncVectorEnv(of_one_process(InPlace, 4, False), autoreset_mode=mode))
    for one, other in zip(rollout(actual), rollout(expected), strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("mode", MODES)
def test_envs_that_share_one_info_dict_are_told_apart(mode, workers, closing):
    actual = closing(
        fastvec.make_vec(of_one_process(InPlace, 5, True), num_workers=workers, autoreset_mode=mode, context="fork")
    )
    expected = closing(SyncVectorEnv(of_one_process(InPlace, 5, True), autoreset_mode=mode))
    for one, other in zip(rollout(actual), rollout(expected), strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("mode", MODES)
def test_observations_and_objects_are_those_of_the_moment(mode, workers, closing):
    actual = closing(
        fastvec.make_vec(of_one_process(OwnObservation, 5, False), num_workers=workers, autoreset_mode=mode)
    )
    expected = closing(SyncVectorEnv(fresh(OwnObservation, 5), autoreset_mode=mode))
    for one, other in zip(rollout(actual), rollout(expected), strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("mode", MODES)
def test_envs_that_share_an_observation_are_told_apart(mode, workers, closing):
    env_fns = of_one_process(OwnObservation, 5, True)
    actual = closing(fastvec.make_vec(env_fns, num_workers=workers, autoreset_mode=mode, context="fork"))
    expected = closing(SyncVectorEnv(fresh(OwnObservation, 5), autoreset_mode=mode))
    for one, other in zip(rollout(actual), rollout(expected), strict=True):
        assert_same(one[:-1], other[:-1])
        assert_same(one[-1].get("final_obs"), other[-1].get("final_obs"))
        assert_same(one[-1].get("pair"), other[-1].get("pair"))


class NowAndThenOdd(gymnasium.Env):
    """Nested observations whose arrays fit their spaces, but for every third step; infos of numbers alone."""

    observation_space = spaces.Dict(
        pos=spaces.Box(-100, 100, (2,), np.float64),
        more=spaces.Tuple([spaces.Box(-100, 100, (), np.float32), spaces.Discrete(9)]),
    )
    action_space = spaces.Discrete(2)
    kinds = (float, int, bool, np.float32, np.int16, np.complex64, np.float64)

    def __init__(self, number=0):
        self.number = number
        self.pos = np.zeros(2)

    def observe(self):
        self.pos[:] = self.t, self.number
        depth, count = np.array(self.t / 3, np.float32), np.array(self.t)
        odd = [
            {"pos": self.pos.astype(np.float32), "more": (depth, count), "beside": 1},
            {"more": [float(depth), self.t], "pos": list(self.pos)},
            {"pos": self.pos[::-1], "more": (depth, self.t)},
        ]
        if self.t % 3 == self.number % 3:
            return odd[self.t // 3 % 3]
        return {"pos": self.pos, "more": (depth, count)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.observe(), {"start": np.float32(self.number)}

    def step(self, action):
        self.t += 1
        info = {f"n{i}": kind(self.t * 0.7) for i, kind in enumerate(self.kinds)}
        return self.observe(), float(self.t), self.t == 7 + self.number % 2, False, info


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("mode", MODES)
def test_nested_observations_and_numbers_are_the_same_whether_they_fit_or_not(mode, workers, closing):
    fns = [partial(NowAndThenOdd, i) for i in range(5)]
    actual = closing(fastvec.make_vec(fns, num_workers=workers, autoreset_mode=mode))
    expected = closing(SyncVectorEnv(fresh(NowAndThenOdd, 5), autoreset_mode=mode))
    for one, other in zip(rollout(actual, 20), rollout(expected, 20), strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("workers", [0, 1])
def test_final_observation_is_the_last_one_though_the_reset_overwrote_it(workers, closing):
    envs = closing(fastvec.make_vec([OwnObservation] * 2, num_workers=workers, autoreset_mode="SameStep"))
    envs.reset(seed=1)
    envs.step(np.zeros(2, np.int64))
    observations, _, terminations, _, infos = envs.step(np.zeros(2, np.int64))
    assert terminations.all()
    np.testing.assert_array_equal(observations, np.full((2, 2), -1))
    np.testing.assert_array_equal(np.stack(infos["final_obs"]), np.full((2, 2), 2))
    np.testing.assert_array_equal(infos["final_info"]["pos"], np.full((2, 2), 2))
    np.testing.assert_array_equal(infos["final_info"]["nested"]["deep"]["pos"], np.full((2, 2), 2))
    np.testing.assert_array_equal(infos["final_info"]["pair"][0][0], [2, 2])
    assert infos["final_info"]["trail"][0] == [-1, 1, 2]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("mode", MODES)
def test_asynchronous_use_copies_at_once_too(mode, workers, closing):
    env_fns = of_one_process(InPlace, 4, True)
    actual = closing(fastvec.make_vec(env_fns, num_workers=workers, autoreset_mode=mode, batch_size=4, context="fork"))
    expected = rollout(closing(SyncVectorEnv(fresh(InPlace, 4), autoreset_mode=mode)))
    actual.async_reset(seed=1)
    one = actual.recv(timeout=30)
    done = None
    for other in expected:
        if done is not None and len(other) == 2:  # a masked reset
            actual.async_reset(options={"reset_mask": done})
            one = actual.recv(timeout=30, batch_size=int(done.sum()))
        elif done is not None:
            actual.send(np.zeros(4, np.int64), np.arange(4))
            one = actual.recv(timeout=30)
        done = other[2] if len(other) == 5 else done if done is not None else np.zeros(4, bool)
        rows = one[4]["env_id"]
        assert_same(one[0], other[0][rows])
        for info, theirs in ((one[4], other[-1]), (one[4].get("final_info"), other[-1].get("final_info"))):
            if theirs is None:
                assert info is None
                continue
            assert_same(info["count"], theirs["count"][rows])
            assert_same(info["nested"]["deep"]["pos"], theirs["nested"]["deep"]["pos"][rows])


@pytest.mark.parametrize("workers", [0, 1])
def test_frames_that_share_a_buffer_are_told_apart(workers, closing):
    envs = closing(fastvec.make_vec(of_one_process(InPlace, 3, True), num_workers=workers, context="fork"))
    envs.reset(seed=1)
    assert [frame.tolist() for frame in envs.call("frame")] == [[0, 0], [7, 7], [14, 14]]


class TakesOptions(InPlace):
    def reset(self, *, seed=None, options=None):
        observation, _ = super().reset(seed=seed)
        return observation, {"start": options.pop("start", None), "deep": options["deep"].pop()}


@pytest.mark.parametrize("workers", [0, 2])
def test_each_env_has_its_own_reset_options(workers, closing):
    envs = closing(fastvec.make_vec([TakesOptions] * 4, num_workers=workers))
    options = {"start": 3, "deep": [1, 2]}
    _, infos = envs.reset(options=options)
    assert infos["start"].tolist() == [3] * 4
    assert infos["deep"].tolist() == [2] * 4
    assert options == {"start": 3, "deep": [1, 2]}


class NoInfo(InPlace):
    def step(self, action):
        return (*super().step(action)[:4], None)


@pytest.mark.parametrize("workers", [0, 1])
def test_info_that_is_no_mapping_is_an_error(workers, closing):
    envs = closing(fastvec.make_vec([InPlace, NoInfo], num_workers=workers))
    expected = closing(SyncVectorEnv([InPlace, NoInfo]))
    for vector in (envs, expected):
        vector.reset(seed=1)
    with pytest.raises(AttributeError, match="items") as caught:
        expected.step(np.zeros(2, np.int64))
    with pytest.raises(fastvec.EnvError, match=str(caught.value)) as own:
        envs.step(np.zeros(2, np.int64))
    assert own.value.env_index == 1
