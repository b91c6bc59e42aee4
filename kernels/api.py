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

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from kernels.explain import explain_invalid, suggest

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
    zeros or constants), compiles. It raises `InputError` for a problem that cannot be divided or read, and `tell`s
    what takes longer than a user waits without asking.
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
        """Figures of merit beside time, given the median time of a step in seconds over the slowest rank.

        The first is what the kernel is about: a narrow table has room for it alone.
        """
        return []

    def close(self) -> None:  # noqa: B027
        """Give back threads, files and process groups."""


def tell(doing: str) -> None:
    """Say what takes long beside the measured work, such as making a data set on first use.

    A sweep shows it in its progress, and the time limit of the case begins anew. Alone, it is a message of the logger
    ``kernels`` at level INFO: ``logging.basicConfig(level="INFO")`` shows it.
    """
    logging.getLogger("kernels").info("%s", doing)


def _grow_nothing(parameters: Any, ranks: int) -> Any:
    return parameters


def _check_nothing(parameters: Any, ranks: int) -> None:
    return None


def _describe(name: str, values: tuple[Any, ...]) -> str:
    return f"{name}={' or '.join(map(str, values))}"


class Backend(msgspec.Struct, frozen=True):
    """One implementation of a kernel.

    ``missing`` answers, without importing anything heavy, why the backend cannot run on this machine, in a
    sentence a user can act on, or None; it is given the device ("cpu", "cuda"). ``threads_call_mpi`` where threads
    beside the main one call MPI, as Horovod's do: MPI then takes locks, which small messages feel, so that such
    backends get launches of their own. ``takes`` has the values of parameters of which the backend does not take all
    that the kernel allows: ``{"precision": ("double",)}``; ``least_ranks`` are the fewest that it runs on.
    """

    summary: str
    workload: Callable[[Any, Any, str], Workload]
    missing: Callable[[str], str | None] = lambda device: None
    threads_call_mpi: bool = False
    takes: Mapping[str, tuple[Any, ...]] = {}
    least_ranks: int = 1

    def describe_takes(self) -> str:
        """What it takes in words, as ``--set`` writes it: "precision=double"; empty where it takes everything."""
        ranks = [] if self.least_ranks == 1 else [f"{self.least_ranks} ranks or more"]
        return ", ".join([*ranks, *(_describe(name, values) for name, values in self.takes.items())])

    def refusal(self, parameters: Any, ranks: int) -> str | None:
        """What of this it does not take, in words: "takes precision=double, not single"; None where it takes all."""
        if ranks < self.least_ranks:
            return f"takes {self.least_ranks} ranks or more, not {ranks}"
        for name, values in self.takes.items():
            if (found := getattr(parameters, name)) not in values:
                return f"takes {_describe(name, values)}, not {found}"
        return None


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
        """The backend of that name; raises `InputError` with the nearest name and all."""
        if name not in self.backends:
            raise InputError(f"kernel {self.name}: no backend {name!r}; {suggest(name, self.backends)}")
        return self.backends[name]

    def check_case(self, backend: str, parameters: Any, ranks: int) -> None:
        """Raise `InputError`, before anything is launched, for what the kernel or this backend of it does not take."""
        if refusal := self.backend(backend).refusal(parameters, ranks):
            raise InputError(f"kernel {self.name}: backend {backend} {refusal}")
        self.check(parameters, ranks)

    def prepare(
        self, backend: str, parameters: Parameters | None = None, comm: Any = None, device: str = "cpu"
    ) -> Workload:
        """Build the workload on this rank; without ``comm`` (an mpi4py communicator) the process is alone."""
        if comm is None:
            from mpi4py import MPI

            comm = MPI.COMM_SELF
        if parameters is None:
            parameters = self.parameters()
        self.check_case(backend, parameters, comm.size)
        return self.backend(backend).workload(parameters, comm, device)


def parse_parameters(kernel: Kernel, values: Mapping[str, Any]) -> Parameters:
    """Typed parameters from strings (a command line) or plain values (TOML); raises `InputError`."""
    known = [field.name for field in msgspec.structs.fields(kernel.parameters)]
    for name in values:
        if name not in known:
            raise InputError(f"kernel {kernel.name}: no parameter {name!r}; {suggest(name, known)}")
    try:
        return msgspec.convert(dict(values), kernel.parameters, strict=False)
    except msgspec.ValidationError as error:
        reason = explain_invalid(error, values, kernel.parameters)
        raise InputError(f"kernel {kernel.name}: parameter {reason}") from error


def divide(count: int, ranks: int, rank: int) -> range:
    """The rank's contiguous share of ``range(count)``; shares differ in size by at most one."""
    base, extra = divmod(count, ranks)
    start = rank * base + min(rank, extra)
    return range(start, start + base + (rank < extra))
