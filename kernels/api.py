"""The contract between what is measured (a kernel) and whoever measures it.

A kernel module ends in one constant, ``KERNEL = Kernel(...)``, that names its parameters and its backends.
A backend is a subclass of `Workload`: its constructor does all untimed work, `Workload.step` is the timed
work and nothing else. Nothing here knows of the harness, so a kernel can be used alone::

    from kernels import registry
    kernel = registry.load("qcnn_layer")
    workload = kernel.prepare("torch", kernel.parameters(batch=64))
    workload.step()
    print(workload.verify())
"""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    import numpy as np


class InputError(ValueError):
    """What the user asked for cannot be meant: a bad parameter, a missing or damaged data set.

    The message is one line that names the place, what was found and what would be right.
    """


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A kernel's inputs: the whole problem, over all ranks.

    Units stand in the names (``message_bytes``). Ranges stand in the types, as
    ``Annotated[int, msgspec.Meta(ge=1, description="...")]`` and ``Literal[...]``, and are enforced by
    `parse_parameters`; what two fields must satisfy together is checked by ``Kernel.check``. Every field has a
    default, so that a kernel runs with no arguments. Randomness takes a ``seed`` here.
    """


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What one step does, counted from the algorithm (never measured).

    ``items`` counts the whole job's items of kind ``item`` (a singular noun: "record", "sample"); all else is
    per rank, for the rank that does most. ``flops`` are done in ``dtype``. ``memory_bytes`` move between memory and
    cores, to and fro in a working set of at least ``working_set_bytes`` (0: not counted). ``sent_bytes`` leave a rank,
    ``messages`` follow one another on the critical path, ``storage_bytes`` are read from files, which are not in the
    page cache when they are ``cold``.
    """

    items: float
    item: str
    flops: float = 0.0
    dtype: Literal["float32", "float64"] = "float32"
    memory_bytes: float = 0.0
    working_set_bytes: float = 0.0
    sent_bytes: float = 0.0
    messages: int = 0
    storage_bytes: float = 0.0
    cold: bool = False


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """How far the answer is from an independent reference in higher precision."""

    error: float
    tolerance: float
    reference: str

    @property
    def passed(self) -> bool:
        """Whether the error is a number within the tolerance."""
        return self.error <= self.tolerance


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of merit beside time, such as an accuracy or a bandwidth."""

    name: str
    value: float | str
    unit: str = ""
    better: Literal["higher", "lower", "neither"] = "neither"


class Workload(ABC):
    """One prepared case on one rank. Every method is called on all ranks together.

    The constructor does all untimed work: it divides the problem over ``comm``'s ranks, makes real input (never
    zeros or constants), compiles. It raises `InputError` for a problem that cannot be divided or read.
    """

    def __init__(self, parameters: Any, comm: Any, device: str) -> None:
        self.parameters = parameters
        self.comm = comm
        self.device = device

    def before_step(self) -> None:  # noqa: B027
        """Untimed, called before each step's clock starts: to put the machine into a stated condition."""

    @abstractmethod
    def step(self) -> None:
        """The timed work. Keeps its answer for `verify`."""

    def synchronize(self) -> None:  # noqa: B027
        """Wait until the device has finished; the clock stops after this."""

    def time_steps(self, count: int, starts_ns: np.ndarray | None) -> np.ndarray | None:
        """Do and time ``count`` steps in compiled code, where Python's own cost would hide them; None where it cannot.

        Step i waits until ``starts_ns[i]`` (int64 [count], on the clock of `time.perf_counter_ns`) and starts at once
        when that has passed; without ``starts_ns`` it starts after a barrier of all ranks. Returns int64 [3, count],
        nanoseconds on that clock: when each step was ready to wait, when it began and when it ended. `before_step` and
        `synchronize` are not called meanwhile. On None whoever measures waits, calls `step` and reads the clock.
        """
        return None

    @abstractmethod
    def verify(self) -> Check:
        """Compare the answer of the last step with an independent reference in higher precision."""

    @abstractmethod
    def work(self) -> Work:
        """The counted work of one step; the docstring names the formula's source."""

    def figures(self, step_s: float) -> list[Figure]:
        """Figures of merit beside time, given the median time of a step in seconds over the slowest rank."""
        return []

    def close(self) -> None:  # noqa: B027
        """Give back threads, files and process groups."""


def _grow_nothing(parameters: Any, ranks: int) -> Any:
    return parameters


def _check_nothing(parameters: Any, ranks: int) -> None:
    return None


class Backend(msgspec.Struct, frozen=True):
    """One implementation of a kernel.

    ``missing`` answers, without importing anything heavy, why the backend cannot run on this machine, in a
    sentence a user can act on, or None; it is given the device ("cpu", "cuda").
    """

    summary: str
    workload: Callable[[Any, Any, str], Workload]
    missing: Callable[[str], str | None] = lambda device: None


class Kernel(msgspec.Struct, frozen=True, kw_only=True):
    """A unit of measured work.

    ``version`` rises whenever the measured work changes, so that results before and after are not compared.
    ``grow(parameters, ranks)`` gives the weak-scaling problem of ``ranks`` ranks from the problem of one;
    strong scaling keeps the parameters. ``scaling`` says both in a sentence for tables and help.
    ``check(parameters, ranks)`` raises `InputError` before anything is launched: fields that do not fit
    together, a problem that cannot be divided over the ranks, a data set that is missing or damaged.
    """

    name: str
    version: int
    summary: str
    parameters: type[Parameters]
    backends: Mapping[str, Backend]
    reference: str
    scaling: str
    grow: Callable[[Any, int], Any] = _grow_nothing
    check: Callable[[Any, int], None] = _check_nothing

    def backend(self, name: str) -> Backend:
        """The backend of that name; raises `InputError` naming those that exist."""
        if name not in self.backends:
            raise InputError(f"kernel {self.name}: no backend {name!r}; it has {', '.join(self.backends)}")
        return self.backends[name]

    def prepare(
        self, backend: str, parameters: Parameters | None = None, comm: Any = None, device: str = "cpu"
    ) -> Workload:
        """Build the workload on this rank; without ``comm`` (an mpi4py communicator) the process is alone."""
        if comm is None:
            from mpi4py import MPI

            comm = MPI.COMM_SELF
        if parameters is None:
            parameters = self.parameters()
        self.check(parameters, comm.size)
        return self.backend(backend).workload(parameters, comm, device)


def parse_parameters(kernel: Kernel, values: Mapping[str, Any]) -> Parameters:
    """Typed parameters from strings (a command line) or plain values (TOML); raises `InputError`."""
    known = {field.name for field in msgspec.structs.fields(kernel.parameters)}
    for name in values:
        if name not in known:
            raise InputError(f"kernel {kernel.name}: no parameter {name!r}; it has {', '.join(sorted(known))}")
    try:
        return msgspec.convert(dict(values), kernel.parameters, strict=False)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        name = place.rstrip("`")
        found = f", found {values[name]!r}" if name in values else ""
        raise InputError(f"kernel {kernel.name}: parameter {name}: {reason[:1].lower()}{reason[1:]}{found}") from error


def needs(*modules: str, extra: str) -> Callable[[str], str | None]:
    """A ``Backend.missing`` that asks for importable modules and names the extra that brings them."""

    def missing(device: str) -> str | None:
        absent = [module for module in modules if importlib.util.find_spec(module) is None]
        return f"needs {', '.join(absent)}: pip install 'scalemark[{extra}]'" if absent else None

    return missing


def divide(count: int, ranks: int, rank: int) -> range:
    """The rank's contiguous share of ``range(count)``; shares differ in size by at most one."""
    base, extra = divmod(count, ranks)
    start = rank * base + min(rank, extra)
    return range(start, start + base + (rank < extra))
