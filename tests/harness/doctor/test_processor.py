from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.doctor import processor

Machine = Callable[[dict[str, str]], Path]
CPU = "sys/devices/system/cpu"


def _cores(siblings: list[str]) -> dict[str, str]:
    """CPUs 0, 1, ... with the hardware threads of each one's core."""
    threads = {f"{CPU}/cpu{cpu}/topology/thread_siblings_list": text for cpu, text in enumerate(siblings)}
    return {f"{CPU}/online": f"0-{len(siblings) - 1}", **threads}


def _governors(*names: str) -> dict[str, str]:
    return {f"{CPU}/cpu{cpu}/cpufreq/scaling_governor": name for cpu, name in enumerate(names)}


def test_a_governor_that_follows_the_load_is_a_warning(machine: Machine) -> None:
    (governor,) = processor.examine_clocks(machine(_governors("performance", "powersave")), [0, 1])
    assert governor.severity == "warning"
    assert "performance on 1, powersave on 1" in governor.found


def test_only_the_governors_of_cpus_that_may_be_used_count(machine: Machine) -> None:
    (governor,) = processor.examine_clocks(machine(_governors("performance", "powersave")), [0])
    assert governor.severity == "ok"


@pytest.mark.parametrize(
    ("file", "value", "severity"),
    [("intel_pstate/no_turbo", "0", "note"), ("intel_pstate/no_turbo", "1", "ok"), ("cpufreq/boost", "1", "note"),
     ("cpufreq/boost", "0", "ok")],
)  # fmt: skip
def test_turbo_is_read_from_either_driver(machine: Machine, file: str, value: str, severity: str) -> None:
    (turbo,) = processor.examine_clocks(machine({f"{CPU}/{file}": value}), [0])
    assert (turbo.subject, turbo.severity) == ("turbo", severity)


def test_neighbouring_threads_of_a_core_are_a_warning_that_says_which_cpus_to_take(machine: Machine) -> None:
    root = machine(_cores(["0-1", "0-1", "2-3", "2-3"]))
    (found,) = processor.examine_threads(root, [0, 1, 2, 3])
    assert found.severity == "warning"
    assert "CPUs 0 and 1" in found.found
    assert "--cpu-list 0,2 " in found.action


def test_threads_numbered_behind_all_cores_are_only_a_note(machine: Machine) -> None:
    (found,) = processor.examine_threads(machine(_cores(["0,2", "1,3", "0,2", "1,3"])), [0, 1, 2, 3])
    assert found.severity == "note"
    assert "4 hardware threads on 2 cores" in found.found


def test_a_mask_that_leaves_a_core_whole_and_another_shared(machine: Machine) -> None:
    root = machine(_cores(["0,4", "1-2", "1-2", "3", "0,4"]))
    (found,) = processor.examine_threads(root, [0, 1, 2, 3])
    assert "CPUs 1 and 2" in found.found


@pytest.mark.parametrize(("allowed", "severity"), [([3], "warning"), ([0, 1], "note"), ([0, 1, 2, 3], "ok")])
def test_affinity(machine: Machine, allowed: list[int], severity: str) -> None:
    (found,) = processor.examine_affinity(machine(_cores(["0", "1", "2", "3"])), allowed)
    assert found.severity == severity


def test_numa_tells_the_nodes_in_use_and_warns_of_balancing(machine: Machine) -> None:
    nodes = {f"sys/devices/system/node/node{node}/cpulist": text for node, text in enumerate(["0-3", "4-7"])}
    root = machine(nodes | {"proc/sys/kernel/numa_balancing": "1"})
    numa, balancing = processor.examine_numa(root, [4, 5])
    assert "1 of 2 memory nodes in use: node1 has CPUs 4-7" in numa.found
    assert balancing.severity == "warning"


def test_stolen_time_is_told_by_its_share(machine: Machine) -> None:
    root = machine(
        {"proc/cpuinfo": "model name\t: X\nflags\t\t: fpu hypervisor\n", f"{CPU}/online": "0",
         "proc/stat": "cpu  50 0 10 30 0 0 0 10 7 0\ncpu0 50 0 10 30 0 0 0 10 7 0\n"}
    )  # fmt: skip
    _, virtual = processor.examine_model(root)
    assert virtual.severity == "warning"
    assert "10.0%" in virtual.found
