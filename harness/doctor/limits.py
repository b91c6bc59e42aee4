"""What this process may take: control groups of both versions, and limits that are its own."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

from harness.doctor.finding import Area, Finding, in_gb
from harness.doctor.tree import read, read_fields, read_number

AREA = Area("limits")
# version 1 writes "no limit" as the largest number of whole pages
_NO_LIMIT_BYTES = 1 << 60


def examine_cpu_quota(root: Path, allowed: list[int]) -> Iterator[Finding]:
    """Whether the kernel stops this process group when it has used its share of CPU time."""
    quotas = [quota for group in _groups(root, "cpu") if (quota := _quota(group)) is not None]
    if not quotas:
        yield AREA.ok("CPU quota", "none")
    elif min(quotas) >= len(allowed):
        yield AREA.ok("CPU quota", f"{min(quotas):g} CPUs, as many as may be used")
    else:
        yield AREA.warning(
            "CPU quota", f"{min(quotas):g} CPUs' time for {len(allowed)} CPUs",
            "when the quota of a period (100 ms) is used up all ranks stop until the next: samples fall in two groups",
            f"keep ranks × threads at or below {int(min(quotas))}, or have CPUs bound (cpuset) in place of a quota",
        )  # fmt: skip


def examine_memory_limit(root: Path) -> Iterator[Finding]:
    """How much memory this process group may take before one of it is killed."""
    limits = [limit for group in _groups(root, "memory") if (limit := _memory_limit(group)) is not None]
    total = 1024 * int(read_fields(root / "proc/meminfo", ":")["MemTotal"].split()[0])
    if not limits or min(limits) >= total:
        yield AREA.ok("memory limit", "none below the machine's memory")
        return
    yield AREA.note(
        "memory limit", f"{in_gb(min(limits))} of the machine's {in_gb(total)}",
        "ranks that together take more are killed, and the page cache of a data set counts as well",
        "keep problem and data set below it, or ask for more memory (Slurm: --mem)",
    )  # fmt: skip


def examine_locked_memory(root: Path, limit_bytes: int) -> Iterator[Finding]:
    """Whether an RDMA network, where there is one, may register memory."""
    devices = sorted(path.name for path in (root / "sys/class/infiniband").glob("*"))
    if not devices:
        return
    if limit_bytes == resource.RLIM_INFINITY:
        yield AREA.ok("locked memory", f"unlimited, as {', '.join(devices)} wants it")
        return
    yield AREA.warning(
        "locked memory", f"{limit_bytes // 1024} KiB, with RDMA network {', '.join(devices)}",
        "MPI cannot register its buffers and either fails or falls back to TCP without a word",
        "ulimit -l unlimited (in /etc/security/limits.conf, and for slurmd: LimitMEMLOCK=infinity)",
    )  # fmt: skip


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's control group and its parents, of both versions, that rule the controller."""
    paths = {}
    for line in (read(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            paths[name] = path
    for inside, mount, type_, options in _mounts(root):
        version2 = type_ == "cgroup2"
        if not version2 and not (type_ == "cgroup" and controller in options):
            continue
        path = paths.get("" if version2 else controller, "/")
        # in a container the mount shows only the container's own part of the hierarchy
        below = path.removeprefix(inside) if inside != "/" else path
        folder = root / mount.lstrip("/") / below.lstrip("/")
        top = root / mount.lstrip("/")
        yield from (group for group in (folder, *folder.parents) if group == top or top in group.parents)


def _mounts(root: Path) -> Iterator[tuple[str, str, str, list[str]]]:
    """Each mount's root within its file system, place, type and super options; see proc_pid_mountinfo(5)."""
    for line in (read(root / "proc/self/mountinfo") or "").splitlines():
        before, _, after = line.partition(" - ")
        fields, (type_, _, options) = before.split(), after.split(maxsplit=2)
        yield fields[3], fields[4], type_, options.split(",")


def _quota(group: Path) -> float | None:
    """CPUs' worth of time that the group may use, or None for no limit."""
    version2 = read(group / "cpu.max")
    if version2 is not None:
        quota, _, period = version2.partition(" ")
        return None if quota == "max" else int(quota) / int(period)
    quota_us, period_us = read_number(group / "cpu.cfs_quota_us"), read_number(group / "cpu.cfs_period_us")
    return quota_us / period_us if quota_us is not None and period_us and quota_us > 0 else None


def _memory_limit(group: Path) -> int | None:
    """Bytes that the group may use, or None for no limit."""
    names = ("memory.max", "memory.high", "memory.limit_in_bytes")
    limits = [limit for name in names if (limit := read_number(group / name)) is not None and limit < _NO_LIMIT_BYTES]
    return min(limits, default=None)
