"""The answer first: what scales, what does not, what changed, what went wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import median

from msgspec import Struct

from harness.analyse.scaling import TableRow
from harness.present import remarks, units
from harness.present.naming import CaseNames
from harness.present.report.content import Report, Section
from harness.present.report.elements import Markup, element, join
from harness.present.report.scaling_plots import efficiency_interval
from harness.present.report.svg import COLOURS, marker

# the least efficiency of each word, its plural and its kind; the terminal's bars change their colour there too
_STANDINGS = (
    (0.8, "scales", "scale", "good"),
    (0.5, "scales partly", "scale partly", "fair"),
    (-math.inf, "does not scale", "do not scale", "bad"),
)
# the efficiency at the right end of the small plots, and their size in user units
_REACH = 1.25
_WIDTH, _HEIGHT = 190, 18


class Standing(Struct, frozen=True, kw_only=True):
    """How one backend of a section scales: its rows at the most ranks, one a problem, and the middle of them."""

    section: Section
    backend: str
    rows: list[TableRow]

    @property
    def efficiency(self) -> float:
        """The median over problems."""
        return median(row.efficiency for row in self.rows if row.efficiency is not None)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The medians of the problems' intervals; None where a problem has none."""
        found = [efficiency_interval(row) for row in self.rows]
        known = [item for item in found if item is not None]
        if len(known) < len(found):
            return None
        return median(low for low, _ in known), median(high for _, high in known)


def find_standings(sections: Sequence[Section]) -> list[Standing]:
    """Every backend that was measured on several numbers of ranks, the most efficient first."""
    standings = []
    for section in sections:
        scaled = [
            row for row in section.rows if row.efficiency is not None and row.base_case_id not in (None, row.case_id)
        ]
        for backend in section.backends:
            own = [row for row in scaled if section.backend_of(row) == backend]
            most = max((row.ranks for row in own), default=0)
            if own:
                rows = [row for row in own if row.ranks == most]
                standings.append(Standing(section=section, backend=backend, rows=rows))
    return sorted(standings, key=lambda standing: -standing.efficiency)


def overview(report: Report) -> Markup:
    """The first part of the page, except for what changed."""
    standings = find_standings(report.sections)
    return join(
        [
            _tiles(report),
            element("h2", "What scales, and what does not"),
            element("p", _answer(standings), class_="answer"),
            _standings_table(standings) if standings else None,
            _problems(report),
        ]
    )


def _tiles(report: Report) -> Markup:
    rows = report.rows
    bad, launches, samples = (sum(getattr(row, name) for row in rows) for name in ("is_bad", "launches", "samples"))
    told = [
        (f"{len(rows):,}", "case" if len(rows) == 1 else "cases", ""),
        (f"{sum(row.median_s is not None for row in rows):,}", "measured", ""),
        (f"{bad:,}", "failed, missing or wrong", "bad" if bad else "good"),
        (f"{launches:,}", "launch of a case" if launches == 1 else "launches of a case", ""),
        (f"{samples:,}", "sample" if samples == 1 else "samples", ""),
    ]
    return element(
        "dl",
        *(
            element("div", element("dd", number), element("dt", what), class_=kind or None)
            for number, what, kind in told
        ),
        class_="tiles",
    )


def _answer(standings: Sequence[Standing]) -> str:
    if not standings:
        return "Nothing was measured on several numbers of ranks, so nothing can be said of scaling."
    counts = Counter(_standing_of(item.efficiency)[0] for item in standings)
    told = [f"{counts[one]} {one if counts[one] == 1 else many}" for _, one, many, _ in _STANDINGS if counts[one]]
    uncertain = sum(not _is_certain(item) for item in standings)
    doubt = f" {uncertain} of these answers {'is' if uncertain == 1 else 'are'} uncertain." if uncertain else ""
    subject = "Of one backend" if len(standings) == 1 else f"Of {len(standings)} backends of kernels"
    return f"{subject}, each at its most ranks: {', '.join(told)}.{doubt}"


def _standings_table(standings: Sequence[Standing]) -> Markup:
    headers = ("", "kernel", "scaling", "backend", "ranks", "efficiency", "problems and 95 % intervals")
    numbers = ("ranks", "efficiency")
    head = element(
        "tr", *(element("th", name, scope="col", class_="number" if name in numbers else None) for name in headers)
    )
    body = [_standing_row(item) for item in standings]
    caption = (
        "Efficiency at the most ranks against the fewest: the median over problems. "
        "It scales from 80 %, partly from 50 %; uncertain: the 95 % interval is not known or allows another answer."
    )
    table = element("table", element("caption", caption), element("thead", head), element("tbody", *body))
    return element("div", table, class_="scroll")


def _standing_row(item: Standing) -> Markup:
    word, kind = _standing_of(item.efficiency)
    section = item.section
    doubt = None if _is_certain(item) else element("small", " uncertain")
    return element(
        "tr",
        element("td", element("span", word, class_=f"tag {kind}"), doubt),
        element("td", element("a", section.kernel, href=f"#{section.anchor}")),
        element("td", section.mode),
        element("td", marker(section.backends.index(item.backend)), " ", item.backend),
        element("td", item.rows[0].ranks, class_="number"),
        element("td", units.percent(item.efficiency), class_="number"),
        element("td", _forest(item)),
    )


def _forest(item: Standing) -> Markup:
    """Every problem's efficiency with its interval on a line from 0 to a little more than 100 %."""
    index = item.section.backends.index(item.backend)
    grid = [element("path", d=f"M{_place(value):.0f} 1v{_HEIGHT - 2}", class_="grid") for value in (0, 0.5, 0.8)]
    ideal = element("path", d=f"M{_place(1.0):.0f} 1v{_HEIGHT - 2}", class_="ideal")
    parts = []
    for row in item.rows:
        tip = element("title", f"{item.section.problem_of(row) or item.section.kernel}: {_tell(row)}")
        interval = efficiency_interval(row)
        line = interval and element(
            "path", d=f"M{_place(interval[0]):.1f} {_HEIGHT / 2}H{_place(interval[1]):.1f}", class_="interval"
        )
        dot = element("circle", cx=f"{_place(row.efficiency or 0.0):.1f}", cy=_HEIGHT / 2, r=3.2, class_="dot")
        parts.append(element("g", tip, line or None, dot, class_="point"))
    return element(
        "svg", *grid, ideal, *parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", class_=f"forest c{index % COLOURS}", role="img",
        aria_label=f"efficiency {units.percent(item.efficiency)}",
    )  # fmt: skip


def _tell(row: TableRow) -> str:
    interval = efficiency_interval(row)
    enclosed = f" [{units.percent(interval[0])} … {units.percent(interval[1])}]" if interval else ""
    return f"{units.percent(row.efficiency or 0.0)}{enclosed} at {units.counted(row.ranks, 'rank')}"


def _place(efficiency: float) -> float:
    return 4 + min(max(efficiency / _REACH, 0.0), 1.0) * (_WIDTH - 8)


def _standing_of(efficiency: float) -> tuple[str, str]:
    return next((word, kind) for least, word, _, kind in _STANDINGS if efficiency >= least)


def _is_certain(item: Standing) -> bool:
    """Whether both ends of the interval get the same word."""
    return item.interval is not None and len({_standing_of(bound) for bound in item.interval}) == 1


def _problems(report: Report) -> Markup:
    reasons = remarks.reasons(report.rows)
    if not reasons and not report.damages:
        return Markup("")
    names = CaseNames(report.rows)
    items = [
        element(
            "li",
            element("strong", units.counted(len(rows), "case")),
            f": {reason} ",
            element("details", element("summary", "which"), "; ".join(map(names.of, rows))),
        )
        for reason, rows in reasons.items()
    ]
    items += [element("li", element("strong", "damaged file"), f": {damage}") for damage in report.damages]
    return join([element("h2", "What went wrong"), element("ul", *items, class_="complaints")])
