"""Batch normalisation, ReLU and pooling of a convolution's output, compiled, forward and backward, on CPUs.

Apart they each read and write the whole activation, and torch's pooling keeps an index for every maximum: together
that takes longer than the convolutions. Here the way back finds the maxima again from the convolution's output.
Channels lie next to one another, so that every loop is over neighbours in memory, whatever the length. The loops are
free of the interpreter's lock, and threads divide the samples.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from kernels.api import divide
from kernels.compiling import numba

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_jit = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"})


class NormReluPool(torch.autograd.Function):
    """Training-mode batch normalisation, ReLU and maximum of ``pool`` (1: none, or 2) neighbours; float32.

    From [N, C, 1, L] to [N, C, 1, L // pool], channels last. Running statistics follow as torch's do. Backward is
    equation set 3.1 of Ioffe and Szegedy, ICML 2015, with x̂ computed anew; of two equal values the first is the
    maximum, as in torch.
    """

    @staticmethod
    def forward(
        context: Any,
        values: Tensor,
        weight: Tensor,
        bias: Tensor,
        norm: nn.BatchNorm1d,
        pool: int,
        threads: ThreadPoolExecutor,
        told: list[Tensor] | None = None,
    ) -> Tensor:
        """``norm`` is the layer whose weight and bias the two tensors are; its running statistics are updated.

        ``told``, if there is one, gets the sides of ReLU and pool, as `sides.taking_sides` tells them.
        """
        rows = _rows(values)
        samples, length, channels = rows.shape
        mean, square = _sum_over_samples(threads, _add_moments, (rows,), channels) / (samples * length)
        variance = square - mean.square()
        _follow(norm, mean, variance, samples * length)
        mean, inverse = mean.float(), (variance + norm.eps).rsqrt().float()
        scale = weight.detach() * inverse
        shift = bias.detach() - mean * scale
        out = torch.empty(samples, length // pool, channels)
        _over_samples(threads, _normalise, (rows, out.numpy()), scale.numpy(), shift.numpy(), pool)
        context.save_for_backward(values, mean, inverse, scale, shift)
        context.pool, context.threads = pool, threads
        if told is not None:
            positive, places = _sides(rows, scale.numpy(), shift.numpy(), pool)
            told += [torch.from_numpy(side).transpose(1, 2) for side in (positive, places)[:pool]]
        return out.transpose(1, 2).unsqueeze(2)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of values, weight and bias."""
        values, mean, inverse, scale, shift = context.saved_tensors
        rows, arriving = _rows(values), _rows(gradients[0])
        samples, length, channels = rows.shape
        unpooling = mean.numpy(), scale.numpy(), shift.numpy(), context.pool
        total, along = _sum_over_samples(context.threads, _add_gradients, (rows, arriving), channels, *unpooling)
        constant = -scale * total / (samples * length)
        linear = -scale * inverse.square() * along / (samples * length)
        out = torch.empty(samples, length, channels)
        parts = rows, arriving, out.numpy()
        _over_samples(
            context.threads, _denormalise, parts, constant.float().numpy(), linear.float().numpy(), *unpooling
        )
        return out.transpose(1, 2).unsqueeze(2), (along * inverse).float(), total.float(), None, None, None, None


def run_fused(
    layers: nn.Sequential, values: Tensor, threads: ThreadPoolExecutor, told: list[Tensor] | None = None
) -> Tensor:
    """Convolutions, each followed by normalisation, ReLU and perhaps a pool of 2, from [N, C, L] or [N, C, 1, L].

    Channels stay last in between, which oneDNN convolves without reordering. ``told`` gets the sides of all ReLUs and
    pools. Raises TypeError for layers that follow one another in another way.
    """
    values = values.unsqueeze(2) if values.dim() == 3 else values
    left = [*layers]
    while left:
        match left:
            case [nn.Conv1d() as layer, *left]:
                weight = layer.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
                values = functional.conv2d(values, weight, padding=(0, layer.kernel_size[0] // 2))
            case [nn.BatchNorm1d() as norm, nn.ReLU(), nn.MaxPool1d(kernel_size=2 as pool), *left]:
                values = NormReluPool.apply(values, norm.weight, norm.bias, norm, pool, threads, told)
            case [nn.BatchNorm1d() as norm, nn.ReLU(), *left]:
                values = NormReluPool.apply(values, norm.weight, norm.bias, norm, 1, threads, told)
            case [nn.Flatten(), *left]:
                values = values.flatten(1)
            case [layer, *_]:
                raise TypeError(f"nothing fused for {layer}")
    return values


def _rows(values: Tensor) -> Floats:
    """[N, C, 1, L] as [N, L, C] with neighbouring channels: a view if the channels are last already."""
    return values.detach().squeeze(2).transpose(1, 2).contiguous().numpy()


def _follow(norm: nn.BatchNorm1d, mean: Tensor, variance: Tensor, count: int) -> None:
    """Move the running statistics towards these of ``count`` values; torch's are of the unbiased variance."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.momentum is not None
    assert norm.num_batches_tracked is not None
    norm.running_mean.lerp_(mean.float(), norm.momentum)
    norm.running_var.lerp_((variance * (count / max(count - 1, 1))).float(), norm.momentum)
    norm.num_batches_tracked.add_(1)


def _over_samples(
    threads: ThreadPoolExecutor, work: Callable[..., Any], arrays: tuple[NDArray[Any], ...], *shared: Any
) -> list[Any]:
    """``work`` on all samples, divided over the threads: the first axis of ``arrays``; what the parts return."""
    parts = [divide(len(arrays[0]), torch.get_num_threads(), part) for part in range(torch.get_num_threads())]
    own, *others = [[array[part.start : part.stop] for array in arrays] for part in parts]
    started = [threads.submit(work, *other, *shared) for other in others]
    return [work(*own, *shared), *(each.result() for each in started)]


def _sum_over_samples(threads: ThreadPoolExecutor, work: Callable[..., Any], *arguments: Any) -> Tensor:
    """The sum of what ``work`` returns for the threads' parts, float64 [2, C]."""
    return torch.from_numpy(np.sum(_over_samples(threads, work, *arguments), axis=0))


@_jit
def _add_moments(values: Floats, channels: int) -> Doubles:
    """Σ x and Σ x² of every channel, [2, C]: rows in float32 around the sample's own mean, samples in float64."""
    sums = np.zeros((2, channels))
    total, mean = np.empty(channels, np.float32), np.empty(channels, np.float32)
    _, length, _ = values.shape
    for sample in range(len(values)):
        rows = values[sample]
        total[:] = 0
        for place in range(length):
            for channel in range(channels):
                total[channel] += rows[place, channel]
        for channel in range(channels):
            mean[channel] = total[channel] / np.float32(length)
            near = float(mean[channel])
            sums[0, channel] += total[channel]
            sums[1, channel] += near * (2 * total[channel] - length * near)
        total[:] = 0
        for place in range(length):
            for channel in range(channels):
                total[channel] += (rows[place, channel] - mean[channel]) ** 2
        for channel in range(channels):
            sums[1, channel] += total[channel]
    return sums


@_jit
def _normalise(values: Floats, out: Floats, scale: Floats, shift: Floats, pool: int) -> None:
    """``out`` from ``values``, with ``scale`` and ``shift`` [C]."""
    zero = np.float32(0)
    samples, length, channels = out.shape
    for sample in range(samples):
        rows, results = values[sample], out[sample]
        for place in range(length):
            if pool == 1:
                for channel in range(channels):
                    results[place, channel] = max(rows[place, channel] * scale[channel] + shift[channel], zero)
            else:
                for channel in range(channels):
                    first = rows[2 * place, channel] * scale[channel] + shift[channel]
                    second = rows[2 * place + 1, channel] * scale[channel] + shift[channel]
                    results[place, channel] = max(max(first, second), zero)


@_jit
def _sides(values: Floats, scale: Floats, shift: Floats, pool: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Where ReLU is positive, [N, L, C], and where each maximum lies, [N, L // pool, C], as on the way back."""
    samples, length, channels = values.shape
    positive = np.empty((samples, length, channels), np.bool_)
    places = np.empty((samples, length // pool, channels), np.int64)
    for sample in range(samples):
        rows = values[sample]
        for place in range(length):
            for channel in range(channels):
                positive[sample, place, channel] = rows[place, channel] * scale[channel] + shift[channel] > np.float32(
                    0
                )
        for place in range(length // pool):
            for channel in range(channels):
                first = rows[pool * place, channel] * scale[channel] + shift[channel]
                last = rows[pool * place + pool - 1, channel] * scale[channel] + shift[channel]
                places[sample, place, channel] = pool * place + (pool - 1 if last > first else 0)
    return positive, places


@_jit
def _add_gradients(
    values: Floats, arriving: Floats, channels: int, mean: Floats, scale: Floats, shift: Floats, pool: int
) -> Doubles:
    """Σ g and Σ g (x - mean) of every channel, [2, C], with g what arrives where the maximum was and was positive."""
    zero = np.float32(0)
    sums = np.zeros((2, channels))
    total, along = np.empty(channels, np.float32), np.empty(channels, np.float32)
    for sample in range(len(values)):
        rows, tops = values[sample], arriving[sample]
        total[:] = 0
        along[:] = 0
        for place in range(len(tops)):
            if pool == 1:
                for channel in range(channels):
                    value = rows[place, channel]
                    top = tops[place, channel] if value * scale[channel] + shift[channel] > zero else zero
                    total[channel] += top
                    along[channel] += top * (value - mean[channel])
            else:
                for channel in range(channels):
                    left, right = rows[2 * place, channel], rows[2 * place + 1, channel]
                    first = left * scale[channel] + shift[channel]
                    second = right * scale[channel] + shift[channel]
                    top = tops[place, channel] if max(first, second) > zero else zero
                    total[channel] += top
                    along[channel] += top * ((left if first >= second else right) - mean[channel])
        for channel in range(channels):
            sums[0, channel] += total[channel]
            sums[1, channel] += along[channel]
    return sums


@_jit
def _denormalise(
    values: Floats,
    arriving: Floats,
    out: Floats,
    constant: Floats,
    linear: Floats,
    mean: Floats,
    scale: Floats,
    shift: Floats,
    pool: int,
) -> None:
    """The gradient of the values, ``out``: scale g + linear (x - mean) + constant, all [C] but g and x."""
    zero = np.float32(0)
    samples, length, channels = values.shape
    for sample in range(samples):
        rows, tops, results = values[sample], arriving[sample], out[sample]
        for place in range(len(tops)):
            if pool == 1:
                for channel in range(channels):
                    value = rows[place, channel]
                    top = tops[place, channel] if value * scale[channel] + shift[channel] > zero else zero
                    rest = linear[channel] * (value - mean[channel]) + constant[channel]
                    results[place, channel] = scale[channel] * top + rest
            else:
                # a loop for each row that is written: one for both is too much for the compiler to make vectors of
                for channel in range(channels):
                    left, right = rows[2 * place, channel], rows[2 * place + 1, channel]
                    first = left * scale[channel] + shift[channel]
                    second = right * scale[channel] + shift[channel]
                    top = tops[place, channel] if (first >= second) & (first > zero) else zero
                    rest = linear[channel] * (left - mean[channel]) + constant[channel]
                    results[2 * place, channel] = scale[channel] * top + rest
                for channel in range(channels):
                    left, right = rows[2 * place, channel], rows[2 * place + 1, channel]
                    first = left * scale[channel] + shift[channel]
                    second = right * scale[channel] + shift[channel]
                    top = tops[place, channel] if (second > first) & (second > zero) else zero
                    rest = linear[channel] * (right - mean[channel]) + constant[channel]
                    results[2 * place + 1, channel] = scale[channel] * top + rest
        for place in range(pool * len(tops), length):
            for channel in range(channels):
                results[place, channel] = linear[channel] * (rows[place, channel] - mean[channel]) + constant[channel]
