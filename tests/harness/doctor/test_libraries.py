from __future__ import annotations

import msgspec
import pytest

from harness.doctor import libraries
from kernels import registry
from kernels.api import Backend, Workload
from kernels.declaring import needs


def test_every_kernel_is_told_and_a_lack_once_a_reason() -> None:
    findings = list(libraries.examine_backends())
    assert {f.subject for f in findings if f.subject != "not here"} == set(registry.names())
    reasons = [f.reason for f in findings if f.subject == "not here"]
    assert len(reasons) == len(set(reasons))


def test_a_backend_that_lacks_something_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Backend("", Workload, needs("no_such_module", extra="peers"))
    kernel = msgspec.structs.replace(registry.load("nothing"), backends={"peer": backend})
    monkeypatch.setattr(registry, "names", lambda: ["nothing"])
    monkeypatch.setattr(registry, "load", lambda name: kernel)
    nothing_runs, lack = libraries.examine_backends()
    assert nothing_runs.severity == "warning"
    assert (lack.severity, lack.found) == ("note", "nothing on peer")
    assert lack.reason.startswith("needs no_such_module")
    assert lack.action == "pip install 'scalemark[peers]'"


def test_a_kernel_that_cannot_be_imported_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEMARK_KERNELS", "mine=no.such.module:KERNEL")
    (found,) = [f for f in libraries.examine_backends() if f.subject == "mine"]
    assert found.severity == "error"
    assert "No module named 'no'" in found.found


def test_a_compiler_that_is_not_there_or_does_not_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert next(libraries.examine_compiler()).severity == "warning"
    monkeypatch.setenv("CXX", "false")
    assert "cannot build" in next(libraries.examine_compiler()).found
