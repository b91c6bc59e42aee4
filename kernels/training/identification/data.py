"""The strain records of a study: normalised, whitened, and divided into those to train, to choose and to judge by."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kernels.data.dataset import open_dataset
from kernels.material.tensile import FEATURES
from kernels.training.identification.surface import ResponseSurface
from kernels.training.network import CHANNELS as STRAIN_CHANNELS

# what a sample has: the strains standardised and whitened
CHANNELS = 2 * STRAIN_CHANNELS
# principal components of the straight line at most; through few records a line with as many terms would just pass
_LINE, _RECORDS_A_COMPONENT = 120, 8
# of all records
_TRAINING_SHARE, _VALIDATION_SHARE = 0.8, 0.1


class Whitening(NamedTuple):
    """Strains to their leading principal components, each of unit variance: (raw − ``mean``) @ ``axes``.

    ``mean`` is float64 [1080], ``axes`` float64 [1080, k], ``directions`` the same of length 1. Strains of different
    cards are nearly alike, and what tells the labels apart is a ten-thousandth of them, so that it is still small after
    standardising column by column.
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]
    directions: NDArray[np.float64]

    @classmethod
    def of(cls, strains: NDArray[np.float64], components: int) -> Whitening:
        """From strains [N, 1080]: at most ``components``, and none that N records cannot tell."""
        mean = strains.mean(axis=0)
        centred = strains - mean
        variances, directions = np.linalg.eigh(centred.T @ centred / len(strains))
        kept = min(components, len(strains) - 1)
        variances, directions = variances[::-1][:kept], directions[:, ::-1][:, :kept]
        # float32 strains: below this a component is their rounding
        sound = variances > variances[0] * np.finfo(np.float32).eps ** 2
        directions = directions[:, sound]
        return cls(mean, directions / np.sqrt(variances[sound]), directions)

    def leading(self, components: int) -> Whitening:
        """To the first of them alone."""
        return Whitening(self.mean, self.axes[:, :components], self.directions[:, :components])

    def components(self, strains: NDArray[np.float64]) -> NDArray[np.float64]:
        """Uncorrelated, [N, k]."""
        return (strains - self.mean) @ self.axes

    def records(self, strains: NDArray[np.float64]) -> NDArray[np.float64]:
        """The components turned back to where the strains were, [N, 1080], mean square 1: neighbours stay so."""
        count = self.axes.shape[1]
        return self.components(strains) @ self.directions.T * np.sqrt(FEATURES / count)


class Samples(NamedTuple):
    """Records [N, 2160], principal components [N, k], and what a straight line leaves of the labels [N, 8]; float32.

    A record is the strains standardised one by one and, after them, whitened: some labels are read off the first
    better, others off the second.
    """

    records: Tensor
    components: Tensor
    targets: Tensor


class Parts(NamedTuple):
    """Records to learn from, to choose by (when to stop, what is tuned), and to judge by: that one is seen last.

    Targets are in ``units`` [8] of the labels, which are in [0, 1]: their deviation in the training part.
    """

    training: Samples
    validation: Samples
    test: Samples
    units: NDArray[np.float64]

    def errors(self, outputs: NDArray[np.float32], samples: Samples) -> NDArray[np.float64]:
        """Of the labels, [N, 8], when ``outputs`` [N, 8] are taken for the targets."""
        found: NDArray[np.float64] = (outputs.astype(np.float64) - samples.targets.numpy()) * self.units
        return found


def read_samples(folder: Path, components: int, seed: int) -> Parts:
    """Eight, one and one tenths of the records, drawn by the seed; what is fitted is fitted to the first alone."""
    dataset = open_dataset(folder)
    raw, labels = dataset.read(0, dataset.records)
    offset, scale = dataset.normalisation()
    strains = raw.astype(np.float64)
    targets = (labels - offset[FEATURES:]) * scale[FEATURES:]
    order = np.random.default_rng([seed, dataset.records]).permutation(dataset.records)
    training, validation = (int(share * len(order)) for share in (_TRAINING_SHARE, _VALIDATION_SHARE))
    parts = np.split(order, [training, training + validation])
    learnt = strains[parts[0]]
    whitening = Whitening.of(learnt, max(components, _LINE))
    known = whitening.leading(min(_LINE, len(learnt) // _RECORDS_A_COMPONENT)).components(strains)
    targets -= ResponseSurface(1, known[parts[0]], targets[parts[0]]).predict(known)
    units = targets[parts[0]].std(axis=0)
    whitening = whitening.leading(components)
    standard = (strains - whitening.mean) / learnt.std(axis=0)
    values = np.hstack([standard, whitening.records(strains)]), whitening.components(strains), targets / units
    learning, choosing, judging = (Samples(*(_tensor(value[part]) for value in values)) for part in parts)
    return Parts(learning, choosing, judging, units)


def _tensor(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
