"""Numba, whose cache knows all that a compiled function is made of, and which says when it compiles.

Cached functions take ``numba`` from here.

Numba compiles again what it kept when the function's own file has changed. What the function calls and the constants it
uses, which come from other modules, are compiled in as well: a change there would go unseen, and unmeasured.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import re
from pathlib import Path
from time import monotonic
from typing import Any

import numba as numba
from numba.core import caching, event

# between two words on what is compiled
_TELL_S = 10.0
_PACKAGE = Path(__file__).resolve().parent
_IMPORT = re.compile(rf"^\s*(?:from|import) ({_PACKAGE.name}[\w.]*)(?: import (\([^)]*\)|.*))?", re.MULTILINE)


@functools.cache
def sources(path: Path) -> frozenset[Path]:
    """The file and the files of this package that it imports, directly or not."""
    found: set[Path] = set()
    ahead = [path]
    while ahead:
        file = ahead.pop()
        if file not in found:
            found.add(file)
            ahead.extend(_imports(file))
    return frozenset(found)


@functools.cache
def _imports(path: Path) -> frozenset[Path]:
    names = set()
    for module, parts in _IMPORT.findall(path.read_text(encoding="utf-8")):
        names |= {module, *(f"{module}.{part}" for part in re.findall(r"\w+", parts))}
    files = (_PACKAGE.parent.joinpath(*name.split(".")).with_suffix(".py") for name in names)
    return frozenset(file for file in files if file.exists())


@functools.cache
def _digest(path: Path) -> bytes:
    total = hashlib.sha256()
    for file in sorted(sources(path)):
        total.update(file.read_bytes())
    return total.digest()


class _AllSources:
    """Beside one of Numba's locators: what is kept is stale when any of its `sources` has changed."""

    _py_file: str

    def get_source_stamp(self) -> Any:
        path = Path(self._py_file).resolve()
        return _digest(path) if path.is_relative_to(_PACKAGE) else super().get_source_stamp()  # type: ignore[misc]


class InNamedFolder(_AllSources, caching.UserProvidedCacheLocator):
    """In ``NUMBA_CACHE_DIR``."""


class BesideSource(_AllSources, caching.InTreeCacheLocator):
    """In ``__pycache__``."""


class InHome(_AllSources, caching.UserWideCacheLocator):
    """In the user's folder of caches, where the code lies in a place that cannot be written to."""


# of this process alone: in the environment it would reach trees of code and images that have no such module
numba.config.CACHE_LOCATOR_CLASSES = ",".join(  # type: ignore[attr-defined]
    [f"{__name__}.{kind.__name__}" for kind in (InNamedFolder, BesideSource, InHome)]
    + ["IPythonCacheLocator", "ZipCacheLocator"]
)


class _Teller(event.Listener):
    """Says now and then what is compiled for the cache, which takes seconds to minutes.

    It speaks as `kernels.api.tell` does, without importing it: all compiled functions would be made of it.
    """

    def __init__(self) -> None:
        self._told_s = -_TELL_S

    def on_start(self, event: Any) -> None:
        now_s, function = monotonic(), event.data["dispatcher"]
        if now_s - self._told_s >= _TELL_S and isinstance(function._cache, caching.FunctionCache):
            self._told_s = now_s
            logging.getLogger(_PACKAGE.name).info("compiling %s, once", function.py_func.__module__)

    def on_end(self, event: Any) -> None:
        pass


event.register("numba:compile", _Teller())
