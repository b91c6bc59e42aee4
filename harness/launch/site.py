"""A site: one cluster's settings, read from TOML and checked before anything is submitted; see ``docs/sites.md``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from harness.case import read_toml
from kernels.api import InputError

# what stands in a batch script's #SBATCH lines or names a module, a variable, a path: nothing that a shell would take
# for more than a word
Word = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.,:+/@%=\[\]&|*()~-]+\Z")]
Option = Annotated[str, Meta(pattern=r"^--[a-z][A-Za-z0-9_.,:+/@%=\[\]&|*()~-]*\Z")]
Path_ = Annotated[str, Meta(pattern=r"^/[^\x00-\x1f:,]*\Z")]
Text = Annotated[str, Meta(pattern=r"^[^\x00]*\Z")]
Line = Annotated[str, Meta(pattern=r"^[^\x00-\x1f#]+\Z")]
VariableName = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\Z")]


class Site(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How jobs are asked for on a cluster. Every field has a default that suits a cluster with one open partition.

    ``pmi`` is what ``srun --mpi`` is told: "pmi2" suits MPICH and its kin, "pmix" Open MPI. ``options`` are further
    options of ``sbatch``, one word each, such as ``--exclusive``. ``script`` are lines of shell, each a whole command,
    run before modules are loaded. ``binds`` are folders that images see as they are.
    """

    partition: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    constraint: Word | None = None
    gpus_per_node: Annotated[int, Meta(ge=0)] = 0
    script: tuple[Line, ...] = ()
    modules: tuple[Word, ...] = ()
    environment: dict[VariableName, Text] = {}
    binds: tuple[Path_, ...] = ()
    launcher: Literal["srun", "mpiexec"] = "srun"
    pmi: Literal["pmi2", "pmix", "cray_shasta", "none"] = "pmi2"
    python: Path_ | None = None
    job_limit_s: Annotated[int, Meta(ge=60)] = 3600
    options: tuple[Option, ...] = ()


def load_site(name: str) -> Site:
    """The site of that name or path; raises `InputError` naming the file, the place, what was found and what is right.

    A name is looked for as ``sites/NAME.toml`` in the working directory, then in the user's configuration folder.
    """
    if name.endswith(".toml") or "/" in name:
        return read_toml(Path(name), Site)
    places = [folder / f"{name}.toml" for folder in _folders()]
    for path in places:
        if path.exists():
            return read_toml(path, Site)
    raise InputError(f"no site {name!r}: looked for {' and '.join(map(str, places))}; docs/sites.md has a template")


def _folders() -> list[Path]:
    configuration = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return [Path("sites"), configuration / "scalemark" / "sites"]
