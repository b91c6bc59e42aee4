"""The learning rate that decays exponentially under a sine."""

from __future__ import annotations

import math

# a decay to 5 % at the end, and a period each epoch
_DECAY = 3.0
_WAVE = 4 * math.pi**2
# the sine would take a late rate below zero
_LEAST = 0.05


def exponential_decay_sine(first: float, step: int, steps: int, epoch_steps: int) -> float:
    """The rate of ``step`` out of ``steps``: lr₀·e^(−αt/T)·(sin(βt/(2πb)) + e^(−αt/T) + 0.5), but no less than 5 %.

    The thesis's equation 4.2, after An et al., VCIP 2017; it leaves α, β and b open: here b is the steps of an epoch.
    """
    decay = math.exp(-_DECAY * step / steps)
    wave = math.sin(_WAVE * step / (2 * math.pi * epoch_steps))
    return first * decay * max(wave + decay + 0.5, _LEAST)
