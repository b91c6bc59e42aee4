"""Blocks of amplitudes between a tile and memory: a transposition in registers, which Python cannot tell Numba.

A block is ``L`` rows of a tile by ``L`` neighbouring columns, where L amplitudes fill a cache line of 64 bytes: 8 of
complex64, 4 of complex128. The tile keeps real and imaginary parts apart, memory keeps them together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LINE_BYTES = 64
_INDEX = ir.IntType(64)


def _write_block(typing: Any, tile: Any, rows: Any, gap: Any, target: Any, places: Any, skews: Any) -> Any:
    """Write a block to L lines: column c of the block, from top to bottom, becomes line ``places[c]``.

    ``tile`` and ``target`` are arrays of one real type, ``rows`` and ``places`` int64 arrays (L,): where each row of
    the block begins in the flat tile, and each line in the flat target. Imaginary parts stand ``gap`` after real ones.
    Where lane 2 c of ``skews[i]``, a mask for each bit i of a place in a line, is 1, line c has neighbours at a
    distance of ``2**i`` exchanged.
    """
    return types.void(tile, rows, gap, target, places, skews), _generate(_Block, _emit_write)


def _read_block(typing: Any, tile: Any, rows: Any, gap: Any, source: Any, places: Any, skews: Any) -> Any:
    """The inverse of `write_block`: lines become columns of the block."""
    return types.void(tile, rows, gap, source, places, skews), _generate(_Block, _emit_read)


def _split_line(typing: Any, tile: Any, start: Any, gap: Any, source: Any, place: Any) -> Any:
    """Copy the line at ``source[place]`` to the tile: L real parts from ``start`` on, imaginary ones ``gap`` after."""
    return types.void(tile, start, gap, source, place), _generate(_Line, _emit_split)


def _join_line(typing: Any, tile: Any, start: Any, gap: Any, target: Any, place: Any) -> Any:
    """The inverse of `split_line`: parts become a line of memory."""
    return types.void(tile, start, gap, target, place), _generate(_Line, _emit_join)


def _prefetch(typing: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of ``array[index]``, which need not exist: strided runs defeat the processor's guess."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        read, every_level, data_cache = number(0), number(3), number(1)
        builder.call(function, [address, read, every_level, data_cache])
        return context.get_dummy_value()

    return types.void(array, index), generate


# mypy takes an intrinsic's typing context for an argument of the call
write_block: Any = intrinsic(_write_block)
read_block: Any = intrinsic(_read_block)
split_line: Any = intrinsic(_split_line)
join_line: Any = intrinsic(_join_line)
prefetch: Any = intrinsic(_prefetch)


class _Block:
    """What the two directions share: where the parts of the block stand, as pointers."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        tile, rows, _, memory, places, skews = (
            context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, arguments, strict=True)
        )
        self.builder = builder
        self.real = context.get_value_type(signature.args[0].dtype)
        bytes_of_real = signature.args[0].dtype.bitwidth // 8
        self.amplitudes = LINE_BYTES // bytes_of_real // 2
        self.alignment = bytes_of_real
        self._gap = arguments[2]
        self.starts = [builder.gep(tile.data, [self._entry(rows.data, i)]) for i in range(self.amplitudes)]
        self.lines = [builder.gep(memory.data, [self._entry(places.data, i)]) for i in range(self.amplitudes)]
        self._skews = skews.data

    def _entry(self, array: Any, index: int) -> Any:
        return self.builder.load(self.builder.gep(array, [ir.Constant(_INDEX, index)]))

    def parts(self, row: int) -> tuple[Any, Any]:
        """Pointers to the row's real and imaginary parts."""
        half = ir.VectorType(self.real, self.amplitudes).as_pointer()
        imaginary = self.builder.gep(self.starts[row], [self._gap])
        return self.builder.bitcast(self.starts[row], half), self.builder.bitcast(imaginary, half)

    def line(self, column: int) -> Any:
        """A pointer to the column's line."""
        return self.builder.bitcast(self.lines[column], ir.VectorType(self.real, 2 * self.amplitudes).as_pointer())

    def shuffle(self, one: Any, other: Any, lanes: list[int]) -> Any:
        """A vector of lanes of two vectors laid end to end."""
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
        return self.builder.shuffle_vector(one, other, mask)

    def skew(self, vectors: list[Any]) -> list[Any]:
        """Exchange lanes of vectors whose numbers differ in one bit, where that bit's mask says so."""
        lanes = 2 * self.amplitudes
        for bit in range(self.amplitudes.bit_length() - 1):
            mask = self.builder.trunc(self._entry(self._skews, bit), ir.IntType(lanes))
            chosen = self.builder.bitcast(mask, ir.VectorType(ir.IntType(1), lanes))
            vectors = [
                self.builder.select(chosen, vectors[number ^ 1 << bit], vector) for number, vector in enumerate(vectors)
            ]
        return vectors

    def transpose(self, vectors: list[Any]) -> list[Any]:
        """Swap ever larger off-diagonal blocks of amplitudes, each two lanes."""
        count = self.amplitudes
        distance = 1
        while distance < count:
            for i in range(count):
                if not i & distance:
                    one, other = vectors[i], vectors[i + distance]
                    upper = [k if not k & distance else count + k - distance for k in range(count)]
                    lower = [k + distance if not k & distance else count + k for k in range(count)]
                    vectors[i], vectors[i + distance] = (
                        self.shuffle(one, other, [lane for k in units for lane in (2 * k, 2 * k + 1)])
                        for units in (upper, lower)
                    )
            distance *= 2
        return vectors


def _emit_write(block: _Block) -> None:
    count = block.amplitudes
    together = [lane for k in range(count) for lane in (k, count + k)]
    vectors = []
    for row in range(count):
        real, imaginary = (block.builder.load(part, align=block.alignment) for part in block.parts(row))
        vectors.append(block.shuffle(real, imaginary, together))
    for column, vector in enumerate(block.transpose(block.skew(vectors))):
        block.builder.store(vector, block.line(column), align=block.alignment)


def _emit_read(block: _Block) -> None:
    count = block.amplitudes
    vectors = [block.builder.load(block.line(column), align=block.alignment) for column in range(count)]
    for row, vector in enumerate(block.skew(block.transpose(vectors))):
        for offset, part in enumerate(block.parts(row)):
            lanes = list(range(offset, 2 * count, 2))
            block.builder.store(block.shuffle(vector, vector, lanes), part, align=block.alignment)


class _Line:
    """Pointers to a line of memory and to its two parts in the tile."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        tile, memory = (context.make_array(signature.args[i])(context, builder, arguments[i]).data for i in (0, 3))
        real = context.get_value_type(signature.args[0].dtype)
        self.builder, self.alignment = builder, signature.args[0].dtype.bitwidth // 8
        self.amplitudes = LINE_BYTES // self.alignment // 2
        half, whole = (ir.VectorType(real, count).as_pointer() for count in (self.amplitudes, 2 * self.amplitudes))
        start = builder.gep(tile, [arguments[1]])
        self.parts = [builder.bitcast(part, half) for part in (start, builder.gep(start, [arguments[2]]))]
        self.place = builder.bitcast(builder.gep(memory, [arguments[4]]), whole)


def _emit_split(line: _Line) -> None:
    vector = line.builder.load(line.place, align=line.alignment)
    for offset, part in enumerate(line.parts):
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), line.amplitudes), list(range(offset, 2 * line.amplitudes, 2)))
        line.builder.store(line.builder.shuffle_vector(vector, vector, lanes), part, align=line.alignment)


def _emit_join(line: _Line) -> None:
    real, imaginary = (line.builder.load(part, align=line.alignment) for part in line.parts)
    count = line.amplitudes
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), 2 * count), [k for i in range(count) for k in (i, count + i)])
    line.builder.store(line.builder.shuffle_vector(real, imaginary, lanes), line.place, align=line.alignment)


def _generate(pointers: Callable[..., Any], emit: Callable[[Any], None]) -> Callable[[Any, Any, Any, Any], Any]:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit(pointers(context, builder, signature, arguments))
        return context.get_dummy_value()

    return generate
