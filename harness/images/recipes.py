"""What images there are to build: the table ``containers/images.toml``, the recipes, the digest of all that goes in."""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from harness.store import source_code
from harness.store.record import SCHEMA
from kernels import registry
from kernels.api import InputError
from kernels.explain import suggest

TABLE = Path("containers/images.toml")
_CODE_FOLDERS = ("kernels", "harness")
_CODE_FILES = ("pyproject.toml", "README.md", "LICENSE")
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_FILES = re.compile(r"^%files\n((?:[ \t]+\S.*\n)+)", re.MULTILINE)

Source = Literal["registry", "mirror"]


# absent fields are left out, so that a new one changes no image that says nothing of it
class Row(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A row of the table; the table's own comment says what each field means."""

    base: str = ""
    registry: str = ""
    mirror: str = ""
    recipe: str = ""
    kernel: str = ""
    backends: list[str] = []
    set: dict[str, int | float | str] = {}
    also: list[str] = []


class Recipe(Struct, frozen=True, kw_only=True):
    """An image that can be built. ``project`` is the checkout that recipe and code come from."""

    name: str
    row: Row
    project: Path

    @property
    def path(self) -> Path:
        """The recipe's file."""
        return self.project / TABLE.parent / f"{self.row.recipe or self.name}.def"

    @property
    def mirror_script(self) -> Path:
        """The script that makes this image's root from a Debian mirror; raises `InputError` where there is none."""
        if not self.row.mirror:
            raise InputError(
                f"image {self.name}: stands on {self.row.registry}, which no Debian mirror has; take it from a registry"
            )
        return self.project / TABLE.parent / self.row.mirror

    def base(self, source: Source, base_sha256: str) -> str:
        """What the image's label says it stands on."""
        if self.row.base:
            return f"{self.row.base}@sha256:{base_sha256}"
        return self.row.registry if source == "registry" else f"{self.row.registry} by {self.row.mirror}"

    def arguments(self, from_: str, bootstrap: str, base: str) -> dict[str, str]:
        """Values for the variables of the recipe; an argument no recipe asks for would be an error of Apptainer's."""
        values = {"BOOTSTRAP": bootstrap, "FROM": from_, "NAME": self.name, "BASE": base}
        if self.row.kernel:
            code = source_code.describe(self.project)
            check = [f"--backend={name}" for name in self.row.backends]
            check += [f"--set={name}={value}" for name, value in self.row.set.items()]
            values |= {
                "KERNEL": self.row.kernel,
                "VERSION": str(registry.load(self.row.kernel).version),
                "COMMIT": (code["commit"] or source_code.UNKNOWN) + (source_code.DIRTY if code["dirty"] else ""),
                "DIGEST": code["digest"],
                "RECORD_SCHEMA": str(SCHEMA),
                "CHECK": shlex.join(check),
                "ALSO": shlex.join(self.row.also),
            }
        asked = set(_VARIABLE.findall(self.path.read_text()))
        return {name: value for name, value in values.items() if name in asked}

    def inputs(self, source: Source, base_sha256: str) -> str:
        """Digest of all that the image is made of; while it stays the same there is nothing to build.

        The commit is not part of it: a commit that changes no code changes no image.
        """
        total = hashlib.sha256(msgspec.json.encode([self.name, self.row, base_sha256]))
        files = [self.path]
        if self.row.registry:
            total.update(source.encode())
            files += [self.mirror_script] if source == "mirror" else []
        if self.row.kernel:
            files += code_files(self.project)
        else:
            files += [self.project / name for name in _copied_files(self.path)]
        for path in files:
            total.update(str(path.relative_to(self.project)).encode() + b"\0" + path.read_bytes() + b"\0")
        return total.hexdigest()


def _copied_files(recipe: Path) -> list[str]:
    """What the recipe takes from the checkout, and the versions that it installs."""
    section = _FILES.search(recipe.read_text())
    names = [line.split()[0] for line in section[1].splitlines()] if section else []
    return sorted({"constraints.txt", *names})


def read_table(project: Path) -> dict[str, Recipe]:
    """Every image of the checkout's table; raises `InputError` for an absent or malformed one."""
    path = project / TABLE
    try:
        rows = msgspec.toml.decode(path.read_bytes(), type=dict[str, Row])
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}; images are built in a checkout of scalemark, whose {TABLE} lists them"
        ) from error
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: {error}") from error
    for name, row in rows.items():
        if bool(row.base) == bool(row.registry):
            raise InputError(
                f"{path}: image {name}: needs one of base and registry, found {'both' if row.base else 'none'}"
            )
        if row.base and row.base not in rows:
            raise InputError(f"{path}: image {name}: base {row.base!r} is no image of this table")
    return {name: Recipe(name=name, row=row, project=project) for name, row in rows.items()}


def in_order(table: dict[str, Recipe], names: list[str]) -> list[Recipe]:
    """The images named and all they stand on, bases first; raises `InputError` for unknown names and circles."""
    order: dict[str, Recipe] = {}

    def add(name: str, above: tuple[str, ...]) -> None:
        if name not in table:
            raise InputError(f"no image {name!r} to build; {suggest(name, table)}")
        if name in above:
            raise InputError(f"{TABLE}: images stand on each other in a circle: {' on '.join([*above, name])}")
        if table[name].row.base:
            add(table[name].row.base, (*above, name))
        order.setdefault(name, table[name])

    for name in names:
        add(name, ())
    return list(order.values())


def code_files(project: Path) -> list[Path]:
    """The files of scalemark's own code that a kernel's image holds, in a fixed order."""
    files = [path for folder in _CODE_FOLDERS for path in sorted((project / folder).rglob("*")) if path.is_file()]
    return [path for path in files if "__pycache__" not in path.parts] + [project / name for name in _CODE_FILES]
