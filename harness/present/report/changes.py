"""What changed against a baseline: verdicts, the bad ones first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

from harness.analyse.compare import CompareTable, Comparison
from harness.analyse.verdicts import BAD, Verdict
from harness.present import units
from harness.present.comparison import summarise
from harness.present.report.elements import Markup, element, join

_ORDER: tuple[Verdict, ...] = get_args(Verdict)
# cases that stayed the same are counted, and of more than these only the worst are listed
_LISTED = 60
_WIDTH, _HEIGHT = 190, 18


def changes(table: CompareTable | None) -> Markup:
    """The verdicts on times, what differs in the circumstances, or how to get an answer where there is none."""
    title = element("h2", "What changed")
    if table is None:
        hint = ["Compared with nothing: ", element("code", "scalemark report --against @NAME"), " names a baseline."]
        return join([title, element("p", *hint, class_="quiet")])
    against = f"{table.metric} against {table.base}, threshold {units.percent(table.threshold)}"
    shown = sorted((row for row in table.rows if row.verdict != "same"), key=_urgency)
    return join(
        [
            title,
            element("p", f"{summarise(table) or 'No cases'}: {against}.", class_="answer"),
            _differences(table) if table.differences else None,
            _verdicts(shown[:_LISTED]) if shown else None,
            element("p", f"and {len(shown) - _LISTED:,} more", class_="quiet") if len(shown) > _LISTED else None,
        ]
    )


def _urgency(row: Comparison) -> tuple[int, float, str]:
    return _ORDER.index(row.verdict), -abs(math.log(row.ratio)) if row.ratio else 0.0, row.case_id


def _differences(table: CompareTable) -> Markup:
    rows = [
        element("tr", element("th", item.what, scope="row"), element("td", item.base), element("td", item.new))
        for item in table.differences
    ]
    head = element("tr", *(element("th", name, scope="col") for name in ("what differs", "base", "new")))
    return element("div", element("table", element("thead", head), element("tbody", *rows)), class_="scroll")


def _verdicts(rows: Sequence[Comparison]) -> Markup:
    reach = max([0.1, *(abs(math.log(bound)) for row in rows for bound in (row.low, row.high) if bound)])
    reach = min(reach, math.log(4))
    headers = ("", "case", "base", "new", "ratio", "90 % interval", "")
    numbers = ("base", "new", "ratio")
    head = element(
        "tr", *(element("th", name, scope="col", class_="number" if name in numbers else None) for name in headers)
    )
    body = [_verdict_row(row, reach) for row in rows]
    return element("div", element("table", element("thead", head), element("tbody", *body)), class_="scroll")


def _verdict_row(row: Comparison, reach: float) -> Markup:
    kind = "bad" if row.verdict in BAD else "good" if row.verdict == "faster" else "fair"
    return element(
        "tr",
        element("td", element("span", row.verdict, class_=f"tag {kind}")),
        element("td", element("code", row.case_id)),
        element("td", units.duration(row.base) if row.base else "–", class_="number"),
        element("td", units.duration(row.new) if row.new else "–", class_="number"),
        element("td", units.ratio(row.ratio) if row.ratio else "–", class_="number"),
        element("td", _forest(row, reach)),
        element("td", row.message, class_="quiet"),
    )


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
