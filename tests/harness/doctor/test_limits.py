from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.doctor import limits

Machine = Callable[[dict[str, str]], Path]
MEMORY = {"proc/meminfo": "MemTotal:       16000000 kB\nMemFree: 1 kB\n"}
VERSION_2 = {"proc/self/mountinfo": "30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"}
VERSION_1 = {
    "proc/self/mountinfo": "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
    "proc/self/cgroup": "4:memory:/job_7\n3:cpu,cpuacct:/job_7\n",
}


def test_a_quota_of_a_parent_group_binds_too(machine: Machine) -> None:
    root = machine(
        VERSION_2 | {"proc/self/cgroup": "0::/job_7/step_0\n", "sys/fs/cgroup/job_7/cpu.max": "150000 100000",
                     "sys/fs/cgroup/job_7/step_0/cpu.max": "max 100000"}
    )  # fmt: skip
    (quota,) = limits.examine_cpu_quota(root, [0, 1, 2, 3])
    assert quota.severity == "warning"
    assert "1.5 CPUs' time for 4 CPUs" in quota.found


def test_a_quota_of_as_many_cpus_as_may_be_used_is_fine(machine: Machine) -> None:
    root = machine(VERSION_2 | {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "200000 100000"})
    assert next(limits.examine_cpu_quota(root, [0, 1])).severity == "ok"


def test_a_container_sees_its_own_group_at_the_mount(machine: Machine) -> None:
    mount = {"proc/self/mountinfo": "30 25 0:26 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup rw\n"}
    root = machine(mount | {"proc/self/cgroup": "0::/docker/ab\n", "sys/fs/cgroup/cpu.max": "50000 100000"})
    assert "0.5 CPUs' time for 2 CPUs" in next(limits.examine_cpu_quota(root, [0, 1])).found


@pytest.mark.parametrize(("quota_us", "severity"), [("100000", "warning"), ("-1", "ok")])
def test_quota_of_version_1(machine: Machine, quota_us: str, severity: str) -> None:
    folder = "sys/fs/cgroup/cpu,cpuacct/job_7"
    root = machine(VERSION_1 | {f"{folder}/cpu.cfs_quota_us": quota_us, f"{folder}/cpu.cfs_period_us": "100000"})
    assert next(limits.examine_cpu_quota(root, [0, 1])).severity == severity


@pytest.mark.parametrize(
    ("limit_bytes", "severity"),
    [("2147483648", "note"), ("9223372036854771712", "ok"), ("64000000000", "ok")],
    ids=["below the machine's memory", "none", "above the machine's memory"],
)
def test_memory_limit_of_version_1(machine: Machine, limit_bytes: str, severity: str) -> None:
    root = machine(VERSION_1 | MEMORY | {"sys/fs/cgroup/memory/job_7/memory.limit_in_bytes": limit_bytes})
    assert next(limits.examine_memory_limit(root)).severity == severity


def test_memory_limit_of_version_2_is_the_lowest_on_the_way_up(machine: Machine) -> None:
    root = machine(
        VERSION_2 | MEMORY | {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "4000000000",
                              "sys/fs/cgroup/a/b/memory.max": "max", "sys/fs/cgroup/a/b/memory.high": "3000000000"}
    )  # fmt: skip
    assert next(limits.examine_memory_limit(root)).found == "3 GB of the machine's 16.4 GB"


def test_no_control_groups_mean_no_limits(machine: Machine) -> None:
    root = machine(MEMORY)
    assert [next(limits.examine_cpu_quota(root, [0])).severity, next(limits.examine_memory_limit(root)).severity] == [
        "ok",
        "ok",
    ]


def test_locked_memory_matters_only_with_rdma(machine: Machine) -> None:
    root = machine({})
    assert not list(limits.examine_locked_memory(root, 8 << 20))
    root = machine({"sys/class/infiniband/mlx5_0/node_type": "1: CA"})
    assert next(limits.examine_locked_memory(root, 8 << 20)).severity == "warning"
    assert next(limits.examine_locked_memory(root, resource.RLIM_INFINITY)).severity == "ok"
