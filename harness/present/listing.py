"""What can be measured here, for people and for programs."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from msgspec import inspect

from harness.present import render
from kernels import registry
from kernels.api import Kernel

_TYPES: dict[type, str] = {
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.StrType: "text",
    inspect.BoolType: "true or false",
}


def render_all(format_: str) -> str:
    """Every kernel with its backends: whether each can run here, and if not why."""
    kernels = [registry.load(name) for name in registry.names()]
    if format_ == "text":
        return "\n\n".join(f"{kernel.name}: {kernel.summary}\n{_render_backends(kernel)}" for kernel in kernels)
    return render.rows([row for kernel in kernels for row in _backend_rows(kernel)], format_)


def render_kernel(name: str, format_: str) -> str:
    """One kernel: what it measures, how it scales, its backends and its parameters."""
    kernel = registry.load(name)
    if format_ == "json":
        return render.structs(
            {
                "kernel": kernel.name,
                "version": kernel.version,
                "summary": kernel.summary,
                "scaling": kernel.scaling,
                "reference": kernel.reference,
                "backends": _backend_rows(kernel),
                "parameters": _parameter_rows(kernel),
            }
        )
    parameters = render.rows(_parameter_rows(kernel), format_, title="parameters")
    if format_ != "text":
        return parameters
    head = f"{kernel.name}, version {kernel.version}: {kernel.summary}\nscaling: {kernel.scaling}"
    return "\n\n".join([head, f"backends\n{_render_backends(kernel)}", parameters])


def _render_backends(kernel: Kernel) -> str:
    """A line a backend: what it is, or why it cannot run here."""
    lines = []
    for row in _backend_rows(kernel):
        told = row["summary"] if row["available"] else f"cannot run here: {row['reason']}"
        takes = f"; takes {row['takes']}" if row["available"] and row["takes"] else ""
        lines.append({"mark": " ✓"[row["available"]], "backend": row["backend"], "told": told + takes})
    return render.rows(lines, "text", headed=False)


def _backend_rows(kernel: Kernel) -> list[dict[str, Any]]:
    rows = []
    for name, backend in kernel.backends.items():
        reason = backend.missing("cpu")
        rows.append(
            {
                "kernel": kernel.name,
                "backend": name,
                "reference": name == kernel.reference,
                "available": reason is None,
                "summary": backend.summary,
                "reason": reason or "",
                "takes": backend.describe_takes(),
            }
        )
    return rows


def _parameter_rows(kernel: Kernel) -> list[dict[str, Any]]:
    fields = {field.name: field for field in msgspec.structs.fields(kernel.parameters)}
    described = cast(inspect.StructType, inspect.type_info(kernel.parameters))
    return [
        {
            "parameter": field.name,
            # as `--set` takes it
            "default": str(default).lower() if isinstance(default := fields[field.name].default, bool) else default,
            "values": _values(field.type),
            "meaning": _description(field.type),
        }
        for field in described.fields
    ]


def _values(type_: Any) -> str:
    if isinstance(type_, inspect.Metadata):
        return _values(type_.type)
    if isinstance(type_, inspect.LiteralType):
        return ", ".join(str(value) for value in type_.values)
    low = getattr(type_, "ge", None) if getattr(type_, "ge", None) is not None else getattr(type_, "gt", None)
    high = getattr(type_, "le", None) if getattr(type_, "le", None) is not None else getattr(type_, "lt", None)
    bounds = [f"from {low:,}" if low is not None else "", f"to {high:,}" if high is not None else ""]
    return " ".join([_TYPES.get(type(type_), "value"), *filter(None, bounds)])


def _description(type_: Any) -> str:
    if isinstance(type_, inspect.Metadata):
        return (type_.extra_json_schema or {}).get("description", "")
    return ""
