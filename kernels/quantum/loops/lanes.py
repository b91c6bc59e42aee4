"""Explicit SIMD for Numba: values of as many lanes as fill 64 bytes, one AVX-512 register or two of AVX2.

A `Lanes` value lives within compiled functions only. ``+``, ``-``, ``*`` and ``/`` work lane by lane, and a product
with a sum contracts to a fused multiply-add. Numba's own loops over lanes would check rows for overlap before each.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.extending import intrinsic, overload, register_model
from numpy.typing import NDArray

VECTOR_BYTES = 64


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> NDArray[Any]:
    """Memory that begins with a cache line, so that no vector straddles two."""
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.zeros(size + VECTOR_BYTES, np.uint8)
    start = -memory.ctypes.data % VECTOR_BYTES
    return memory[start : start + size].view(dtype).reshape(shape)


class Lanes(types.Type):
    """The type of ``count`` reals of type ``dtype``."""

    def __init__(self, dtype: Any, count: int) -> None:
        self.dtype, self.count = dtype, count
        super().__init__(name=f"Lanes({dtype}, {count})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Lanes) -> None:
        real = ir.FloatType() if kind.dtype == types.float32 else ir.DoubleType()
        super().__init__(manager, kind, ir.VectorType(real, kind.count))


def _operate(sign: Any, instruction: str) -> None:
    def typed(typing: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, instruction)(*arguments, flags=("contract",))

        return a(a, b), generate

    operation: Any = intrinsic(typed)

    def choose(a: Any, b: Any) -> Callable[[Any, Any], Any] | None:
        return (lambda a, b: operation(a, b)) if isinstance(a, Lanes) and a == b else None

    overload(sign, strict=False)(choose)


for _sign, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _operate(_sign, _instruction)


def _load(typing: Any, array: Any, index: Any) -> Any:
    """Vector ``index`` of a flat array of reals."""
    kind = Lanes(array.dtype, VECTOR_BYTES * 8 // array.dtype.bitwidth)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_address(context, builder, signature.args[0], kind, *arguments[:2]), align=_align(array))

    return kind(array, index), generate


def _spread(typing: Any, array: Any, index: Any) -> Any:
    """Entry ``index`` of a flat array of reals in every lane."""
    kind = Lanes(array.dtype, VECTOR_BYTES * 8 // array.dtype.bitwidth)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        vector = context.get_value_type(kind)
        number = ir.IntType(32)
        entry = builder.load(builder.gep(data, [arguments[1]]))
        first = builder.insert_element(ir.Constant(vector, ir.Undefined), entry, number(0))
        return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(number, kind.count), [0] * kind.count))

    return kind(array, index), generate


def _store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Make ``value`` the vector ``index`` of a flat array of its own type of reals."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature.args[0], value, *arguments[:2])
        builder.store(arguments[2], address, align=_align(array))
        return context.get_dummy_value()

    return types.void(array, index, value), generate


def _add_to(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Add ``value`` to the vector ``index`` of a flat array of its own type of reals."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature.args[0], value, *arguments[:2])
        total = builder.fadd(builder.load(address, align=_align(array)), arguments[2])
        builder.store(total, address, align=_align(array))
        return context.get_dummy_value()

    return types.void(array, index, value), generate


def _wide(typing: Any, value: Any) -> Any:
    """The same lanes in float64."""
    kind = Lanes(types.float64, value.count)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return arguments[0] if value == kind else builder.fpext(arguments[0], context.get_value_type(kind))

    return kind(value), generate


def _address(context: Any, builder: Any, array: Any, kind: Lanes, value: Any, index: Any) -> Any:
    data = context.make_array(array)(context, builder, value).data
    return builder.gep(builder.bitcast(data, context.get_value_type(kind).as_pointer()), [index])


def _align(array: Any) -> int:
    # of a real: whoever wants speed aligns the array, whoever does not is still right
    return int(array.dtype.bitwidth) // 8


# mypy takes an intrinsic's typing context for an argument of the call
load: Any = intrinsic(_load)
spread: Any = intrinsic(_spread)
store: Any = intrinsic(_store)
add_to: Any = intrinsic(_add_to)
wide: Any = intrinsic(_wide)
