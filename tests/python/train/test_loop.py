"""Loops of compiled functions, against the same calls made one by one."""

from __future__ import annotations

import os
import signal
from typing import NamedTuple

import pytest
import torch

from fastvec import _core
from fastvec.errors import ForkedError
from fastvec.train.compiled import function as function_module
from fastvec.train.compiled.cache import ArtifactCache
from fastvec.train.compiled.function import CompiledFunction
from fastvec.train.compiled.library import GeneratedLibrary, find_gemm
from fastvec.train.compiled.loop import CompiledLoop, Phase
from fastvec.train.jit import can_compile

pytestmark = [
    pytest.mark.skipif(not can_compile(), reason="this PyTorch cannot compile whole updates"),
    pytest.mark.skipif(find_gemm() is None, reason="PyTorch does not show its BLAS"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


class Pair(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor


def product(state, pair, bias):
    return pair.left @ state["weight"] @ pair.right + bias


def take_in(state, parts):
    total = parts[0] + 2.0 * parts[1]
    state["weight"].mul_(0.9).add_(total, alpha=0.01)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def made(tmp_path, num_threads):
    """A loop of two phases, its state, and where the first phase leaves what it makes."""
    state = {"weight": draw(6, 6)}
    parts = [torch.zeros(6, 6), torch.zeros(6, 6)]
    cache = ArtifactCache(tmp_path)
    phases = [
        Phase(CompiledFunction(product, cache=cache), fixed=[(state,)] * 2, into=[(x,) for x in parts]),
        Phase(CompiledFunction(take_in, cache=cache), fixed=[(state, parts)], into=[()]),
    ]
    return CompiledLoop(phases, num_threads=num_threads), state


def arguments(count, seed, step=1):
    """For both calls of the first phase, and none for the second; only every ``step``-th row is one."""

    def rows(*shape, seed):
        return draw(count * step, *shape, seed=seed)[::step]

    calls = [(Pair(rows(6, 6, seed=seed + i) / 6, rows(6, 6, seed=seed + i + 5)), rows(6, seed=i)) for i in range(2)]
    return [calls, [()]]


def one_by_one(weight, calls, count):
    state = {"weight": weight.clone()}
    for row in range(count):
        made = [product(state, Pair(pair.left[row], pair.right[row]), bias[row]) for pair, bias in calls]
        take_in(state, made)
    return state["weight"]


@pytest.mark.parametrize("num_threads", [1, 2, 3])
def test_rows_are_called_in_order_on_the_tensors_of_each_run(tmp_path, num_threads):
    loop, state = made(tmp_path, num_threads)
    for seed, count, step in ((1, 40, 1), (2, 7, 1), (3, 5, 3)):
        given = arguments(count, seed, step)
        expected = one_by_one(state["weight"], given[0], count)
        loop.run(given, count)
        torch.testing.assert_close(state["weight"], expected, rtol=1e-4, atol=1e-5)


def no_addresses(monkeypatch):
    monkeypatch.setattr(GeneratedLibrary, "addresses", lambda *args: None)


def no_generator(monkeypatch):
    monkeypatch.setattr(function_module, "find_gemm", lambda: None)


@pytest.mark.parametrize("without", [no_addresses, pytest.param(no_generator, marks=pytest.mark.extended)])
def test_where_there_is_no_native_loop_the_same_calls_are_made_from_python(without, tmp_path, monkeypatch):
    without(monkeypatch)
    monkeypatch.setattr(_core, "ProgramLoop", None)
    loop, state = made(tmp_path, 2)
    given = arguments(6, 1)
    expected = one_by_one(state["weight"], given[0], 6)
    loop.run(given, 6)
    torch.testing.assert_close(state["weight"], expected, rtol=1e-4, atol=1e-5)


def test_an_index_out_of_bounds_ends_the_loop(tmp_path):
    def look_up(out, table, index):
        out.add_(table[index].sum())

    out = torch.zeros(())
    phase = Phase(CompiledFunction(look_up, cache=ArtifactCache(tmp_path)), fixed=[(out,)], into=[()])
    loop = CompiledLoop([phase])
    tables, index = torch.ones(5, 3), torch.tensor([[0], [1], [2], [3], [0]])
    with pytest.raises(IndexError):
        loop.run([[(tables, index)]], 5)
    assert out.item() == 3.0
    loop.run([[(tables, index.clamp(max=2))]], 5)
    assert out.item() == 8.0


def test_ctrl_c_ends_a_long_loop(tmp_path):
    def grow(total, x):
        for _ in range(20):
            x = torch.tanh(x @ x)
        total.add_(x.sum())

    total = torch.zeros(())
    phase = Phase(CompiledFunction(grow, cache=ArtifactCache(tmp_path)), fixed=[(total,)], into=[()])
    loop = CompiledLoop([phase])
    rows = torch.ones(1, 256, 256).expand(100_000, 256, 256)  # minutes of work
    loop.run([[(rows[:1],)]], 1)
    assert total.item() != 0.0
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run([[(rows,)]], len(rows))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    loop.run([[(rows[:1],)]], 1)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_is_refused_and_ends(tmp_path):
    loop, _ = made(tmp_path, 2)
    given = arguments(3, 1)
    loop.run(given, 3)
    child = os.fork()
    if child == 0:
        try:
            loop.run(given, 3)
        except ForkedError:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_addresses_that_cannot_be_are_refused():
    with pytest.raises(TypeError, match="int64"):
        _core.ProgramLoop(0, [(0, torch.zeros(1, 2).numpy(), torch.zeros(1, 2).numpy())], 1, print)
    addresses, strides = torch.zeros(1, 2, dtype=torch.int64).numpy(), torch.zeros(2, 2, dtype=torch.int64).numpy()
    with pytest.raises(ValueError, match="shape"):
        _core.ProgramLoop(0, [(0, addresses, strides)], 1, print)
