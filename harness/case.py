"""The vocabulary of a sweep: scale, case, sweep; and how a sweep is read from TOML or a command line."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from kernels import registry
from kernels.api import InputError, Kernel, Parameters, parse_parameters
from kernels.explain import explain_invalid

T = TypeVar("T")
Count = Annotated[int, Meta(ge=1)]
Mode = Literal["strong", "weak", "none"]
Device = Literal["cpu", "cuda"]
# how the ranks start a step together
Synchronisation = Literal["barrier", "window"]
# names become folders of the results and words of a batch script
SWEEP_NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}\Z"


class Scale(Struct, frozen=True, forbid_unknown_fields=True):
    """Nodes × ranks per node × threads per rank."""

    nodes: Count = 1
    ranks_per_node: Count = 1
    threads: Count = 1

    @property
    def ranks(self) -> int:
        """All ranks of the job."""
        return self.nodes * self.ranks_per_node

    def __str__(self) -> str:
        return f"n{self.nodes}r{self.ranks_per_node}t{self.threads}"


class CaseColumns(Struct, frozen=True, kw_only=True):
    """What tells a case from others, under the names of tables' columns."""

    case_id: str
    kernel: str
    backend: str
    parameters: dict[str, Any]
    nodes: int
    ranks: int
    threads: int
    device: str


def sortable(value: Any) -> tuple[bool, float, str]:
    """A parameter's value as what it sorts by: numbers by their size and before words, so that all have an order."""
    return (False, value, "") if isinstance(value, int | float) else (True, 0.0, str(value))


CASE_COLUMNS = CaseColumns.__struct_fields__


class Case(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One point of a sweep. ``parameters`` holds every parameter, defaults included."""

    kernel: str
    kernel_version: int
    backend: str
    parameters: dict[str, Any]
    scale: Scale
    device: Device = "cpu"
    id: str

    @classmethod
    def make(cls, kernel: Kernel, backend: str, parameters: Parameters, scale: Scale, device: Device = "cpu") -> Case:
        """A checked case; raises `InputError` when the problem does not fit the kernel or the scale."""
        kernel.check_case(backend, parameters, scale.ranks)
        place = str(scale) if device == "cpu" else f"{scale}-{device}"
        return cls(
            kernel=kernel.name,
            kernel_version=kernel.version,
            backend=backend,
            parameters=msgspec.structs.asdict(parameters),
            scale=scale,
            device=device,
            id=f"{kernel.name}.{backend}.{place}.{_digest(parameters)}",
        )

    def describe(self) -> dict[str, Any]:
        """The fields of `CaseColumns`, by name."""
        return {
            "case_id": self.id,
            "kernel": self.kernel,
            "backend": self.backend,
            "parameters": self.parameters,
            "nodes": self.scale.nodes,
            "ranks": self.scale.ranks,
            "threads": self.scale.threads,
            "device": self.device,
        }

    @property
    def threads_call_mpi(self) -> bool:
        """Whether MPI has to be started for calls from several threads; see `kernels.api.Backend`."""
        return registry.load(self.kernel).backend(self.backend).threads_call_mpi


class SweepCase(Struct, frozen=True):
    """A case and the scaling series it is a point of: same kernel, backend and threads, growing ranks."""

    case: Case
    series: str


class Sweep(Struct, frozen=True, kw_only=True):
    """A named set of cases and how to measure them.

    ``repeats`` launches measure each case; in each, sampling a case takes at most about ``budget_s`` seconds.
    """

    name: str
    mode: Mode
    repeats: int
    budget_s: float
    synchronisation: Synchronisation = "barrier"
    cases: list[SweepCase]
    left_out: list[str] = []


class CaseGroup(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One ``[[cases]]`` block: a kernel, its backends, and parameters whose lists are crossed."""

    kernel: str
    backend: str | list[str] | None = None
    set: dict[str, Any] = {}
    nodes: tuple[Count, ...] | None = None
    ranks_per_node: tuple[Count, ...] | None = None
    threads: tuple[Count, ...] | None = None
    device: Device = "cpu"


class SweepFile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sweep as it is written in TOML; see ``docs/sweeps.md``."""

    name: Annotated[str, Meta(pattern=SWEEP_NAME)]
    mode: Mode = "strong"
    nodes: tuple[Count, ...] = (1,)
    ranks_per_node: tuple[Count, ...] = (1,)
    threads: tuple[Count, ...] = (1,)
    repeats: Count = 3
    budget_s: Annotated[float, Meta(gt=0)] = 1.0
    synchronisation: Synchronisation = "barrier"
    cases: Annotated[tuple[CaseGroup, ...], Meta(min_length=1)]


def read_sweep(path: Path) -> SweepFile:
    """Read a sweep's TOML file; raises `InputError` naming the file, the place, what was found and what is right."""
    return read_toml(path, SweepFile)


def read_toml(path: Path, type_: type[T]) -> T:
    """A TOML file as a struct; raises `InputError` naming the file, the place, what was found and what is right."""
    try:
        document = msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML: {error}") from error
    try:
        return msgspec.convert(document, type_)
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {explain_invalid(error, document, type_)}") from error


def expand(file: SweepFile, place: str = "", only: Collection[str] | None = None) -> Sweep:
    """All cases of a sweep, or of the backends in ``only``.

    Backends nobody named that cannot run here are left out with the reason, and so are cases that their backend does
    not take; raises `InputError` when nothing remains.
    """
    cases: dict[str, SweepCase] = {}
    left_out: list[str] = []
    for index, group in enumerate(file.cases):
        try:
            for item in _expand_group(file, group, only, left_out):
                _refuse_another(cases.setdefault(item.case.id, item).case, item.case)
        except InputError as error:
            raise InputError(f"{place}: cases[{index}]: {error}" if place else str(error)) from error
    left_out = list(dict.fromkeys(left_out))
    if left_out and not cases:
        raise InputError(f"{place}: {'; '.join(left_out)}" if place else "; ".join(left_out))
    return Sweep(
        name=file.name,
        mode=file.mode,
        repeats=file.repeats,
        budget_s=file.budget_s,
        synchronisation=file.synchronisation,
        cases=list(cases.values()),
        left_out=left_out,
    )


def _refuse_another(known: Case, case: Case) -> None:
    """An id's digits tell many cases apart, not all: one of two would be lost in silence."""
    if known.parameters != case.parameters:
        raise InputError(
            f"{case.id} is the id of two cases: {known.parameters} and {case.parameters}; right would be two sweeps"
        )


def _expand_group(
    file: SweepFile, group: CaseGroup, only: Collection[str] | None, left_out: list[str]
) -> Iterator[SweepCase]:
    kernel = registry.load(group.kernel)
    axes = {name: value if isinstance(value, list) else [value] for name, value in group.set.items()}
    scales = itertools.product(
        group.nodes or file.nodes, group.ranks_per_node or file.ranks_per_node, group.threads or file.threads
    )
    points = [
        (parse_parameters(kernel, dict(zip(axes, values, strict=True))), Scale(*scale))
        for scale in scales
        for values in itertools.product(*axes.values())
    ]
    for backend in _backends(kernel, group, only, left_out):
        for parameters, scale in points:
            if refusal := kernel.backend(backend).refusal(parameters, scale.ranks):
                left_out.append(f"{kernel.name} on {backend}: {refusal}")
                continue
            problem = kernel.grow(parameters, scale.ranks) if file.mode == "weak" else parameters
            series = f"{kernel.name}.{backend}.t{scale.threads}.{_digest(parameters)}"
            yield SweepCase(Case.make(kernel, backend, problem, scale, group.device), series)


def _backends(kernel: Kernel, group: CaseGroup, only: Collection[str] | None, left_out: list[str]) -> list[str]:
    named = [group.backend] if isinstance(group.backend, str) else group.backend
    chosen = [name for name in named or kernel.backends if only is None or name in only]
    if named is not None:
        return chosen
    able = []
    for name in chosen:
        reason = kernel.backends[name].missing(group.device)
        if reason is None:
            able.append(name)
        else:
            left_out.append(f"{kernel.name} on {name}: {reason}")
    return able


def _digest(parameters: Parameters) -> str:
    """Eight hexadecimal digits for what differs from the defaults.

    A parameter added later leaves the ids of old cases as they were; a changed default changes the measured work,
    and so the kernel's version.
    """
    defaults = type(parameters)()
    values = {
        name: value for name, value in msgspec.structs.asdict(parameters).items() if value != getattr(defaults, name)
    }
    return hashlib.sha256(msgspec.json.encode(values, order="sorted")).hexdigest()[:8]
