"""What doctor looks at, in the order of its page."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from harness.doctor import (
    energy,
    gpus,
    images,
    libraries,
    limits,
    load,
    memory,
    mpi,
    processor,
    sites,
    slurm,
    storage,
    timing,
    trial,
)
from harness.doctor.finding import Examination
from harness.doctor.tree import ROOT
from harness.launch.site import Site
from kernels.data.records import default_folder

# a trial has its own time limit and ends its ranks in order; an image is tried twice
_TRIAL_S = 2 * trial.LIMIT_S + 30


def choose(results: Path, images_asked: Sequence[Path], site: Site | None) -> list[Examination]:
    """The examinations for what a user means to do: where results go, in which images, on which site.

    Ranks are tried where a sweep would start them: here, or, where there is a site, in a job of its own.
    """
    return [
        *_of_machine(),
        *_of_storage(results),
        *_of_software(images_asked, site),
        *_of_site(results, images_asked, site),
    ]


def _of_machine() -> list[Examination]:
    allowed = sorted(os.sched_getaffinity(0))
    locked_bytes = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    return [
        Examination(load.AREA, "other processes", partial(load.examine_load, len(allowed))),
        Examination(processor.AREA, "model", partial(processor.examine_model, ROOT)),
        Examination(processor.AREA, "clocks", partial(processor.examine_clocks, ROOT, allowed)),
        Examination(processor.AREA, "SMT", partial(processor.examine_threads, ROOT, allowed)),
        Examination(processor.AREA, "affinity", partial(processor.examine_affinity, ROOT, allowed)),
        Examination(processor.AREA, "NUMA", partial(processor.examine_numa, ROOT, allowed)),
        Examination(timing.AREA, "source", partial(timing.examine_source, ROOT)),
        Examination(timing.AREA, "timer", timing.examine_timer),
        Examination(memory.AREA, "size", partial(memory.examine_memory, ROOT)),
        Examination(memory.AREA, "huge pages", partial(memory.examine_huge_pages, ROOT)),
        Examination(memory.AREA, "shared memory", partial(memory.examine_shared_memory, ROOT)),
        Examination(energy.AREA, "counters", energy.examine_counters),
        Examination(limits.AREA, "CPU quota", partial(limits.examine_cpu_quota, ROOT, allowed)),
        Examination(limits.AREA, "memory limit", partial(limits.examine_memory_limit, ROOT)),
        Examination(limits.AREA, "locked memory", partial(limits.examine_locked_memory, ROOT, locked_bytes)),
    ]


def _of_storage(results: Path) -> list[Examination]:
    data = default_folder(0, 0, 0).parent
    return [
        Examination(storage.AREA, "results", partial(storage.examine_folder, "results", results, ROOT)),
        Examination(storage.AREA, "data", partial(storage.examine_folder, "data", data, ROOT)),
    ]


def _of_software(images_asked: Sequence[Path], site: Site | None) -> list[Examination]:
    ranks_here = [] if site else [Examination(mpi.AREA, "two ranks", mpi.examine_mpi, _TRIAL_S)]
    return [
        *ranks_here,
        Examination(gpus.AREA, "GPUs", partial(gpus.examine_gpus, ROOT)),
        Examination(images.AREA, "Apptainer", partial(images.examine_apptainer, ROOT, bool(images_asked))),
        *(
            Examination(images.AREA, path.name, partial(images.examine_image, path, site is None), _TRIAL_S)
            for path in images_asked
        ),
        Examination(libraries.AREA, "libraries", libraries.examine_versions),
        Examination(libraries.AREA, "backends", libraries.examine_backends, 60.0),
        Examination(libraries.AREA, "compiler", libraries.examine_compiler, 90.0),
        Examination(slurm.AREA, "features", partial(slurm.examine_slurm, site is not None), 60.0),
    ]


def _of_site(results: Path, images_asked: Sequence[Path], site: Site | None) -> list[Examination]:
    if site is None:
        return []
    return [
        Examination(sites.AREA, "settings", lambda: sites.examine_settings(site, sites.site_types(site))),
        *(
            Examination(sites.AREA, "job", partial(sites.examine_job, site, image, results), 2 * sites.WAIT_S + 30)
            for image in (None, *images_asked)
        ),
    ]
