"""Ranks started for a trial, exactly as a sweep starts them: the kernel `nothing`, two ranks, counted.

The trial goes the whole way of a measurement, from the launcher to the record: what it proves is what sweeps rely on.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from harness.case import Case, Scale
from harness.doctor.finding import Area, Finding
from harness.doctor.tree import format_cpus
from harness.launch.launchers import launcher_here
from harness.launch.observer import Silence
from harness.launch.plan import Launch
from harness.launch.supervisor import Setting, run_launch
from harness.store import source_code
from harness.store.launch_folder import EventReader
from harness.store.record import Record, Stack
from kernels import registry

SWEEP = "doctor"
LIMIT_S = 60.0
_BUDGET_S = 0.02


class Trial(Struct, frozen=True, kw_only=True):
    """What became of the ranks. ``world_sizes`` are what those that started say, each its own."""

    ranks: int
    record: Record
    world_sizes: tuple[int, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all ranks met and measured."""
        return self.record.status == "ok"

    @property
    def outside(self) -> bool:
        """Whether ranks that were to run in an image ran on the host: Apptainer tells those inside its name."""
        environment = self.record.environment
        inside = environment is not None and "APPTAINER_NAME" in environment.variables
        return bool(self.record.stack.sha256) and not inside


def run_here(ranks: int, stack: Stack) -> Trial:
    """Start ranks on this machine, in the stack. The folder with their output is kept when they fail."""
    results = Path(tempfile.mkdtemp(prefix="scalemark-doctor-"))
    launch = make_launch(ranks, stack)
    run_launch(launch, launcher_here(launch.scale), make_setting(results), Silence())
    return collect(results, launch)


def make_launch(ranks: int, stack: Stack) -> Launch:
    """A launch of the kernel `nothing` on one node."""
    kernel, scale = registry.load("nothing"), Scale(ranks_per_node=ranks)
    case = Case.make(kernel, kernel.reference, kernel.parameters(), scale)
    return Launch(scale=scale, stack=stack, repeat=0, cases=[case])


def make_setting(results: Path, binds: tuple[str, ...] = ()) -> Setting:
    """A setting that is quickly through."""
    return Setting(
        results=results, sweep=SWEEP, budget_s=_BUDGET_S, limit_s=LIMIT_S, code=source_code.describe(), binds=binds
    )


def collect(results: Path, launch: Launch) -> Trial:
    """What a launch left in a results folder of its own, which is removed unless it holds the story of a failure."""
    path = next((results / "runs" / SWEEP).glob("*/*.json"))
    record = msgspec.json.decode(path.read_bytes(), type=Record)
    events = [event for folder in (results / "launches" / SWEEP).glob("*") for event in EventReader(folder).read()]
    sizes = tuple(event.world_size for event in events if event.kind == "ready")
    if record.status == "ok":
        shutil.rmtree(results, ignore_errors=True)
    return Trial(ranks=launch.scale.ranks, record=record, world_sizes=sizes)


def judge(area: Area, subject: str, trial: Trial, action: str) -> Iterator[Finding]:
    """The findings of a trial; ``action`` says what to do when the ranks did not find each other."""
    record = trial.record
    if trial.passed and trial.outside:
        yield area.error(
            subject,
            "the ranks ran outside the image",
            "what a sweep measures would not be the image's software",
            action,
        )
    elif trial.passed:
        yield area.ok(subject, f"{trial.ranks} of {trial.ranks} started and met: {describe_mpi(record)}")
        yield from _judge_placement(area, f"{subject.removesuffix('two ranks')}pinning", record)
    elif trial.world_sizes and set(trial.world_sizes) != {trial.ranks}:
        seen = ", ".join(map(str, trial.world_sizes))
        yield area.error(
            subject, f"{trial.ranks} asked for, but those that started count {seen}",
            "the launcher and the ranks' MPI library do not speak the same process management interface (PMI), so each "
            "rank believes it is alone",
            action,
        )  # fmt: skip
    else:
        yield area.error(
            subject,
            f"did not run: {record.message}",
            "a sweep starts its ranks the same way, and would fail alike",
            action,
        )


def describe_mpi(record: Record) -> str:
    """The MPI library that the ranks loaded, from where, and how it was told who they are."""
    if record.environment is None:
        return "an unknown MPI"
    mpi = record.environment.mpi
    name = " ".join(mpi["library"].partition(",")[0].replace("Version:", "").split())
    return f"{name} ({mpi['loaded'] or 'linked in'}), PMI: {mpi['pmi']}"


def _judge_placement(area: Area, subject: str, record: Record) -> Iterator[Finding]:
    ranks = record.environment.placement["ranks"] if record.environment else []
    told = ", ".join(f"rank {rank['rank']} on {format_cpus(rank['cores'])}" for rank in ranks)
    if all(rank["pinned"] for rank in ranks):
        yield area.ok(subject, f"CPUs: {told}")
        return
    yield area.warning(
        subject, f"two ranks cannot have CPUs of their own: {told}",
        "ranks that share a CPU take turns, and each waits for the other in every collective",
        "run with more CPUs, or sweep one rank only",
    )  # fmt: skip
