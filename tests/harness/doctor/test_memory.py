from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.doctor import memory

Machine = Callable[[dict[str, str]], Path]


def _meminfo(available_kb: int, swap_used_kb: int) -> dict[str, str]:
    text = f"MemTotal: 16000000 kB\nMemAvailable: {available_kb} kB\nSwapTotal: 4000000 kB\n"
    return {"proc/meminfo": text + f"SwapFree: {4000000 - swap_used_kb} kB\nHugePages_Total:       0\n"}


@pytest.mark.parametrize(
    ("available_kb", "swap_used_kb", "severities"),
    [(9_000_000, 0, ["ok", "ok"]), (900_000, 0, ["warning", "ok"]), (9_000_000, 500_000, ["ok", "warning"])],
)
def test_memory_and_swap(machine: Machine, available_kb: int, swap_used_kb: int, severities: list[str]) -> None:
    findings = memory.examine_memory(machine(_meminfo(available_kb, swap_used_kb)))
    assert [finding.severity for finding in findings] == severities


@pytest.mark.parametrize(
    ("text", "severity"),
    [("[always] madvise never", "ok"), ("always [madvise] never", "note"), ("always madvise [never]", "note")],
)
def test_huge_pages(machine: Machine, text: str, severity: str) -> None:
    root = machine({"sys/kernel/mm/transparent_hugepage/enabled": text})
    assert next(memory.examine_huge_pages(root)).severity == severity


def test_a_container_engines_default_of_shared_memory_is_too_small() -> None:
    assert memory.judge_shared_size(64 << 20).severity == "warning"
    assert memory.judge_shared_size(8 << 30).severity == "ok"


def test_segments_that_a_process_has_mapped_are_not_left(machine: Machine) -> None:
    root = machine(
        {"dev/shm/mpich_shm_1_0": "live", "dev/shm/mpich_shm_2_0": "dead", "dev/shm/somebody": "else's",
         "proc/77/maps": "7f00-7f01 rw-s 00000000 00:19 5     /dev/shm/mpich_shm_1_0\n"}
    )  # fmt: skip
    assert {path.name: count for path, count in memory.left_segments(root).items()} == {"mpich_shm_2_0": 4}
