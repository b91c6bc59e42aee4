"""Moving rows faster than a plain loop: later ones are fetched ahead, and stores go past the caches.

Rows of a shuffled batch lie apart, so that the processor cannot foresee the next one. Fetched into the second cache a
line does not hold one of the few places in which the first waits for memory (on a Zen 4 core 17 GB/s came of that
instead of 12). A store that goes past the caches does not first read what it overwrites, and leaves the caches to what
is read. Intrinsics lack types: hence Any.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from kernels.compiling import numba
from kernels.data.manifest import Floats

# float32 values of a cache line, and of a store: its address is a multiple of 16 bytes, as memory from malloc is
_LINE = 16
_VALUES = 4
# rows between the one that is moved and the one that is fetched
AHEAD = 2


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """Of an element of a vector."""
    elements = context.make_array(kind)(context, builder, array)
    return cgutils.get_item_pointer(context, builder, kind, elements, [index], wraparound=False)


@intrinsic
def _fetch(typing_context: Any, source: Any, index: Any) -> Any:
    """Begin to read the cache line of ``source[index]`` into the second cache."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        flag = ir.IntType(32)
        address = builder.bitcast(_address(context, builder, source, *values), cgutils.voidptr_t)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, flag, flag, flag])
        # for reading, next to the nearest cache, as data
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [address, flag(0), flag(2), flag(1)])
        return context.get_dummy_value()

    return numba.types.void(source, index), generate


@intrinsic
def _stream(typing_context: Any, source: Any, target: Any, index: Any) -> Any:
    """Four values from ``source[index]`` on, to the same place of ``target``, past the caches."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vector = ir.VectorType(ir.FloatType(), _VALUES).as_pointer()
        read, write = (
            builder.bitcast(_address(context, builder, kind, array, values[2]), vector)
            for kind, array in ((source, values[0]), (target, values[1]))
        )
        loaded = builder.load(read, align=4)
        store = builder.store(loaded, write, align=4 * _VALUES)
        store.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))
        return context.get_dummy_value()

    return numba.types.void(source, target, index), generate


@intrinsic
def _fence(typing_context: Any) -> Any:
    """What was written is there before anything that follows."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return numba.types.void(), generate


fetch: Any = _fetch
stream: Any = _stream
fence: Any = _fence


@numba.njit(nogil=True)
def move_row(source: Floats, following: Floats, target: Floats) -> None:
    """Copy a row of float32, whole cache lines long, while ``following``, the source of a later one, is fetched.

    Call `fence` before another thread may read what was written.
    """
    for start in range(0, target.size, _LINE):
        fetch(following, start)
        for index in range(start, start + _LINE, _VALUES):
            stream(source, target, index)
