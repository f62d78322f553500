"""What a function does, as text: the same for the same function, another one for any other."""

from __future__ import annotations

import resource
import sys

import numpy as np
import pytest
import torch

from fastvec.train.compiled.recording import Recording


def test_it_neither_reads_nor_changes_the_arguments():
    total, x = torch.full((2,), torch.nan), {"x": torch.tensor([5.0, 6.0])}
    seen = []

    def step(total, pair):
        seen.append((total.tolist(), pair["x"].tolist()))
        total.add_(pair["x"] + 1.0)
        return total

    Recording(step, (total, x))
    assert seen == [([0.0, 0.0], [0.0, 0.0])]
    assert total.isnan().all()
    assert x["x"].tolist() == [5.0, 6.0]


@pytest.mark.parametrize(
    "other",
    [
        lambda x: x.add(2.5),  # another number
        lambda x: x.sub(2.0),  # another operation
        lambda x: x.add(2.0).add(0.0),  # one more
        lambda x: x.add_(2.0),  # in place
        lambda x: x.add(x),  # another input
        lambda x: (x.add(2.0), x),  # another result
    ],
)
def test_what_another_function_does_is_another_text(other):
    arguments = (torch.ones(2, 3),)
    text = Recording(lambda x: x.add(2.0), arguments).text
    assert Recording(lambda y: y + 2.0, arguments).text == text
    assert Recording(other, arguments).text != text


@pytest.mark.parametrize(
    "other",
    [torch.ones(3, 2), torch.ones(3, 2).T, torch.ones(2, 6)[:, ::2], torch.ones(2, 3, dtype=torch.float64)],
)
def test_arguments_that_lie_otherwise_make_another_text(other):
    def double(x):
        return x * 2

    assert Recording(double, (other,)).text != Recording(double, (torch.ones(2, 3),)).text


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0), (0, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bool, torch.int64, torch.bfloat16])
def test_zeros_have_the_shape_and_type_of_the_argument(shape, dtype):
    seen = []
    Recording(lambda x: seen.append((x.shape, x.dtype, x.any())) or x + x, (torch.ones(shape, dtype=dtype),))
    assert seen == [(shape, dtype, False)]


def test_inputs_that_swap_places_make_another_text():
    a, b = torch.ones(2), torch.ones(2)
    texts = {Recording(f, (a, b)).text for f in (lambda x, y: x - y, lambda x, y: y - x, lambda x, y: x - x)}
    assert len(texts) == 3


def test_gradients_are_recorded_as_the_operations_that_they_take():
    def slope(x):
        leaf = x.detach().requires_grad_()
        with torch.enable_grad():
            return torch.autograd.grad(leaf.sin().sum(), leaf)[0]

    assert "aten.cos" in Recording(slope, (torch.ones(3),)).text


def test_memory_that_was_freed_is_not_mistaken_for_what_comes_after_it():
    def chain(x):
        for _ in range(50):  # each result lies where the last but one did
            x = x + 1.0
        return x

    lines = Recording(chain, (torch.ones(1000),)).text.splitlines()
    made = [line.rsplit("-> ", 1)[1] for line in lines if "-> " in line]
    assert len(set(made)) == 50


def test_memory_is_only_taken_for_what_is_looked_at_of_a_large_argument():
    large = torch.from_numpy(np.zeros(2 << 30, np.uint8))  # nothing of it is in memory yet
    before = peak_memory()
    Recording(lambda x: x[torch.tensor([5, 1 << 30])] + 1, (large,))
    assert peak_memory() - before < 256 << 20


def test_what_the_function_lets_go_of_takes_no_memory():
    def chain(x):
        for _ in range(40):
            x = x + 1.0
        return x

    argument = torch.zeros(1 << 24)  # 64 MiB
    before = peak_memory()
    Recording(chain, (argument,))
    assert peak_memory() - before < 512 << 20


def peak_memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1024 if sys.platform == "linux" else 1)
