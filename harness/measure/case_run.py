"""One run of one case on the ranks of a communicator: prepare, sample, verify, record."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from harness.case import Case
from harness.measure.energy import EnergyMeter, energy_figures
from harness.measure.limits import LaunchLimits
from harness.measure.sampling import Samples, Sampling, take_samples
from harness.measure.synchronisation import Synchroniser
from harness.store.record import Environment, LaunchInfo, Record, Stack, Status, Timer, utc_now
from kernels import registry
from kernels.api import Workload, parse_parameters


class Unavailable(Exception):
    """The code that is asked for cannot run on some rank's machine, or is not there; the message says why."""


class Circumstances(Struct, frozen=True, kw_only=True):
    """What the runs of one launch share and each record repeats; without a meter it tells no energy."""

    sweep: str
    launch: LaunchInfo
    stack: Stack
    timer: Timer
    environment: Environment | None
    sampling: Sampling
    synchroniser: Synchroniser
    limits: LaunchLimits
    energy: EnergyMeter | None = None


def run_case(case: Case, run_id: str, comm: Any, here: Circumstances, position: int) -> Record | None:
    """Measure a case; the record on rank 0, None elsewhere. All ranks call it together.

    Raises `Unavailable` on every rank when the backend is missing on any, and whatever the kernel raises.
    """
    started = utc_now()
    workload = _prepare(case, comm)
    try:
        if here.energy:
            here.energy.start()
        samples = take_samples(workload, comm, here.sampling, here.synchroniser)
        spent_j = here.energy.stop() if here.energy else None
        check = workload.verify()
        median_s = comm.bcast(_median_s(samples) if samples else None)
        figures, work = workload.figures(median_s), workload.work()
        here.limits.learn(workload, case.device)
    finally:
        workload.close()
    limits = here.limits.find(work, case.device)
    if samples is None:
        return None
    steps = len(samples.warmup_s) + len(samples.samples_s)
    return Record(
        run_id=run_id,
        sweep=here.sweep,
        case=case,
        stack=here.stack,
        launch=msgspec.structs.replace(here.launch, position=position),
        status="ok",
        message="" if check.passed else f"the check failed: error {check.error:.3g}, tolerance {check.tolerance:.3g}",
        samples_s=samples.samples_s,
        warmup_s=samples.warmup_s,
        rank_median_s=samples.rank_median_s,
        rank_samples_s=samples.rank_samples_s,
        synchronisation=here.synchroniser.name,
        missed_window=samples.missed_window,
        window=samples.window,
        stopping=samples.stopping,
        timer=here.timer,
        check=check,
        figures=[*figures, *energy_figures(spent_j, steps, work.items)],
        work=work,
        limits=limits.seconds,
        calibration=limits.calibration,
        environment=here.environment,
        started=started,
        ended=utc_now(),
    )


def _median_s(samples: Samples) -> float:
    """Over the samples that count."""
    return float(np.median(np.delete(samples.samples_s, samples.missed_window)))


def _prepare(case: Case, comm: Any) -> Workload:
    kernel = registry.load(case.kernel)
    if kernel.version != case.kernel_version:
        # an image's or another commit's code: its times would pass for those of the version asked for
        raise Unavailable(
            f"{case.kernel} is of version {kernel.version} here, version {case.kernel_version} is asked for"
        )
    reasons = comm.allgather(kernel.backend(case.backend).missing(case.device))
    for reason in filter(None, reasons):
        raise Unavailable(f"{case.kernel} on {case.backend}: {reason}")
    return kernel.prepare(case.backend, parse_parameters(kernel, case.parameters), comm, _device(case, comm.rank))


def _device(case: Case, rank: int) -> str:
    """The rank's own GPU: a scheduler may have shown each rank only its own, or all of the node's to all."""
    if case.device == "cpu":
        return "cpu"
    import torch

    return f"cuda:{rank % case.scale.ranks_per_node % max(torch.cuda.device_count(), 1)}"


def status_of(error: BaseException) -> Status:
    """The status a failed run gets: memory that ran out is told apart from other failures."""
    if isinstance(error, Unavailable):
        return "unavailable"
    memory_words = ("can't allocate memory", "out of memory", "Unable to allocate")
    if isinstance(error, MemoryError) or any(words in str(error) for words in memory_words):
        return "out_of_memory"
    return "failed"
