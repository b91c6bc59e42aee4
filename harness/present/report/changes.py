"""What changed: verdicts against a baseline, the bad ones first, and the last change points of the past."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, get_args

from harness.analyse.compare import CompareTable, Comparison
from harness.analyse.history import CaseHistory
from harness.analyse.verdicts import BAD, Verdict
from harness.present import units
from harness.present.comparison import footnotes, summarise
from harness.present.naming import CaseNames, place
from harness.present.remarks import coarsely
from harness.present.report.content import Report
from harness.present.report.elements import Markup, element, join
from harness.present.report.history_plots import describe_change

_ORDER: tuple[Verdict, ...] = get_args(Verdict)
# cases that stayed the same are counted, and of more than these only the worst are listed
_LISTED = 60
_WIDTH, _HEIGHT = 190, 18


def changes(report: Report) -> Markup:
    """The verdicts on times, what differs in the circumstances, or how to get an answer; then what the past tells."""
    return join([element("h2", "What changed"), _against(report.changes), _past(report)])


def _against(table: CompareTable | None) -> Markup:
    if table is None:
        hint = ["Compared with nothing: ", element("code", "scalemark report --against @NAME"), " names a baseline."]
        return element("p", *hint, class_="quiet")
    against = f"{table.metric} against {table.base}, threshold {units.percent(table.threshold)}"
    shown = sorted((row for row in table.rows if row.verdict != "same"), key=_urgency)
    return join(
        [
            element("p", f"{summarise(table) or 'No cases'}: {against}.", class_="answer"),
            _differences(table) if table.differences else None,
            _verdicts(shown[:_LISTED], table) if shown else None,
            element("p", f"and {len(shown) - _LISTED:,} more", class_="quiet") if len(shown) > _LISTED else None,
            *(element("p", line, class_="quiet") for line in footnotes(shown[:_LISTED])),
        ]
    )


def _past(report: Report) -> Markup | None:
    """The cases whose newest segment differs from the one before, the largest change first."""
    histories = [history for section in report.sections for history in section.histories]
    if not histories:
        return None
    changed = [history for history in histories if history.segments[-1].ratio]
    changed.sort(key=lambda history: -abs(math.log(history.segments[-1].ratio or 1.0)))
    answer = f"Of {units.counted(len(histories), 'case')} with a past, {len(changed):,} changed in it."
    names = CaseNames(histories)
    items = [_past_item(history, names) for history in changed[:_LISTED]]
    return join([element("p", answer, class_="answer"), element("ul", *items) if items else None])


def _past_item(history: CaseHistory, names: CaseNames) -> Markup:
    word, kind = ("worse", "bad") if history.is_worse else ("better", "good")
    change = f": {describe_change(history.segments[-1])}"
    return element(
        "li", element("span", word, class_=f"tag {kind}"), f" {names.of(history)}{change}", title=history.case_id
    )


def _urgency(row: Comparison) -> tuple[Any, ...]:
    return _ORDER.index(row.verdict), -abs(math.log(row.ratio)) if row.ratio else 0.0, place(row)


def _differences(table: CompareTable) -> Markup:
    rows = [
        element("tr", element("th", item.what, scope="row"), element("td", item.base), element("td", item.new))
        for item in table.differences
    ]
    head = element("tr", *(element("th", name, scope="col") for name in ("what differs", "base", "new")))
    return element("div", element("table", element("thead", head), element("tbody", *rows)), class_="scroll")


def _verdicts(rows: Sequence[Comparison], table: CompareTable) -> Markup:
    reach = max([0.1, *(abs(math.log(bound)) for row in rows for bound in (row.low, row.high) if bound)])
    reach = min(reach, math.log(4))
    headers = ("", "case", "base", "new", "ratio", "90 % interval", "")
    numbers = ("base", "new", "ratio")
    head = element(
        "tr", *(element("th", name, scope="col", class_="number" if name in numbers else None) for name in headers)
    )
    names = CaseNames(table.rows)
    body = [_verdict_row(row, names, reach) for row in rows]
    return element("div", element("table", element("thead", head), element("tbody", *body)), class_="scroll")


def _verdict_row(row: Comparison, names: CaseNames, reach: float) -> Markup:
    kind = "bad" if row.verdict in BAD else "good" if row.verdict == "faster" else "fair"
    return element(
        "tr",
        element("td", element("span", row.verdict, class_=f"tag {kind}")),
        element("td", names.of(row), title=row.case_id),
        element("td", _time(row.base, row), class_="number"),
        element("td", _time(row.new, row), class_="number"),
        element("td", units.ratio(row.ratio) if row.ratio else "–", class_="number"),
        element("td", _forest(row, reach)),
        element("td", row.message, class_="quiet"),
    )


def _time(seconds: float | None, row: Comparison) -> str:
    return coarsely(units.duration(seconds), row.is_near_clock(seconds)) if seconds else "–"


def _forest(row: Comparison, reach: float) -> Markup | None:
    """The ratio with its interval on a logarithmic line around 1."""
    if row.ratio is None or not row.low or not row.high:
        return None

    def place(ratio: float) -> str:
        return f"{_WIDTH / 2 * (1 + max(-1.0, min(1.0, math.log(ratio) / reach)) * 0.96):.1f}"

    tip = f"{units.ratio(row.ratio)} [{units.ratio(row.low)} … {units.ratio(row.high)}]"
    return element(
        "svg",
        element("path", d=f"M{_WIDTH / 2} 1v{_HEIGHT - 2}", class_="ideal"),
        element(
            "g",
            element("title", tip),
            element("path", d=f"M{place(row.low)} {_HEIGHT / 2}H{place(row.high)}", class_="interval"),
            element("circle", cx=place(row.ratio), cy=_HEIGHT / 2, r=3.2, class_="dot"),
            class_="point",
        ),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        class_="forest",
        role="img",
        aria_label=tip,
    )
