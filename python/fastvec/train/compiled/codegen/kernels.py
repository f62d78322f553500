"""Operations that are more than one loop over elements."""

from __future__ import annotations

from fastvec.train.compiled.codegen import indexing, products, rows
from fastvec.train.compiled.codegen.reductions import extreme, reduction
from fastvec.train.compiled.codegen.writer import Kernel

__all__ = ["KERNELS"]

KERNELS: dict[str, Kernel] = {
    "sum": reduction("0", "{0} + {1}"),
    "sum.dim_IntList": reduction("0", "{0} + {1}"),
    "mean": reduction("0", "{0} + {1}", "{0} / {count}"),
    "mean.dim": reduction("0", "{0} + {1}", "{0} / {count}"),
    "linalg_vector_norm": reduction("0", "{0} + squared({1})", "sqrtf({0})"),
    "amax": reduction("-INFINITY_", "larger({0}, {1})"),
    "amin": reduction("INFINITY_", "smaller({0}, {1})"),
    "argmax": extreme(">"),
    "argmin": extreme("<"),
    "mm": products.mm,
    "addmm": products.addmm,
    "bmm": products.bmm,
    "baddbmm": products.baddbmm,
    "index.Tensor": indexing.index,
    "gather": indexing.gather,
    "scatter_add": indexing.scatter_add,
    "cat": indexing.cat,
    "stack": indexing.stack,
    "select_backward": indexing.select_backward,
    "constant_pad_nd": indexing.constant_pad,
    "_log_softmax": rows.softmax(True),
    "_log_softmax_backward_data": rows.softmax_backward(True),
    "_softmax": rows.softmax(False),
    "_softmax_backward_data": rows.softmax_backward(False),
    "native_layer_norm": rows.layer_norm,
    "native_layer_norm_backward": rows.layer_norm_backward,
}
"""By the operation's whole name."""
