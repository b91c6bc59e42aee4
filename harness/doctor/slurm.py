"""Slurm: does it answer, and which of its features will a sweep meet."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from harness.doctor.finding import Area, Finding, Severity
from harness.launch import slurm

AREA = Area("Slurm")
_ANSWER_S = 10
_USABLE = ("idle", "alloc", "mix", "comp")
_NAMED_PARTITIONS = 6


def examine_slurm(asked: bool) -> Iterator[Finding]:
    """The controller and its configuration; what is absent is an error only when a site was asked for."""
    severity: Severity = "error" if asked else "note"
    if not slurm.is_here():
        yield AREA.judge(
            severity, "commands", "no sbatch on PATH", "sweeps over several nodes cannot be submitted from here",
            "log in to a machine that submits, or load the module that brings Slurm's commands",
        )  # fmt: skip
        return
    yield AREA.ok("MPI types", f"srun --mpi knows {', '.join(mpi_types()) or 'no answer'}")
    told = _ask("scontrol", "show", "config")
    if told.returncode != 0:
        yield AREA.judge(
            severity, "controller", f"does not answer: {last_line(told)}",
            "jobs can neither be submitted nor asked after; those that run go on",
            "see `scontrol ping`; ask the administrators when it stays so",
        )  # fmt: skip
        return
    yield from judge_config(parse_config(told.stdout))
    yield from judge_partitions(_ask("sinfo", "--noheader", "--format=%R|%a|%D|%c|%l|%G|%t").stdout)
    yield from _examine_accounting(parse_config(told.stdout))


def mpi_types() -> list[str]:
    """The process management interfaces that ``srun --mpi`` offers; none where srun does not answer."""
    told = _ask("srun", "--mpi=list")
    return parse_mpi_types(told.stdout + told.stderr) if told.returncode == 0 else []


def parse_mpi_types(text: str) -> list[str]:
    """The names in the answer of ``srun --mpi=list``, versions such as ``pmix_v4`` among them."""
    names: set[str] = set()
    for line in text.splitlines():
        if not line.endswith("..."):
            names |= set(line.rpartition(":")[2].replace(",", " ").split())
    return sorted(names)


def parse_config(text: str) -> dict[str, str]:
    """``scontrol show config`` as names and values; the cgroup section's among them."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def judge_config(config: dict[str, str]) -> Iterator[Finding]:
    """Findings from the configuration of the controller."""
    yield AREA.ok(
        "controller",
        f"{config.get('ClusterName', 'a cluster')} answers, Slurm {config.get('SLURM_VERSION', 'unknown')}",
    )
    yield _judge_enforcement(config.get("EnforcePartLimits", "NO"))
    yield _judge_containment(config)


def _judge_enforcement(value: str) -> Finding:
    if value in ("ALL", "ANY", "YES"):
        return AREA.ok("impossible jobs", f"are refused when submitted (EnforcePartLimits={value})")
    return AREA.warning(
        "impossible jobs", f"are accepted (EnforcePartLimits={value})",
        "a job that asks for more nodes or time than its partition gives waits for ever, and the sweep with it",
        "keep --nodes and job_limit_s within the partition's limits below; `squeue` shows PartitionNodeLimit when not",
    )  # fmt: skip


def _judge_containment(config: dict[str, str]) -> Finding:
    by_cgroup = "cgroup" in config.get("TaskPlugin", "")
    held = [
        name for name, setting in (("cores", "ConstrainCores"), ("memory", "ConstrainRAMSpace"))
        if by_cgroup and config.get(setting, "no").lower() == "yes"
    ]  # fmt: skip
    loose = [name for name in ("cores", "memory") if name not in held]
    tracking = config.get("ProctrackType", "unknown")
    if not loose and "cgroup" in tracking:
        return AREA.ok("containment", "jobs are held to their cores and memory, and end whole (cgroups)")
    parts = [f"jobs are not held to their {' and '.join(loose)}"] if loose else []
    parts += [f"processes can escape a job's end ({tracking})"] if "cgroup" not in tracking else []
    return AREA.note(
        "containment", "; ".join(parts),
        "on a node shared with other jobs their processes may run on the ranks' cores and into their memory",
        'ask for whole nodes: options = ["--exclusive"] in the site file',
    )  # fmt: skip


def judge_partitions(listing: str) -> Iterator[Finding]:
    """Findings from ``sinfo``'s lines of partition, availability, nodes, CPUs, time limit, generic resources, state."""
    partitions: dict[str, dict[str, int]] = {}
    shapes: dict[str, str] = {}
    for line in listing.splitlines():
        name, available, nodes, cpus, limit, resources, state = line.split("|")
        usable = available == "up" and state.rstrip("*~#$@^!%+-") in _USABLE
        counts = partitions.setdefault(name, {"usable": 0, "all": 0})
        counts["all"] += int(nodes)
        counts["usable"] += int(nodes) * usable
        gpus = "" if resources in ("(null)", "") else f", {resources}"
        shapes.setdefault(name, f"{cpus} CPUs{gpus}, at most {limit}")
    if not partitions:
        yield AREA.note("partitions", "none", "nothing can be submitted", "ask the administrators")
        return
    told = [f"{name}: {counts['all']} × {shapes[name]}" for name, counts in partitions.items()]
    more = f"; and {len(told) - _NAMED_PARTITIONS} more" if len(told) > _NAMED_PARTITIONS else ""
    yield AREA.ok("partitions", "; ".join(told[:_NAMED_PARTITIONS]) + more)
    for name, counts in partitions.items():
        if counts["usable"] < counts["all"]:
            yield AREA.note(
                f"partition {name}", f"{counts['usable']} of {counts['all']} nodes can take jobs",
                "jobs of more nodes wait until the others are back", "`sinfo -R` says why the others are away",
            )  # fmt: skip


def _examine_accounting(config: dict[str, str]) -> Iterator[Finding]:
    if config.get("AccountingStorageType", "none").endswith("none"):
        yield AREA.note(
            "accounting", f"none: the controller forgets a job {config.get('MinJobAge', 'some time')} after its end",
            "of a job that ended badly while nobody watched, the cause is lost (its records are not)",
            "let `scalemark sweep` wait, or ask `scalemark status` soon after the end",
        )  # fmt: skip
        return
    told = _ask("sacct", "--allocations", "--noheader", "--starttime=now", "--format=JobID")
    if told.returncode == 0:
        yield AREA.ok("accounting", f"answers ({config['AccountingStorageType']})")
    else:
        yield AREA.warning(
            "accounting", f"does not answer: {last_line(told)}", "the cause of a job's bad end is forgotten soon after",
            "ask the administrators to look at slurmdbd",
        )  # fmt: skip


def last_line(told: subprocess.CompletedProcess[str]) -> str:
    """The last thing that a command said."""
    lines = (told.stderr or told.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit code {told.returncode}"


def _ask(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))
