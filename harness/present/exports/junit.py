"""JUnit XML, which every CI system shows: a suite a sweep, a test a case."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from harness.analyse.scaling import ScalingTable, TableRow
from harness.present.exports.measured import Measured
from harness.present.naming import CaseNames

# XML 1.0 has no way to write these, and a kernel's message may hold them
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(measured: Measured, format_: str) -> bytes:
    """Failed cases and wrong answers are failures, missing and unavailable ones skipped, damaged files errors.

    Times are medians.
    """
    root = ElementTree.Element("testsuites", name="scalemark")
    for table in measured.tables:
        root.append(_suite(table))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _suite(table: ScalingTable) -> ElementTree.Element:
    names = CaseNames(table.rows)
    cases = [_case(row, names.details(row)) for row in table.rows]
    counts = {
        "tests": len(cases) + len(table.damages),
        "failures": sum(case.find("failure") is not None for case in cases),
        "skipped": sum(case.find("skipped") is not None for case in cases),
        "errors": len(table.damages),
    }
    suite = ElementTree.Element(
        "testsuite", {"name": table.sweep} | {name: str(count) for name, count in counts.items()}
    )
    suite.extend([*cases, *map(_damaged, table.damages)])
    return suite


def _case(row: TableRow, details: str) -> ElementTree.Element:
    """A test; its name is the case's id and, in words, the ``details`` that tell it from the suite's others."""
    stack = "" if row.stack in ("", "bare") else row.stack
    name = " ".join(filter(None, [row.case_id, stack, f"({details})" if details else ""]))
    time = {} if row.median_s is None else {"time": f"{row.median_s:.9f}"}
    case = ElementTree.Element(
        "testcase", {"classname": f"{row.kernel}.{row.backend}", "name": _writable(name), **time}
    )
    if row.is_bad:
        element = "skipped" if row.status in ("missing", "unavailable") else "failure"
        kind = "wrong answer" if row.status == "ok" else row.status.replace("_", " ")
        ElementTree.SubElement(case, element, {"message": _writable(row.message or kind), "type": kind})
    return case


def _damaged(damage: str) -> ElementTree.Element:
    """A file that could not be read, as a test of its own: services show no errors that no test has."""
    file, _, _ = damage.partition(": ")
    case = ElementTree.Element("testcase", {"classname": "results", "name": _writable(file)})
    ElementTree.SubElement(case, "error", {"message": _writable(damage), "type": "damaged"})
    return case


def _writable(text: str) -> str:
    return _UNWRITABLE.sub("�", text)
