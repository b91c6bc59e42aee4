"""The processor: cores, threads, clocks and what else decides how evenly they run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from harness.doctor.finding import Area, Finding
from harness.doctor.tree import format_cpus, parse_cpus, read, read_fields, read_number

AREA = Area("processor")
_CPUS = Path("sys/devices/system/cpu")
# a share of time that another tenant of the host took, above which samples feel it
_STEAL_LIMIT = 0.01


def examine_model(root: Path) -> Iterator[Finding]:
    """What the processor is, and whether it is one that is shared with other machines."""
    info = read_fields(root / "proc/cpuinfo", ":")
    model = info.get("model name") or info.get("CPU part") or "unknown model"
    online = parse_cpus(read(root / _CPUS / "online") or "")
    cores = {_siblings(root, cpu) for cpu in online}
    yield AREA.ok("model", f"{model}, {_count(len(cores), 'core')}, {_count(len(online), 'hardware thread')}")
    if "hypervisor" in info.get("flags", ""):
        yield _judge_steal(_steal_share(root))


def examine_clocks(root: Path, allowed: list[int]) -> Iterator[Finding]:
    """Whether the clock frequency stays where it is: governor and turbo."""
    governors = Counter(filter(None, (read(root / _CPUS / f"cpu{cpu}/cpufreq/scaling_governor") for cpu in allowed)))
    turbo = _turbo(root)
    if not governors and turbo is None:
        yield AREA.note(
            "clock frequency", "not told: no governor and no turbo switch in /sys (usual in virtual machines)",
            "the host may change the clock while samples are taken",
            "keep repeats at 3 or more, and look at the spread between launches",
        )  # fmt: skip
        return
    if governors:
        yield _judge_governors(governors)
    if turbo is not None:
        yield _judge_turbo(turbo)


def examine_threads(root: Path, allowed: list[int]) -> Iterator[Finding]:
    """Whether ranks that are pinned one CPU after another get cores of their own."""
    cores = [_siblings(root, cpu) for cpu in allowed]
    distinct = len(set(cores))
    if distinct == len(allowed):
        yield AREA.ok("SMT", f"every one of the {_count(len(allowed), 'CPU')} is a core of its own")
    elif len(set(cores[:distinct])) < distinct:
        yield AREA.warning(
            "SMT", f"{_shared_pair(allowed, cores)} are two threads of one core, and low in number",
            "ranks are pinned to CPUs in ascending order, so two ranks would share a core while others idle",
            f"leave one thread a core: taskset --cpu-list {_first_threads(allowed, cores)} scalemark ..., in Slurm "
            "--hint=nomultithread, or switch SMT off in the firmware",
        )  # fmt: skip
    else:
        yield AREA.note(
            "SMT", f"on: {len(allowed)} hardware threads on {_count(distinct, 'core')}",
            f"beyond {distinct} threads (ranks × threads) cores are shared: efficiency falls whatever the code",
            f"end sweeps at {distinct} threads, or read what lies beyond as a study of SMT",
        )  # fmt: skip


def examine_affinity(root: Path, allowed: list[int]) -> Iterator[Finding]:
    """Which CPUs this process may use."""
    online = parse_cpus(read(root / _CPUS / "online") or "")
    if len(allowed) == 1 and len(online) > 1:
        yield AREA.warning(
            "affinity", f"only CPU {allowed[0]} of {len(online)} may be used",
            "a second rank would share it: nothing can be scaled on this machine",
            "start from a shell that is not bound: see `taskset -p $$`, or ask the scheduler for more CPUs",
        )  # fmt: skip
    elif len(allowed) < len(online):
        yield AREA.note(
            "affinity", f"CPUs {format_cpus(allowed)}, {len(allowed)} of {len(online)}",
            "whoever uses the other CPUs shares caches, memory bandwidth and power with the ranks",
            "take the whole node (Slurm: --exclusive) for numbers that are to be compared",
        )  # fmt: skip
    else:
        yield AREA.ok("affinity", f"all {_count(len(allowed), 'CPU')} may be used")


def examine_numa(root: Path, allowed: list[int]) -> Iterator[Finding]:
    """How memory is divided among the cores."""
    nodes = sorted((root / "sys/devices/system/node").glob("node[0-9]*"))
    cpus = {node.name: parse_cpus(read(node / "cpulist") or "") for node in nodes}
    used = [name for name, members in cpus.items() if set(members) & set(allowed)]
    if len(cpus) < 2:
        yield AREA.ok("NUMA", "one memory node")
        return
    parts = ", ".join(f"{name} has CPUs {format_cpus(cpus[name])}" for name in used)
    yield AREA.note(
        "NUMA", f"{len(used)} of {len(cpus)} memory nodes in use: {parts}",
        "a rank reaches its own node's memory faster, and bandwidth grows only as ranks spread over nodes: scaling "
        "curves bend where the first node is full",
        "choose rank counts that fill whole nodes; a rank with more threads than a node has cores spans two",
    )  # fmt: skip
    if read(root / "proc/sys/kernel/numa_balancing") not in (None, "0"):
        yield AREA.warning(
            "NUMA balancing", "on", "the kernel moves pages between nodes while samples are taken",
            "sysctl kernel.numa_balancing=0 (root)",
        )  # fmt: skip


def _judge_governors(governors: Counter[str]) -> Finding:
    told = (
        ", ".join(f"{name} on {count}" for name, count in governors.items())
        if len(governors) > 1
        else next(iter(governors))
    )
    if set(governors) == {"performance"}:
        return AREA.ok("governor", told)
    return AREA.warning(
        "governor", told,
        "the clock rises and falls with the load, so short kernels and first samples look slower than they are",
        "cpupower frequency-set --governor performance (root), or in Slurm --cpu-freq=performance",
    )  # fmt: skip


def _judge_turbo(on: bool) -> Finding:
    if not on:
        return AREA.ok("turbo", "off: the clock does not depend on how many cores are busy")
    return AREA.note(
        "turbo", "on",
        "few busy cores clock higher than many, so efficiency falls with ranks even where the code scales perfectly",
        "for scaling studies of code switch it off (root): echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo, or "
        "echo 0 > /sys/devices/system/cpu/cpufreq/boost",
    )  # fmt: skip


def _judge_steal(share: float) -> Finding:
    if share > _STEAL_LIMIT:
        return AREA.warning(
            "virtual machine", f"the host took {share:.1%} of the CPU time since boot for others",
            "a rank whose CPU is taken away holds up every other rank",
            "use a machine with CPUs of its own, or raise repeats and trust minima before medians",
        )  # fmt: skip
    return AREA.note(
        "virtual machine", f"yes; the host took {share:.2%} of the CPU time since boot for others",
        "neighbours that cannot be seen from here share caches, memory bandwidth and power",
        "compare results only between machines of the same kind, and run base and candidate side by side",
    )  # fmt: skip


def _turbo(root: Path) -> bool | None:
    no_turbo = read_number(root / _CPUS / "intel_pstate/no_turbo")
    if no_turbo is not None:
        return no_turbo == 0
    boost = read_number(root / _CPUS / "cpufreq/boost")
    return None if boost is None else boost == 1


def _steal_share(root: Path) -> float:
    """Of /proc/stat's first line (user nice system idle iowait irq softirq steal): steal over all; see proc(5)."""
    times = [int(word) for word in (read(root / "proc/stat") or "").splitlines()[0].split()[1:9]]
    return times[7] / sum(times)


def _siblings(root: Path, cpu: int) -> str:
    """The hardware threads of the CPU's core, as the kernel lists them; the CPU alone where it does not."""
    return read(root / _CPUS / f"cpu{cpu}/topology/thread_siblings_list") or str(cpu)


def _shared_pair(allowed: list[int], cores: list[str]) -> str:
    """The first two CPUs of one core, in words."""
    first = next(core for core in cores if cores.count(core) > 1)
    pair = [cpu for cpu, core in zip(allowed, cores, strict=True) if core == first][:2]
    return f"CPUs {pair[0]} and {pair[1]}"


def _first_threads(allowed: list[int], cores: list[str]) -> str:
    firsts: dict[str, int] = {}
    for cpu, core in zip(allowed, cores, strict=True):
        firsts.setdefault(core, cpu)
    return format_cpus(list(firsts.values()))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
