"""What looks at all of a row: softmax, layer normalisation, and their gradients."""

from __future__ import annotations

from collections.abc import Sequence

from fastvec.train.compiled.codegen.expressions import literal
from fastvec.train.compiled.codegen.unsupported import Unsupported
from fastvec.train.compiled.codegen.writer import Kernel, Writer, at, axis_of, nested
from fastvec.train.compiled.graph import Operation, View


def rows_of(view: View, dim: int) -> tuple[Sequence[int], int]:
    """The sizes of all dimensions but the last, which ``dim`` has to be, and its size."""
    if not view.shape or axis_of(dim, view) != len(view.shape) - 1:
        raise Unsupported("along another dimension than the last")
    return view.shape[:-1], view.shape[-1]


def softmax(logarithm: bool) -> Kernel:
    """``softmax``, or its logarithm."""

    def write(writer: Writer, operation: Operation) -> None:
        source, result = operation.arguments["self"], operation.writes[0]
        outer, size = rows_of(source, operation.arguments["dim"])
        with nested(writer, outer, independent=False) as names:
            writer.line("float most = -INFINITY_, total = 0;")
            with writer.loop(size) as i:
                writer.line(f"most = larger(most, {at(source, [*names, i])});")
            with writer.loop(size, pragma="omp simd reduction(+ : total)") as i:
                writer.line(f"const float x = {at(source, [*names, i])} - most;")
                writer.line("const float y = exp_(x);")
                writer.line("total += y;")
                writer.line(f"{at(result, [*names, i])} = {'x' if logarithm else 'y'};")
            writer.line(f"const float last = {'log_(total)' if logarithm else '1.0f / total'};")
            with writer.loop(size, pragma="GCC ivdep") as i:
                writer.line(f"{at(result, [*names, i])} {'-=' if logarithm else '*='} last;")

    return write


def softmax_backward(logarithm: bool) -> Kernel:
    """The gradient of either."""

    def write(writer: Writer, operation: Operation) -> None:
        grad, output = operation.arguments["grad_output"], operation.arguments["output"]
        result = operation.writes[0]
        outer, size = rows_of(output, operation.arguments["dim"])
        with nested(writer, outer, independent=False) as names:
            writer.line("float total = 0;")
            with writer.loop(size, pragma="omp simd reduction(+ : total)") as i:
                factor = "" if logarithm else f" * {at(output, [*names, i])}"
                writer.line(f"total += {at(grad, [*names, i])}{factor};")
            with writer.loop(size, pragma="GCC ivdep") as i:
                g, y = at(grad, [*names, i]), at(output, [*names, i])
                text = f"{g} - exp_({y}) * total" if logarithm else f"{y} * ({g} - total)"
                writer.line(f"{at(result, [*names, i])} = {text};")

    return write


def layer_norm(writer: Writer, operation: Operation) -> None:
    """Rows with mean 0 and variance 1, times ``weight``, plus ``bias``."""
    given = operation.arguments
    source, weight, bias = given["input"], given["weight"], given["bias"]
    result, mean, deviation = operation.writes
    if len(given["normalized_shape"]) != 1:
        raise Unsupported("normalisation of several dimensions")
    size, outer = source.shape[-1], source.shape[:-1]
    with nested(writer, outer, independent=False) as names:
        writer.line("float total = 0, squares = 0;")
        with writer.loop(size, pragma="omp simd reduction(+ : total)") as i:
            writer.line(f"total += {at(source, [*names, i])};")
        writer.line(f"const float mean = total / {size};")
        with writer.loop(size, pragma="omp simd reduction(+ : squares)") as i:
            writer.line(f"squares += squared({at(source, [*names, i])} - mean);")
        writer.line(f"const float r = 1.0f / sqrtf(squares / {size} + {literal(given['eps'], 'float')});")
        writer.line(f"{at(mean, [*names, '0'])} = mean;")
        writer.line(f"{at(deviation, [*names, '0'])} = r;")
        with writer.loop(size, pragma="GCC ivdep") as i:
            factor = "" if weight is None else f" * {at(weight, [i])}"
            shift = "" if bias is None else f" + {at(bias, [i])}"
            writer.line(f"{at(result, [*names, i])} = ({at(source, [*names, i])} - mean) * r{factor}{shift};")


def layer_norm_backward(writer: Writer, operation: Operation) -> None:
    """The gradients of that: by the input, the weight and the bias, as far as they are wanted."""
    given = operation.arguments
    grad, source, weight = given["grad_out"], given["input"], given["weight"]
    mean, deviation = given["mean"], given["rstd"]
    made = iter(operation.writes)
    result, weight_grad, bias_grad = [next(made) if wanted else None for wanted in given["output_mask"]]
    size, outer = source.shape[-1], source.shape[:-1]
    for total in (weight_grad, bias_grad):
        if total is not None:
            with writer.loop(size) as i:
                writer.line(f"{at(total, [i])} = 0;")
    with nested(writer, outer, independent=False) as names:
        writer.line(f"const float mean = {at(mean, [*names, '0'])}, r = {at(deviation, [*names, '0'])};")
        writer.line("float first = 0, second = 0;")
        with writer.loop(size, pragma="omp simd reduction(+ : first, second)") as i:
            writer.line(f"const float g = {at(grad, [*names, i])}{'' if weight is None else f' * {at(weight, [i])}'};")
            writer.line("first += g;")
            writer.line(f"second += g * ({at(source, [*names, i])} - mean) * r;")
        with writer.loop(size, pragma="GCC ivdep") as i:
            writer.line(f"const float x = ({at(source, [*names, i])} - mean) * r, g = {at(grad, [*names, i])};")
            if weight_grad is not None:
                writer.line(f"{at(weight_grad, [i])} += g * x;")
            if bias_grad is not None:
                writer.line(f"{at(bias_grad, [i])} += g;")
            if result is not None:
                factor = "" if weight is None else f" * {at(weight, [i])}"
                writer.line(f"{at(result, [*names, i])} = r * (g{factor} - (first + x * second) / {size});")
