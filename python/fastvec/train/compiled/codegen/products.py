"""Products of matrices: by BLAS, but for those that are so thin that it would be slow."""

from __future__ import annotations

import torch

from fastvec.train.compiled.codegen.expressions import literal
from fastvec.train.compiled.codegen.schedule import broadcast_strides
from fastvec.train.compiled.codegen.unsupported import Unsupported
from fastvec.train.compiled.codegen.writer import Writer, at
from fastvec.train.compiled.graph import Operation, View

THIN = 4
"""Up to so many rows, columns or products of an element, loops of our own are faster than BLAS."""


def write_product(writer: Writer, a: View, b: View, result: View, bias: View | None, *, alpha: float = 1.0) -> None:
    """``result = alpha a b + bias`` for matrices."""
    (m, k), n = a.shape, b.shape[1]
    if {a.dtype, b.dtype, result.dtype} != {torch.float32} or (result.strides[1] != 1 and n != 1):
        raise Unsupported("a product of this layout")
    if bias is not None:
        bias = expanded(bias, result.shape)
    if k <= THIN and n > 1:
        write_with_few_terms(writer, a, b, result, bias, alpha)
    elif n <= THIN and a.strides[1] == 1:
        write_with_few_columns(writer, a, b, result, bias, alpha)
    elif m <= THIN and b.strides[1] == 1:
        write_with_few_rows(writer, a, b, result, bias, alpha)
    else:
        write_call_of_blas(writer, a, b, result, bias, alpha)


def expanded(view: View, shape: tuple[int, ...]) -> View:
    """A tensor as one of ``shape``, to which it is broadcast."""
    return view._replace(shape=shape, strides=broadcast_strides(view, shape))


def plus_bias(text: str, bias: View | None, row: str, column: str) -> str:
    """``text`` and the bias there."""
    return text if bias is None else f"{at(bias, [row, column])} + {text}"


def write_with_few_terms(writer: Writer, a: View, b: View, result: View, bias: View | None, alpha: float) -> None:
    """An element at a time: row after row of the result, along which vectors lie."""
    (m, k), n = a.shape, b.shape[1]
    with writer.loop(m) as i, writer.loop(n, pragma="GCC ivdep") as j:
        total = " + ".join(f"{at(a, [i, str(x)])} * {at(b, [str(x), j])}" for x in range(k))
        writer.line(f"{at(result, [i, j])} = {plus_bias(scaled(total, alpha), bias, i, j)};")


def write_with_few_columns(writer: Writer, a: View, b: View, result: View, bias: View | None, alpha: float) -> None:
    """A row at a time: some sums, along which vectors lie."""
    (m, k), n = a.shape, b.shape[1]
    with writer.loop(m) as i:
        for j in range(n):
            writer.line(f"float t{j} = 0;")
        names = ", ".join(f"t{j}" for j in range(n))
        with writer.loop(k, pragma=f"omp simd reduction(+ : {names})") as x:
            for j in range(n):
                writer.line(f"t{j} += {at(a, [i, x])} * {at(b, [x, str(j)])};")
        for j in range(n):
            total = plus_bias(scaled(f"t{j}", alpha), bias, i, str(j))
            writer.line(f"{at(result, [i, str(j)])} = {total};")


def write_with_few_rows(writer: Writer, a: View, b: View, result: View, bias: View | None, alpha: float) -> None:
    """All of it at once, for one row of ``b`` after the other."""
    (m, k), n = a.shape, b.shape[1]
    write_bias(writer, result, bias)
    with writer.loop(k) as x, writer.loop(n, pragma="GCC ivdep") as j:
        for i in range(m):
            term = scaled(f"{at(a, [str(i), x])} * {at(b, [x, j])}", alpha)
            writer.line(f"{at(result, [str(i), j])} += {term};")


def write_bias(writer: Writer, result: View, bias: View | None) -> None:
    """Begin with the bias, or with 0."""
    with writer.loop(result.shape[0]) as i, writer.loop(result.shape[1], pragma="GCC ivdep") as j:
        writer.line(f"{at(result, [i, j])} = {'0' if bias is None else at(bias, [i, j])};")


def write_call_of_blas(writer: Writer, a: View, b: View, result: View, bias: View | None, alpha: float) -> None:
    """By BLAS, which sees rows as columns: of the transposed matrices, ``result = b a``."""
    if bias is not None:
        write_bias(writer, result, bias)
    (m, k), n = a.shape, b.shape[1]
    (first, lda), (second, ldb) = blas_layout(a), blas_layout(b)
    ldc = max(result.strides[0], n, 1)
    writer.line(f"const int m = {m}, n = {n}, k = {k}, lda = {lda}, ldb = {ldb}, ldc = {ldc};")
    writer.line(f"const float alpha = {literal(alpha, 'float')}, beta = {0 if bias is None else 1};")
    places = [f"&{at(view, ['0', '0'])}" for view in (b, a, result)]
    words = f"{places[0]}, &ldb, {places[1]}, &lda, &beta, {places[2]}, &ldc"
    writer.line(f'gemm("{second}", "{first}", &n, &m, &k, &alpha, {words});')


def scaled(text: str, alpha: float) -> str:
    """A product with a number that mostly is 1."""
    return text if alpha == 1 else f"{literal(alpha, 'float')} * ({text})"


def blas_layout(view: View) -> tuple[str, int]:
    """How BLAS sees a matrix whose rows lie side by side ("N") or whose columns do ("T"), and how far apart."""
    (rows, columns), (down, across) = view.shape, view.strides
    if across == 1 or columns == 1:
        if columns == 1 and rows != 1 and down == 1:
            return "T", max(across, rows, 1)
        return "N", max(down, columns, 1)
    if down == 1 or rows == 1:
        return "T", max(across, rows, 1)
    raise Unsupported("a matrix of this layout")


def matrices_of(view: View) -> list[View]:
    """The matrices of a batch ``[B, M, N]``."""
    count, *shape = view.shape
    return [
        View(view.buffer, view.offset + i * view.strides[0], tuple(shape), view.strides[1:], view.dtype)
        for i in range(count)
    ]


def mm(writer: Writer, operation: Operation) -> None:
    """``self mat2``."""
    write_product(writer, operation.arguments["self"], operation.arguments["mat2"], operation.writes[0], None)


def addmm(writer: Writer, operation: Operation) -> None:
    """``self + alpha mat1 mat2``."""
    given = operation.arguments
    if given["beta"] != 1:
        raise Unsupported("addmm with beta")
    write_product(writer, given["mat1"], given["mat2"], operation.writes[0], given["self"], alpha=float(given["alpha"]))


def bmm(writer: Writer, operation: Operation) -> None:
    """The products of two batches of matrices."""
    given = operation.arguments
    parts = [matrices_of(view) for view in (given["self"], given["mat2"], operation.writes[0])]
    for a, b, result in zip(*parts, strict=True):
        with writer.block("{"):
            write_product(writer, a, b, result, None)


def baddbmm(writer: Writer, operation: Operation) -> None:
    """The same, added to ``self``."""
    given, result = operation.arguments, operation.writes[0]
    if given["beta"] != 1 or given["alpha"] != 1:
        raise Unsupported("baddbmm with factors")
    whole = expanded(given["self"], result.shape)
    parts = [matrices_of(view) for view in (given["batch1"], given["batch2"], result, whole)]
    for a, b, one, part in zip(*parts, strict=True):
        with writer.block("{"):
            write_product(writer, a, b, one, part)
