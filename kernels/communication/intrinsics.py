"""What Numba lacks: calling, reading and writing at addresses, in code that is compiled once and kept on disk.

Addresses are integers. Type checkers do not know what Numba adds to the call of an intrinsic, hence names that are Any.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def _call_address(typing_context: Any, address: Any, arguments: Any) -> Any:
    """Call the C function at ``address`` with a tuple of arguments; it returns an int.

    Numba calls ctypes' functions as well, but compiles their addresses in, so that nothing could be kept on disk.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function, packed = values
        parts = cgutils.unpack_tuple(builder, packed)
        kind = ir.FunctionType(ir.IntType(32), [part.type for part in parts])
        return builder.call(builder.inttoptr(function, kind.as_pointer()), parts)

    return numba.types.int32(address, arguments), generate


@intrinsic
def _load_acquire(typing_context: Any, address: Any) -> Any:
    """The int64 at ``address``; nothing that follows is read before it."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = builder.inttoptr(values[0], ir.IntType(64).as_pointer())
        return builder.load_atomic(pointer, "acquire", 8)

    return numba.types.int64(address), generate


@intrinsic
def _store_release(typing_context: Any, address: Any, value: Any) -> Any:
    """Write an int64 to ``address``; who sees it sees all that was written before."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = builder.inttoptr(values[0], ir.IntType(64).as_pointer())
        builder.store_atomic(values[1], pointer, "release", 8)
        return context.get_dummy_value()

    return numba.types.void(address, value), generate


@intrinsic
def _pointer_to(typing_context: Any, address: Any, like: Any) -> Any:
    """A pointer to elements of the type of ``like``."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], context.get_value_type(signature.return_type))

    return numba.types.CPointer(like.dtype)(address, like), generate


call_address: Any = _call_address
load_acquire: Any = _load_acquire
store_release: Any = _store_release
_pointer: Any = _pointer_to
_carray: Any = numba.carray  # type: ignore[attr-defined]


@numba.njit
def array_at(address, like):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """What lies at ``address``, an array of the type and length of ``like``."""
    return _carray(_pointer(address, like), like.size)
