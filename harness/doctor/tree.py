"""Reading the kernel's files below a root folder, which is ``/`` or a made-up machine."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")


def read(path: Path) -> str | None:
    """A file's text without the white space around it, or None where there is nothing to read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None


def read_number(path: Path) -> int | None:
    """A file's whole number, or None where there is none (``max`` is none)."""
    try:
        return int(read(path) or "")
    except ValueError:
        return None


def read_fields(path: Path, separator: str) -> dict[str, str]:
    """``name<separator>value`` lines; of a name that comes several times the first."""
    fields: dict[str, str] = {}
    for line in (read(path) or "").splitlines():
        name, _, value = line.partition(separator)
        fields.setdefault(name.strip(), value.strip())
    return fields


def parse_cpus(text: str) -> list[int]:
    """CPU numbers of a list such as ``0-3,8``."""
    numbers: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def format_cpus(numbers: list[int]) -> str:
    """The shortest list, such as ``0-3,8``, of ascending CPU numbers."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)
