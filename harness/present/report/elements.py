"""HTML and SVG that cannot be injected into: text becomes markup only by being escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable


class Markup(str):
    """A text that is markup already."""

    __slots__ = ()


def element(name: str, /, *children: object, **attributes: object) -> Markup:
    """An element; children that are no `Markup`, and all attributes, are escaped.

    Attributes that are None or False are left out, those that are True stand alone. A trailing underscore, which
    avoids Python's keywords, is dropped, and other underscores become dashes: ``class_``, ``data_backend``.
    """
    return Markup(f"<{name}{''.join(_attributes(attributes))}>{join(children)}</{name}>")


def void(name: str, /, **attributes: object) -> Markup:
    """An element without content, such as ``input``."""
    return Markup(f"<{name}{''.join(_attributes(attributes))}>")


def join(children: Iterable[object], separator: str = "") -> Markup:
    """Children one after the other, escaped unless they are markup; None and empty texts are left out."""
    shown = [child if isinstance(child, Markup) else html.escape(str(child)) for child in children if child is not None]
    return Markup(separator.join(filter(None, shown)))


def _attributes(attributes: dict[str, object]) -> Iterable[str]:
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        plain = name.rstrip("_").replace("_", "-")
        yield f" {plain}" if value is True else f' {plain}="{html.escape(str(value))}"'
