"""The whole report as one HTML file that asks no server for anything, and cannot: its content policy forbids it."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from harness.present.report.changes import changes
from harness.present.report.content import Report
from harness.present.report.elements import Markup, element, join, void
from harness.present.report.kernel_section import colour_rules, kernel_section
from harness.present.report.overview import overview


def render_page(report: Report) -> str:
    """The report as HTML."""
    style = f"{_resource('page.css')}\n{colour_rules(report.sections)}\n"
    script = _resource("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    head = element(
        "head",
        void("meta", charset="utf-8"),
        void("meta", http_equiv="Content-Security-Policy", content=policy),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", name="color-scheme", content="light dark"),
        element("title", f"Scaling report: {report.source}"),
        element("style", Markup(style)),
    )
    body = element(
        "body",
        _header(report),
        element(
            "main",
            element("section", overview(report), changes(report), id="overview"),
            *map(kernel_section, report.sections),
        ),
        element("div", id="tip", role="tooltip", hidden=True),
        element("script", Markup(script)),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _header(report: Report) -> Markup:
    sweeps: dict[str, list[Markup]] = {}
    for section in report.sections:
        sweeps.setdefault(section.sweep, []).append(element("a", section.kernel, href=f"#{section.anchor}"))
    links = [element("span", element("small", sweep), *kernels) for sweep, kernels in sweeps.items()]
    made = f"{report.source}, {report.made[:16].replace('T', ' ')} UTC"
    navigation = element("nav", element("a", "Overview", href="#overview"), *links, aria_label="Sections")
    return join([element("header", element("h1", "Scaling report"), element("p", made, class_="quiet")), navigation])


def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
