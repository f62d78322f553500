"""What elementwise operations do to one element, as C expressions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from fastvec.train.compiled.codegen.unsupported import Unsupported
from fastvec.train.compiled.graph import Operation, View

__all__ = ["C_TYPES", "EXPRESSIONS", "Operands", "base_name", "literal"]

C_TYPES = {torch.float32: "float", torch.int64: "long", torch.bool: "bool", torch.int32: "int", torch.uint8: "u8"}


def literal(value: Any, c_type: str) -> str:
    """A Python number as a constant of that type."""
    if c_type != "float":
        return str(int(value))
    number = float(value)
    if math.isnan(number):
        return '__builtin_nanf("")'
    if math.isinf(number):
        return "INFINITY_" if number > 0 else "(-INFINITY_)"
    return f"{float(torch.tensor(number, dtype=torch.float32)).hex()}f"


class Operands:
    """The operands of one operation on one element.

    Args:
        operation: elementwise.
        load: gives the expression of an element of a tensor.
    """

    def __init__(self, operation: Operation, load: Callable[[View], str]) -> None:
        self.arguments = operation.arguments
        self.result = C_TYPES[operation.writes[0].dtype]
        self._load = load

    def __call__(self, name: str, c_type: str | None = None) -> str:
        """An operand, as the type of the result or another one."""
        value, wanted = self.arguments[name], c_type or self.result
        if not isinstance(value, View):
            return literal(value, wanted)
        text = self._load(value)
        return text if C_TYPES[value.dtype] == wanted else f"({wanted})({text})"

    def common_type(self, *names: str) -> str:
        """The type in which operands are compared."""
        kinds = [self.arguments[name] for name in names]
        floats = [k.dtype is torch.float32 if isinstance(k, View) else isinstance(k, float) for k in kinds]
        return "float" if any(floats) else "long"


def base_name(operation: Operation) -> str:
    """The name without overload, and without the mark of one that works in place."""
    return operation.name.partition(".")[0].rstrip("_")


def _compared(sign: str) -> Callable[[Operands], str]:
    def expression(o: Operands) -> str:
        kind = o.common_type("self", "other")
        return f"{o('self', kind)} {sign} {o('other', kind)}"

    return expression


def _called(name: str) -> Callable[[Operands], str]:
    return lambda o: f"{name}({o('self')})"


def _filled(value: Any) -> Callable[[Operands], str]:
    return lambda o: literal(value, o.result)


def _scaled(o: Operands, name: str, factor: str) -> str:
    """``name`` times the number ``factor``, which mostly is 1."""
    return o(name) if o.arguments[factor] == 1 else f"{literal(o.arguments[factor], o.result)} * {o(name)}"


def _divided(o: Operands) -> str:
    if o.arguments.get("rounding_mode") is not None:
        raise Unsupported("div with rounding")
    return f"{o('self')} / {o('other')}"


def _power(o: Operands) -> str:
    exponent = o.arguments["exponent"]
    if exponent == 1:
        return o("self")
    if exponent == 2:
        return f"squared({o('self')})"
    if o.result != "float":
        raise Unsupported("pow of whole numbers")
    if exponent == 0.5:
        return f"sqrtf({o('self')})"
    return f"powf({o('self')}, {o('exponent')})"


def _bitwise(text: str) -> Callable[[Operands], str]:
    """Of truth values, which are numbers here; of others it would be something else."""

    def expression(o: Operands) -> str:
        if o.result != "bool":
            raise Unsupported("bits of whole numbers")
        return text.format(o("self"), o("other") if "{1}" in text else "")

    return expression


def _clamped(o: Operands) -> str:
    text = o("self")
    if o.arguments.get("min") is not None:
        text = f"at_least({text}, {o('min')})"
    if o.arguments.get("max") is not None:
        text = f"at_most({text}, {o('max')})"
    return text


def _lerped(o: Operands) -> str:
    weight = o.arguments["weight"]
    if isinstance(weight, View):
        raise Unsupported("lerp with a tensor of weights")
    if weight < 0.5:
        return f"{o('self')} + {o('weight')} * ({o('end')} - {o('self')})"
    return f"{o('end')} - ({o('end')} - {o('self')}) * {literal(1.0 - weight, o.result)}"


EXPRESSIONS: dict[str, Callable[[Operands], str]] = {
    "add": lambda o: f"{o('self')} + {_scaled(o, 'other', 'alpha')}",
    "sub": lambda o: f"{o('self')} - {_scaled(o, 'other', 'alpha')}",
    "rsub": lambda o: f"{o('other')} - {_scaled(o, 'self', 'alpha')}",
    "mul": lambda o: f"{o('self')} * {o('other')}",
    "div": _divided,
    "neg": lambda o: f"-({o('self')})",
    "abs": _called("absolute"),
    "sgn": _called("sign_of"),
    "sign": _called("sign_of"),
    "exp": _called("exp_"),
    "log": _called("log_"),
    "log1p": _called("log1p_"),
    "tanh": _called("tanh_"),
    "sigmoid": _called("sigmoid_"),
    "erf": _called("erff"),
    "sqrt": _called("sqrtf"),
    "rsqrt": lambda o: f"1.0f / sqrtf({o('self')})",
    "floor": _called("floorf"),
    "reciprocal": lambda o: f"1.0f / {o('self')}",
    "relu": lambda o: f"at_least({o('self')}, 0)",
    "silu": lambda o: f"{o('self')} * sigmoid_({o('self')})",
    "pow": _power,
    "maximum": lambda o: f"larger({o('self')}, {o('other')})",
    "minimum": lambda o: f"smaller({o('self')}, {o('other')})",
    "clamp": _clamped,
    "clamp_min": _clamped,
    "clamp_max": _clamped,
    "eq": _compared("=="),
    "ne": _compared("!="),
    "lt": _compared("<"),
    "le": _compared("<="),
    "gt": _compared(">"),
    "ge": _compared(">="),
    "logical_not": lambda o: f"!({o('self', 'bool')})",
    "logical_and": lambda o: f"({o('self', 'bool')} & {o('other', 'bool')})",
    "logical_or": lambda o: f"({o('self', 'bool')} | {o('other', 'bool')})",
    "bitwise_not": _bitwise("!({0})"),
    "bitwise_and": _bitwise("({0} & {1})"),
    "bitwise_or": _bitwise("({0} | {1})"),
    "where": lambda o: f"{o('condition', 'bool')} ? {o('self')} : {o('other')}",
    "masked_fill": lambda o: f"{o('mask', 'bool')} ? {o('value')} : {o('self')}",
    "lerp": _lerped,
    "addcmul": lambda o: f"{o('self')} + {o('value')} * {o('tensor1')} * {o('tensor2')}",
    "threshold_backward": lambda o: f"{o('self')} <= {o('threshold')} ? 0.0f : {o('grad_output')}",
    "tanh_backward": lambda o: f"{o('grad_output')} * (1.0f - squared({o('output')}))",
    "sigmoid_backward": lambda o: f"{o('grad_output')} * (1.0f - {o('output')}) * {o('output')}",
    "silu_backward": lambda o: f"{o('grad_output')} * silu_slope({o('self')})",
    "softplus": lambda o: f"softplus_({o('self')}, {o('beta')}, {o('threshold')})",
    "softplus_backward": lambda o: f"{o('grad_output')} * softplus_slope({o('self')}, {o('beta')}, {o('threshold')})",
    "clone": lambda o: o("self"),
    "_to_copy": lambda o: o("self"),
    "copy": lambda o: o("src"),
    "fill": lambda o: o("value"),
    "zero": _filled(0),
    "zeros": _filled(0),
    "zeros_like": _filled(0),
    "new_zeros": _filled(0),
    "ones": _filled(1),
    "ones_like": _filled(1),
    "new_ones": _filled(1),
    "full": lambda o: o("fill_value"),
    "full_like": lambda o: o("fill_value"),
    "scalar_tensor": lambda o: o("s"),
}
"""By :func:`base_name`."""
