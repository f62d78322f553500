"""``fastvec::Rng`` against ``numpy.random.Generator``: the same numbers, and the same place in the stream after."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.compiling import WARNINGS, compile_library

SEEDS = [0, 1, 2, 3, 42, 2**31, 2**32 + 5, 2**64 - 1]


class State(ctypes.Structure):
    """``fv_rng``."""

    _fields_ = (
        ("state_high", ctypes.c_uint64),
        ("state_low", ctypes.c_uint64),
        ("increment_high", ctypes.c_uint64),
        ("increment_low", ctypes.c_uint64),
        ("has_uint32", ctypes.c_uint32),
        ("uint32", ctypes.c_uint32),
    )


REAL = ("random", "uniform", "normal", "standard_exponential", "exponential", "standard_gamma", "gamma")
WHOLE = ("poisson", "binomial", "geometric", "integers", "choice")
ORDER = (*REAL, *WHOLE)  # as fixtures/draws.cpp numbers them


class Native:
    """The C++ generator, with NumPy's names and arguments."""

    def __init__(self, library: ctypes.CDLL, seed: int) -> None:
        self._library = library
        self._state = State()
        library.seed(ctypes.byref(self._state), ctypes.c_uint64(seed))

    def draw(self, name: str, args: tuple[float, ...], count: int) -> np.ndarray:
        out = np.empty(count, np.int64 if name in WHOLE else np.float64)
        n, reals = 0, args
        if name in ("binomial", "integers", "choice"):
            n, reals = int(args[0]), args[1:]
        a, b = (*reals, 0.0, 0.0)[:2]
        number = ORDER.index(name)
        self._call("draw", number, ctypes.c_double(a), ctypes.c_double(b), ctypes.c_int64(n), count, out)
        return out

    def shuffle(self, values: np.ndarray) -> None:
        self._call("shuffle", values, values.size)

    def permutation(self, n: int) -> np.ndarray:
        out = np.empty(n, np.int64)
        self._call("permutation", out, n)
        return out

    def choice(
        self, n: int, size: int | None = None, *, replace: bool = True, p: Any = None, shuffle: bool = True
    ) -> np.ndarray:
        p = None if p is None else np.ascontiguousarray(p, np.float64)
        if size is None:
            out = np.empty(1, np.int64)
            self._call("choose_one", n, p, out)
            return out[0]
        out = np.empty(size, np.int64)
        self._call("choose", n, p, size, int(replace), int(shuffle), out)
        return out

    def _call(self, name: str, *args: Any) -> None:
        error = ctypes.create_string_buffer(256)
        given = [ctypes.c_void_p(x.ctypes.data) if isinstance(x, np.ndarray) else x for x in args]
        given = [ctypes.c_int64(x) if isinstance(x, int) and name != "draw" else x for x in given]
        if name == "draw":
            given[4] = ctypes.c_int64(given[4])
        if getattr(self._library, name)(ctypes.byref(self._state), *given, error) and error.value:
            raise ValueError(error.value.decode())

    @property
    def position(self) -> dict[str, Any]:
        """As ``PCG64.state``."""
        state = self._state
        words = {"state": state.state_high << 64 | state.state_low, "inc": state.increment_high << 64}
        words["inc"] |= state.increment_low
        # What was buffered is of no use once it was handed out.
        return {"state": words, "has_uint32": state.has_uint32, "uinteger": state.uint32 if state.has_uint32 else None}


def position(rng: np.random.Generator) -> dict[str, Any]:
    state: Any = rng.bit_generator.state
    uinteger = state["uinteger"] if state["has_uint32"] else None
    return {"state": state["state"], "has_uint32": state["has_uint32"], "uinteger": uinteger}


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> ctypes.CDLL:
    flags = (*WARNINGS, "-ffp-contract=off")
    target = tmp_path_factory.mktemp("draws") / "draws.so"
    return ctypes.CDLL(str(compile_library(Path(__file__).parent / "fixtures" / "draws.cpp", target, flags=flags)))


Pairs = Callable[[], Iterator[tuple[Native, np.random.Generator]]]


@pytest.fixture(scope="module")
def pairs(library) -> Pairs:
    """Both generators, from each seed; afterwards they have to be at the same place."""

    def both() -> Iterator[tuple[Native, np.random.Generator]]:
        for seed in SEEDS:
            native, oracle = Native(library, seed), np.random.default_rng(seed)
            yield native, oracle
            assert native.position == position(oracle), seed

    return both


# The edges: where NumPy goes over from one algorithm to another, and arguments that are themselves edges.
ARGUMENTS: list[tuple[str, list[tuple[float, ...]]]] = [
    ("random", [()]),
    ("uniform", [(0.0, 1.0), (-3.5, 1e9), (2.0, 2.0)]),
    ("normal", [(0.0, 1.0), (-1e3, 1e-3), (7.0, 0.0)]),
    ("standard_exponential", [()]),
    ("exponential", [(1.0,), (0.0,), (1e-300,), (37.5,)]),
    ("standard_gamma", [(a,) for a in (0.0, 1e-9, 0.01, 0.5, 0.999999, 1.0, 1.000001, 1.5, 2.0, 9.0, 1e3, 1e8)]),
    ("gamma", [(0.3, 2.0), (1.0, 0.1), (4.5, 1e6), (2.0, 0.0), (0.0, 3.0)]),
    ("poisson", [(a,) for a in (0.0, 1e-9, 0.1, 1.0, 5.5, 9.999999, 10.0, 10.5, 12.0, 33.3, 1e3, 1e6, 1e12, 9e18)]),
    (
        "binomial",
        [
            *[(n, p) for n in (0, 1, 2, 7, 59, 60, 61, 100, 1000) for p in (0.0, 1e-12, 0.01, 0.3, 0.5, 0.7, 1.0)],
            *[(10**6, p) for p in (1e-7, 2.9e-5, 3e-5, 3.1e-5, 0.2, 0.5, 0.8, 1 - 2.9e-5, 1 - 1e-9)],
            *[(10**k, p) for k in (9, 12, 15, 18) for p in (0.1, 0.5, 0.9)],
            *[(10**16, p) for p in (3e-17, 2e-16, 1e-15)],
            *[(2**k + 12345, mean / 2**k) for k in (53, 55, 59, 62) for mean in (100.0, 1e4, 1e7)],
            (2**62, 0.37),
            (3, 5e-324),
        ],
    ),
    ("geometric", [(p,) for p in (1.0, 0.999, 0.5, 0.34, 1 / 3, 0.3333333, 0.3, 0.1, 1e-3, 1e-9, 1e-18, 5e-324)]),
    ("integers", [(n,) for n in (1, 2, 3, 6, 1000, 2**31 + 1, 2**32 - 1, 2**32, 2**32 + 1, 3 * 2**61)]),
    ("choice", [(n,) for n in (1, 2, 9, 10001, 2**33)]),
]


@pytest.mark.parametrize(("name", "cases"), ARGUMENTS, ids=[name for name, _ in ARGUMENTS])
def test_a_distribution_is_numpys(pairs, name, cases):
    count = 400
    for native, oracle in pairs():
        for args in cases:
            numpys = {"integers": (0, *args)}.get(name, args)
            expected = getattr(oracle, name)(*numpys, size=count)
            drawn = native.draw(name, args, count)
            np.testing.assert_array_equal(drawn.view(np.uint64), expected.view(np.uint64), f"{name}{args}")
            assert native.position == position(oracle), f"{name}{args}"


def test_many_draws_are_numpys_the_rare_branches_included(library):
    native, oracle = Native(library, 11), np.random.default_rng(11)
    for name, args in [
        ("standard_exponential", ()),
        ("standard_gamma", (0.7,)),
        ("standard_gamma", (1.1,)),
        ("poisson", (10.0,)),
        ("poisson", (250.0,)),
        ("binomial", (100, 0.4)),
        ("binomial", (5000, 0.9)),
        ("binomial", (10**7, 0.5)),
    ]:
        drawn, expected = native.draw(name, args, 100_000), getattr(oracle, name)(*args, size=100_000)
        assert drawn.tobytes() == expected.tobytes(), (name, args)
        assert native.position == position(oracle)
        if name == "standard_exponential":
            assert drawn.max() > 7.69711747013104972  # so the tail was reached


def test_arguments_at_random_are_numpys(library):
    rng = np.random.default_rng(5)
    native, oracle = Native(library, 5), np.random.default_rng(5)
    for _ in range(3000):
        name = str(rng.choice(["poisson", "binomial", "geometric", "standard_gamma", "exponential", "integers"]))
        args: tuple[float, ...] = (float(10 ** rng.uniform(-4, 8)),)
        if name == "geometric":
            args = (float(10 ** rng.uniform(-12, 0)),)
        elif name == "binomial":
            args = (int(10 ** rng.uniform(0, 12)), float(rng.choice([rng.random(), 10 ** rng.uniform(-12, 0)])))
        elif name == "integers":
            args = (int(2 ** rng.uniform(0, 62)),)
        expected = getattr(oracle, name)(*((0, *args) if name == "integers" else args), size=4)
        assert native.draw(name, args, 4).tobytes() == expected.tobytes(), (name, args)
    assert native.position == position(oracle)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 10, 52, 257, 70000])
def test_shuffle_and_permutation_are_numpys(pairs, size):
    for native, oracle in pairs():
        for _ in range(3 if size < 1000 else 1):
            mine, theirs = np.arange(size) * 3, np.arange(size) * 3
            native.shuffle(mine)
            oracle.shuffle(theirs)
            np.testing.assert_array_equal(mine, theirs)
            np.testing.assert_array_equal(native.permutation(size), oracle.permutation(size))


def test_anything_with_an_order_can_be_shuffled(library):
    out = np.empty(20, np.int64)
    for seed in SEEDS:
        library.shuffle_kinds(ctypes.c_uint64(seed), ctypes.c_void_p(out.ctypes.data))
        rng = np.random.default_rng(seed)
        expected: list[Any] = [np.arange(5), np.arange(5.0), list("01234"), [False, False, True, True, True]]
        for values in expected:
            rng.shuffle(values)
        assert out.tolist() == [int(value) for values in expected for value in values]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(
    ("n", "sizes"),
    [
        (1, [0, 1]),
        (10, [1, 2, 9, 10]),
        (100, [63, 64, 65, 100]),
        (10000, [150, 201, 500, 501, 10000]),  # a set
        (10001, [200, 201, 500, 501, 10001]),  # a set up to 200 (500 without the shuffle), then the tail
        (2**40, [1, 300]),
    ],
)
def test_choice_without_replacement_is_numpys(pairs, n, sizes, shuffle):
    for native, oracle in pairs():
        for size in sizes:
            expected = oracle.choice(n, size, replace=False, shuffle=shuffle)
            np.testing.assert_array_equal(native.choice(n, size, replace=False, shuffle=shuffle), expected)
            assert native.position == position(oracle), size


def test_choice_with_replacement_is_numpys(pairs):
    for native, oracle in pairs():
        for n, size in [(1, 5), (3, 7), (10001, 20), (2**35, 11)]:
            np.testing.assert_array_equal(native.choice(n, size), oracle.choice(n, size))


def probabilities() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    random = [rng.random(size) for size in (2, 5, 64, 1000)]
    steep = 10.0 ** -np.arange(12)
    holes = np.array([0.0, 0.0, 3.0, 0.0, 1.0, 2.0, 0.0])
    return [np.ones(1), *(weights / weights.sum() for weights in (*random, steep, holes, np.ones(7)))]


@pytest.mark.parametrize("replace", [True, False])
def test_choice_with_probabilities_is_numpys(pairs, replace):
    for native, oracle in pairs():
        for p in probabilities():
            possible = int(np.count_nonzero(p))
            for size in sorted({0, 1, min(3, possible), min(40, possible), possible}):
                expected = oracle.choice(len(p), size, replace=replace, p=p)
                np.testing.assert_array_equal(native.choice(len(p), size, replace=replace, p=p), expected)
            for _ in range(20):
                assert native.choice(len(p), p=p) == oracle.choice(len(p), p=p)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("exponential", (-1.0,)),
        ("exponential", (-0.0,)),
        ("standard_gamma", (-1e-9,)),
        ("gamma", (1.0, -2.0)),
        ("poisson", (-1.0,)),
        ("poisson", (float("nan"),)),
        ("poisson", (9.3e18,)),
        ("binomial", (-1, 0.5)),
        ("binomial", (5, -0.1)),
        ("binomial", (5, 1.1)),
        ("binomial", (5, float("nan"))),
        ("geometric", (0.0,)),
        ("geometric", (1.5,)),
        ("geometric", (float("nan"),)),
        ("choice", (0,)),
    ],
)
def test_what_numpy_refuses_is_refused(library, name, args):
    native, oracle = Native(library, 0), np.random.default_rng(0)
    with pytest.raises(ValueError):  # noqa: PT011, the oracle's
        getattr(oracle, name)(*args)
    with pytest.raises(ValueError, match=rf"^{name.removeprefix('standard_')}: expected .*, got"):
        native.draw(name, args, 1)
    assert native.position == position(oracle)


@pytest.mark.parametrize(
    ("n", "arguments", "message"),
    [
        (3, {"size": 4, "replace": False}, "expected at most 3 numbers to be asked for, got 4"),
        (0, {"size": 2}, "expected n >= 1, got 0"),
        (2, {"size": 1, "p": [0.5, 0.4]}, r"expected probabilities with the sum 1, got 0\.9"),
        (2, {"size": 1, "p": [1.5, -0.5]}, r"expected probabilities >= 0, got -0\.5"),
        (2, {"size": 1, "p": [float("nan"), 1.0]}, "expected probabilities >= 0, got -?nan"),
        (3, {"size": 2, "p": [0.0, 1.0, 0.0], "replace": False}, "expected at most 1 numbers .* above 0, got 2"),
    ],
)
def test_a_choice_that_numpy_refuses_is_refused(library, n, arguments, message):
    native, oracle = Native(library, 0), np.random.default_rng(0)
    with pytest.raises(ValueError):  # noqa: PT011, the oracle's
        oracle.choice(n, **arguments)
    with pytest.raises(ValueError, match=message):
        native.choice(n, **arguments)
    assert native.position == position(oracle)
