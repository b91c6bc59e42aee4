"""A kernel on the ranks that are here already: ``python -m harness.measure.direct KERNEL [options]``.

What an image runs by itself: started once, or by ``mpiexec`` or ``srun`` on many ranks, it measures the kernel and
rank 0 prints the record as JSON, one after another where several backends are named. No supervisor, and nothing is
written; limits come from what a sweep or ``scalemark run calibrate`` has left in the results folder.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from harness.case import Case, Scale
from harness.measure.hearing import hear
from harness.measure.placement import place
from harness.measure.world import start_mpi
from harness.store import source_code
from harness.store.record import LaunchInfo, Stack
from kernels import registry
from kernels.api import InputError, parse_parameters

BAD_ANSWER, BAD_QUESTION = 1, 2
# that a launcher gets to pass on what a rank said before it ends all
_FORWARDING_S = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code: 0 right answers, 1 a wrong or no answer, 2 a bad question."""
    options = _parse(arguments)
    kernel = registry.load(options.kernel)
    comm = start_mpi(any(kernel.backend(name).threads_call_mpi for name in options.backends))
    if comm.rank == 0:
        hear(_say)
    if alone := _left_alone(comm.size, os.environ):
        _say(alone)
        return BAD_ANSWER
    scale = Scale(*_layout(comm), options.threads)
    try:
        parameters = parse_parameters(kernel, dict(setting.split("=", 1) for setting in options.settings))
        cases = [Case.make(kernel, backend, parameters, scale, options.device) for backend in options.backends]
    except InputError as error:
        if comm.rank == 0:
            _say(str(error))
        return BAD_QUESTION
    try:
        return measure(cases, options, comm)
    except Exception as error:
        if isinstance(error, InputError):
            _say(str(error))
        else:
            traceback.print_exc()
        code = BAD_QUESTION if isinstance(error, InputError) else BAD_ANSWER
        if comm.size > 1:
            # other ranks wait in a collective, for ever; the launcher ends with them and forwards nothing any more
            sys.stderr.flush()
            time.sleep(_FORWARDING_S)
            comm.Abort(code)
        return code


def measure(cases: Sequence[Case], options: argparse.Namespace, comm: Any) -> int:
    """Print the record of each case; returns the exit code. All ranks call it together."""
    from harness.measure.case_run import Circumstances, Unavailable, run_case
    from harness.measure.clock import measure_timer
    from harness.measure.environment import describe
    from harness.measure.limits import LaunchLimits
    from harness.measure.sampling import Sampling
    from harness.measure.synchronisation import Barrier

    scale = cases[0].scale
    environment = describe(comm, place(comm.rank, scale), source_code.describe())
    stack = find_stack(os.environ) if comm.rank == 0 else Stack()
    here = Circumstances(
        sweep="direct",
        launch=LaunchInfo(id="direct", repeat=0, launcher="direct"),
        stack=stack,
        timer=measure_timer(),
        environment=environment,
        sampling=Sampling(budget_s=options.budget_s),
        synchroniser=Barrier(comm),
        limits=LaunchLimits(options.results, comm, scale, stack, environment, read_only=True),
    )
    passed = True
    for case in cases:
        try:
            record = run_case(case, "000-direct", comm, here, 0)
        except Unavailable as error:
            # on every rank
            if comm.rank == 0:
                _say(str(error))
            return BAD_QUESTION
        if record is not None:
            print(msgspec.json.format(msgspec.json.encode(record)).decode(), flush=True)
            passed &= record.check is not None and record.check.passed
    return 0 if comm.bcast(passed) else BAD_ANSWER


def find_stack(variables: Mapping[str, str]) -> Stack:
    """The image that this process runs in, by the variables that Apptainer sets inside; the bare environment without.

    No image knows its own SHA-256: it is told where the image's file is seen from inside, as it is below the working
    directory, and costs a second a gigabyte before anything is measured. Elsewhere the name says that it is not known.
    """
    if not variables.get("APPTAINER_CONTAINER"):
        return Stack()
    path = Path(variables["APPTAINER_CONTAINER"])
    try:
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return Stack(name=f"{path.name} (its file is not seen from inside: no SHA-256)")
    return Stack(name=path.name, sha256=sha256, path=str(path))


def _left_alone(world_size: int, variables: Mapping[str, str]) -> str:
    """What to say when the launcher started other ranks than MPI counts: each would measure by itself."""
    # the innermost launcher first: mpiexec starts a process a node by srun
    for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"):
        if name in variables:
            asked = int(variables[name])
            break
    else:
        return ""
    if asked == world_size:
        return ""
    return (
        f"asked for {asked} ranks ({name}), but MPI counted {world_size}: the launcher and this MPI do not know each "
        "other; right would be MPICH's mpiexec, or srun --mpi=pmi2"
    )


def _say(line: str) -> None:
    print(f"scalemark: {line}", file=sys.stderr, flush=True)


def _layout(comm: Any) -> tuple[int, int]:
    """Nodes and ranks per node, as MPI sees them; unequal nodes count as one of all ranks."""
    from mpi4py import MPI

    shared = comm.Split_type(MPI.COMM_TYPE_SHARED)
    sizes = set(comm.allgather(shared.size))
    shared.Free()
    if len(sizes) > 1:
        return 1, comm.size
    (ranks_per_node,) = sizes
    return comm.size // ranks_per_node, ranks_per_node


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m harness.measure.direct",
        description="Measure a kernel on the ranks that are here; print its record.",
    )
    parser.add_argument("kernel", choices=sorted(registry.all_names()), metavar="KERNEL")
    parser.add_argument("--backend", dest="backends", action="append", metavar="NAME",
                        help="which implementation, can be repeated; the kernel's first when not given")  # fmt: skip
    parser.add_argument("--set", dest="settings", action="append", default=[], type=_setting, metavar="NAME=VALUE",
                        help="a parameter of the kernel")  # fmt: skip
    parser.add_argument("--results", type=Path, default=Path("results"),
                        help="the folder whose calibration tells the limits (%(default)s)")  # fmt: skip
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where the kernel computes")
    parser.add_argument("--threads", type=int, default=1, help="threads per rank (%(default)s)")
    parser.add_argument("--budget-s", type=float, default=1.0, help="sampling time in seconds (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        kernel = registry.load(options.kernel)
        options.backends = options.backends or [next(iter(kernel.backends))]
        for backend in options.backends:
            kernel.backend(backend)
    except InputError as error:
        parser.error(str(error))
    return options


def _setting(text: str) -> str:
    if not text.partition("=")[1]:
        raise argparse.ArgumentTypeError(f"found {text!r}; right would be NAME=VALUE")
    return text


if __name__ == "__main__":
    sys.exit(main())
