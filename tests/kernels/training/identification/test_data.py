from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kernels.training.identification import data
from kernels.training.identification.data import Parts, Whitening, read_samples


class Sheet:
    """200 records of 1080 strains that 8 labels make, nearly in proportion."""

    records = 200

    def __init__(self) -> None:
        random = np.random.default_rng(2)
        self.labels = random.uniform(2, 4, (200, 8)).astype(np.float32)
        bent = np.hstack([self.labels, 0.1 * self.labels**2, random.normal(size=(200, 150))])
        self.strains = (bent @ random.normal(size=(166, 1080))).astype(np.float32)

    def read(self, start: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        return self.strains[start : start + count], self.labels[start : start + count]

    def normalisation(self) -> tuple[np.ndarray, np.ndarray]:
        return np.full(1088, 2.0), np.full(1088, 0.5)


def read(sheet: Sheet, monkeypatch: pytest.MonkeyPatch) -> Parts:
    monkeypatch.setattr(data, "open_dataset", lambda folder: sheet)
    return read_samples(Path(), 20, seed=0)


def test_parts_are_disjoint_and_errors_are_those_of_the_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = Sheet()
    parts = read(sheet, monkeypatch)
    assert [len(part.targets) for part in parts[:3]] == [160, 20, 20]
    everyone = torch.cat([part.records for part in parts[:3]])
    assert len(everyone.unique(dim=0)) == 200
    learnt = parts.training
    assert learnt.records[:, :1080].std(dim=0, correction=0).numpy() == pytest.approx(np.ones(1080), abs=1e-3)
    assert learnt.targets.square().mean(dim=0).numpy() == pytest.approx(np.ones(8), abs=1e-3)
    # what a straight line leaves is uncorrelated with what it is drawn on
    assert (learnt.components.T @ learnt.targets / 160).abs().max() < 1e-3
    # an output that is off by a part of a unit is off by that part of the label's deviation
    found = parts.errors(parts.test.targets.numpy() + np.float32(0.5), parts.test)
    assert found == pytest.approx(np.tile(0.5 * parts.units, (20, 1)), rel=1e-4)


def test_what_is_judged_by_changes_nothing_that_is_learnt_from(monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = Sheet()
    before = read(sheet, monkeypatch)
    judged = np.random.default_rng([0, 200]).permutation(200)[160:]
    sheet.strains[judged] *= 3
    sheet.labels[judged] += 1
    after = read(sheet, monkeypatch)
    assert all(torch.equal(*pair) for pair in zip(before.training, after.training, strict=True))
    assert np.array_equal(before.units, after.units)
    assert not torch.equal(before.test.records, after.test.records)


def test_components_are_uncorrelated_and_records_are_the_same_turned() -> None:
    random = np.random.default_rng(0)
    strains = random.normal(size=(400, 5)) * [1, 1e-1, 1e-2, 1e-3, 0] @ np.linalg.qr(random.normal(size=(5, 5)))[0] + 7
    strains = np.pad(strains, ((0, 0), (0, 1075)))
    whitening = Whitening.of(strains, 3)
    components = whitening.components(strains)
    assert components.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)
    assert components.T @ components / 400 == pytest.approx(np.eye(3), abs=1e-6)
    records = whitening.records(strains)
    assert np.square(records).mean() == pytest.approx(1)
    assert np.linalg.norm(records, axis=1) == pytest.approx(np.linalg.norm(components, axis=1) * np.sqrt(1080 / 3))


def test_no_more_components_than_records_can_tell() -> None:
    strains = np.random.default_rng(1).normal(size=(10, 1080))
    assert Whitening.of(strains, 120).axes.shape == (1080, 9)
