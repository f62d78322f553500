"""Programs of our own code generator, against the same functions run by PyTorch."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fastvec.train.compiled.build import Build, write_generated
from fastvec.train.compiled.cache import ArtifactCache
from fastvec.train.compiled.codegen.emit import program
from fastvec.train.compiled.codegen.schedule import groups_of, without_unused
from fastvec.train.compiled.codegen.unsupported import Unsupported
from fastvec.train.compiled.library import GeneratedLibrary, find_gemm
from fastvec.train.compiled.recording import Recording, tensors_in

pytestmark = pytest.mark.skipif(find_gemm() is None, reason="PyTorch does not show its BLAS")


def build(function, *arguments, tmp_path):
    """``function`` as a program: takes the same arguments, and returns a list of tensors."""
    recording = Recording(function, arguments)
    work = Build(partial(write_generated, recording), "key", ArtifactCache(tmp_path))
    library = GeneratedLibrary(str(work.finish()), recording)
    work.close()
    return lambda *given: library([x for x in tensors_in(given) if x is not None])


def assert_close(actual: Tensor, expected: Tensor, tolerance: float = 2e-6) -> None:
    assert actual.dtype is expected.dtype
    assert actual.shape == expected.shape
    assert actual.stride() == expected.stride() or expected.numel() <= 1 or 1 in expected.shape
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance, equal_nan=True)


def check(function, *arguments, tmp_path, tolerance=2e-6):
    """A program gives what PyTorch gives, and changes what PyTorch changes."""
    with torch.no_grad():
        call = build(function, *arguments, tmp_path=tmp_path)
        mine = [x.clone() for x in arguments]
        theirs = [x.clone() for x in arguments]
        actual = call(*mine)
        result = function(*theirs)
    expected = [x for x in tensors_in(result) if x is not None]
    assert len(actual) == len(expected)
    for one, other in zip([*actual, *mine], [*expected, *theirs], strict=True):
        assert_close(one, other, tolerance)


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


SPECIAL = torch.tensor(
    [
        *(0.0, -0.0, 1.0, -1.0, 1e-8, -1e-8, 0.3, 20.5, -20.5, 88.0, 89.5, -87.0, -95.0, -110.0, 1e-40, 3e38, -3e38),
        *(math.inf, -math.inf, math.nan),
    ]
)
UNARY = {
    "exp": torch.exp,
    "log": torch.log,
    "log1p": torch.log1p,
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "softplus": functional.softplus,
    "relu": torch.relu,
    "sqrt": torch.sqrt,
    "rsqrt": torch.rsqrt,
    "abs": torch.abs,
    "neg": torch.neg,
    "erf": torch.erf,
    "floor": torch.floor,
    "sign": torch.sign,
    "reciprocal": torch.reciprocal,
    "square": lambda x: x**2,
    "root": lambda x: x**0.5,
    "power": lambda x: x**3.0,
    "clamp": lambda x: x.clamp(-0.5, 2.0),
    "clamp_min": lambda x: x.clamp_min(0.25),
    "cast": lambda x: (x > 0).float() + (x == x).long(),
}


def test_functions_of_one_number_are_right_to_the_last_digits_and_at_the_edges(tmp_path):
    def all_of_them(x):
        return tuple(function(x) for function in UNARY.values())

    x = torch.cat([SPECIAL, numbers(1000) * 5, torch.linspace(-105.0, 90.0, 4001)])
    with torch.no_grad():
        actual = build(all_of_them, x, tmp_path=tmp_path)(x)
        expected = all_of_them(x)
    for name, one, other in zip(UNARY, actual, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-37, equal_nan=True, msg=lambda m, n=name: f"{n}: {m}")


def test_tanh_is_right_to_1e_7(tmp_path):
    x = torch.cat([SPECIAL, torch.linspace(-12.0, 12.0, 5001)])
    (actual,) = build(torch.tanh, x, tmp_path=tmp_path)(x)
    torch.testing.assert_close(actual, torch.tanh(x), rtol=0, atol=2e-7, equal_nan=True)


def test_comparisons_choices_and_arithmetic_with_numbers_and_nan(tmp_path):
    def function(x, y, whole, flags):
        return (
            *(op(x, y) for op in (torch.maximum, torch.minimum, torch.eq, torch.ne, torch.lt, torch.le)),
            *(x > 0.5, x >= y, 2 - x, 3 * x - y / 2, x.lerp(y, 0.1), x.lerp(y, 0.9), whole + 1, whole * whole - 2),
            *(torch.where(flags, x, -math.inf), torch.where(x > y, whole, 7), x.masked_fill(flags, 3.0)),
            *(flags & (x > 0), flags | (x > 0), ~flags, x * flags, whole * 0.5, torch.addcmul(x, y, y, value=0.25)),
            *(whole == 3, flags.float() - x, 0.9 ** whole.float(), torch.zeros_like(x), torch.full((2, 3), 4.5)),
        )

    x, y = numbers(6, 7), numbers(6, 7, seed=1)
    x[0, 0] = y[1, 1] = math.nan
    y[2] = x[2]
    whole = torch.arange(42).view(6, 7) % 5 - 2
    check(function, x, y, whole, x > 0.3, tmp_path=tmp_path)


def test_operands_of_any_layout(tmp_path):
    def function(x, row, column, number):
        turned = x.t()
        return (
            *(x + row, x * column, turned * number, turned.contiguous(), x[:, 1:4] * x[:, 2:5], x[::2] + row),
            *(x.unsqueeze(1) * x.unsqueeze(0), row.expand(3, 5, 7).clone(), x.flatten() * 2, torch.cat([x, x[1:]], 0)),
            *(torch.cat([x, column, x[:, :2]], -1), torch.stack([row, row * 2], 1), torch.stack([x, turned.t()], 0)),
            *(x.view(5, 7, 1).squeeze(-1).exp().t(), number * number),
        )

    check(function, numbers(5, 7), numbers(7, seed=1), numbers(5, 1, seed=2), numbers(1, seed=3)[0], tmp_path=tmp_path)


def test_arguments_that_are_not_contiguous(tmp_path):
    x, y = numbers(7, 5).t(), numbers(5, 20, seed=1)[:, 3:10]
    with torch.no_grad():
        call = build(lambda a, b: (a * b, a @ b.t(), (a * b).sum(0)), x, y, tmp_path=tmp_path)
        actual, expected = call(x, y), (x * y, x @ y.t(), (x * y).sum(0))
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_reductions_along_any_dimensions(tmp_path):
    def function(x, whole, flags):
        return (
            *(x.sum(), x.sum(0), x.sum(1), x.sum(-1, keepdim=True), x.sum((0, 2)), x.sum((1, 2), keepdim=True)),
            *(x.mean(), x.mean(1), x.amax(-1), x.amin(0), x.amax((0, 1)), torch.linalg.vector_norm(x)),
            *(torch.linalg.vector_norm(x, dim=-1, keepdim=True), x.argmax(-1), x.argmax(0), x.argmin(1)),
            *(whole.sum(), whole.sum(0), flags.sum(), flags.sum(-1), x.t_().sum(0) if x.ndim == 2 else x[0].t().sum(0)),
        )

    x = numbers(4, 33, 9)
    x[1, 2, 3] = math.nan
    x[2, 5] = 1.5  # equal ones: the first counts
    check(function, x, torch.arange(60).view(4, 15), x > 0, tmp_path=tmp_path, tolerance=1e-5)


@pytest.mark.parametrize("m", [1, 3, 70])
@pytest.mark.parametrize("n", [1, 2, 65])
def test_products_of_matrices_of_any_shape_and_layout(m, n, tmp_path):
    def function(a, b, bias, column):
        thin, turned = a[:, :3], b.t().contiguous().t()
        return (
            *(a @ b, a @ turned, torch.addmm(bias, a, b), torch.addmm(bias, a, turned), thin @ b[:3]),
            *(torch.addmm(column, a, b), a.t() @ a, b.t() @ b, torch.addmm(bias, thin, b[:3], alpha=0.5)),
            *(a.t().contiguous().t() @ b, b.t() @ a.t(), a[:, ::2].contiguous() @ b[::2]),
        )

    arguments = numbers(m, 40), numbers(40, n, seed=1), numbers(n, seed=2), numbers(m, 1, seed=3)
    check(function, *arguments, tmp_path=tmp_path, tolerance=1e-4)


def test_products_of_batches(tmp_path):
    def function(a, b, bias):
        return torch.bmm(a, b), torch.baddbmm(bias, a, b), torch.bmm(b.transpose(1, 2), a.transpose(1, 2))

    check(
        function,
        numbers(2, 30, 17),
        numbers(2, 17, 8, seed=1),
        numbers(2, 1, 8, seed=2),
        tmp_path=tmp_path,
        tolerance=1e-5,
    )


def test_picking_and_scattering_by_index(tmp_path):
    def function(x, rows, columns):
        return (
            *(x[rows], x[:, rows], x.gather(1, columns), x.gather(-1, columns[:, :1]).squeeze(-1)),
            *(torch.zeros_like(x).scatter_add(1, columns, x[:, :3]), x.select(1, 2), x[1]),
            functional.pad(x, (2, 3)),
        )

    rows = torch.tensor([3, 0, -1, 3])
    columns = torch.tensor([[4, 0, 4], [1, 1, 1], [-1, 2, 3], [0, 0, 0]])
    columns[2, 0] = 4
    check(function, numbers(4, 5), rows, columns, tmp_path=tmp_path)


@pytest.mark.parametrize("wrong", [4, -5])
def test_an_index_out_of_bounds_is_an_error(wrong, tmp_path):
    x, rows = numbers(4, 5), torch.tensor([0, 1])
    call = build(lambda x, rows: x[rows] * 2, x, rows, tmp_path=tmp_path)
    assert torch.equal(call(x, torch.tensor([3, -4]))[0], x[[3, 0]] * 2)
    with pytest.raises(IndexError, match="out of bounds"):
        call(x, torch.tensor([0, wrong]))


WEIGHTS = torch.linspace(0.5, 1.5, 10_000)


def gradients(function, *leaves):
    """The gradients of a function's sum, weighted so that no two elements count the same."""
    leaves = [x.detach().requires_grad_() for x in leaves]
    with torch.enable_grad():
        result = function(*leaves)
        weights = WEIGHTS[: result.numel()].view(result.shape)
        return torch.autograd.grad((result * weights).sum(), leaves)


FUNCTIONS = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "silu": functional.silu,
    "sigmoid": torch.sigmoid,
    "softplus": functional.softplus,
    "log_softmax": lambda x: torch.log_softmax(x, -1),
    "softmax": lambda x: torch.softmax(x, -1),
    "logarithm": lambda x: (x.abs() + 0.1).log() * x.exp(),
    "clamped": lambda x: x.clamp(-1.0, 1.0) * torch.minimum(x, x * x),
    "picked": lambda x: x[:, 1] * x.gather(1, x.detach().argmax(1, keepdim=True)).squeeze(1),
    "norm": lambda x: x / torch.linalg.vector_norm(x, dim=-1, keepdim=True),
    "best": lambda x: x.amax(-1),
}


def test_gradients_are_those_of_pytorch(tmp_path):
    def function(x):
        return [gradients(one, x)[0] for one in FUNCTIONS.values()]

    check(function, numbers(50, 6) * 2, tmp_path=tmp_path, tolerance=1e-5)


def test_a_network_with_normalisation_and_its_gradients(tmp_path):
    def network(x, w, b, gain, shift):
        hidden = functional.layer_norm(functional.linear(x, w, b), (24,), gain, shift)
        return functional.silu(hidden) @ w

    def function(*tensors):
        return [network(*tensors), *gradients(network, *tensors)]

    tensors = numbers(64, 12), numbers(24, 12, seed=1), *(numbers(24, seed=s) for s in (2, 3, 4))
    check(function, *tensors, tmp_path=tmp_path, tolerance=1e-4)


def test_what_is_changed_in_place_is_read_before_and_after_as_in_order(tmp_path):
    def function(x, total, state):
        before = state.exp()
        state.mul_(0.5).add_(x.sum(0))
        total.add_(state.sum())
        state[1:3].sub_(1.0)
        after = state * 2
        state.lerp_(x[0], 0.25).addcmul_(x[1], x[2], value=0.1)
        x[0].copy_(after)
        return before, after, x.sum(), state[2:] + 1, x[1]

    check(function, numbers(4, 6), torch.zeros(()), numbers(6, seed=1), tmp_path=tmp_path, tolerance=1e-5)


def test_tensors_found_elsewhere_are_read_where_they_lie_at_each_call(tmp_path):
    flat = numbers(20)
    weight, bias = flat[2:14].view(3, 4), flat[16:20]
    x = numbers(5, 3, seed=1)
    call = build(lambda x: (x @ weight + bias, bias), x, tmp_path=tmp_path)
    flat.mul_(2.0)
    result, same = call(x)
    torch.testing.assert_close(result, x @ weight + bias, rtol=1e-5, atol=1e-6)
    assert same.data_ptr() == bias.data_ptr()


def test_results_belong_to_the_caller_and_threads_do_not_disturb_one_another(tmp_path):
    def function(x, w):
        return torch.tanh(torch.tanh(x @ w) @ w).sum(0)

    inputs = [numbers(200, 32, seed=s) for s in range(8)]
    w = numbers(32, 32, seed=99) / 6
    call = build(function, inputs[0], w, tmp_path=tmp_path)
    alone = [call(x, w)[0] for x in inputs]
    assert not torch.equal(alone[0], alone[1])
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda x: [call(x, w)[0] for _ in range(20)], inputs))
    for one, several in zip(alone, together, strict=True):
        assert all(torch.equal(one, other) for other in several)


def test_elementwise_operations_share_loops_and_what_nothing_needs_is_not_done():
    def function(x, y):
        unused = (x @ y).exp()
        assert unused is not None
        return ((x + 1) * (y - 1)).exp() * 2, (x + y).sum(0)

    graph = Recording(function, (numbers(8, 8), numbers(8, 8))).graph
    operations = without_unused(graph, {view.buffer for view in graph.results})
    assert "mm" not in [operation.name for operation in operations]
    groups = groups_of(operations)
    assert [len(group.operations) for group in groups] == [6, 1]


@pytest.mark.parametrize(
    "function",
    [
        torch.cumsum,
        lambda x, _: torch.linalg.qr(x)[0],
        lambda x, _: x.double() * 2,
        lambda x, _: x.long().amax(),
        lambda x, _: x * x.sum().item(),
    ],
)
def test_what_it_has_no_code_for_is_said(function):
    graph = Recording(lambda x: function(x, 0), (numbers(3, 3),)).graph
    with pytest.raises(Unsupported):
        program(graph)


def test_what_is_the_same_in_every_turn_of_a_loop_is_loaded_before_it():
    def function(x, scale, column):
        return (x * scale + column).exp()

    text = program(Recording(function, (torch.zeros(40, 30), torch.zeros(()), torch.zeros(40, 1))).graph)
    before, between, inside = text[text.index("int run(") :].split("for (")  # rows, and columns
    assert "= b1[0];" in before + between
    assert "= b2[0 + i1];" in between
    assert "b0[" in inside
    assert "b1[" not in inside
    assert "b2[" not in inside
