"""The page: whole, alone, safe, small; and, in a real browser, without complaints and with controls that work."""

from __future__ import annotations

import html
import re
import time
from html.parser import HTMLParser

import msgspec
import pytest

from harness.analyse import compare
from harness.analyse.side import read_side
from harness.present.report.page import render_page
from harness.store.manifest import write_manifest
from harness.store.write import write_record
from kernels.api import Figure

# of HTML, those that need no end
VOID = {"meta", "input"}


class Reader(HTMLParser):
    """Collects what a page refers to, its scripts, its words, and elements that do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.references: set[str] = set()
        self.ids: set[str] = set()
        self.tags: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in VOID:
            self._open.append(tag)
        for name, value in attributes:
            assert not name.startswith("on")
            if name in ("src", "href", "srcset", "action", "data", "poster"):
                self.references.add(value)
            elif name == "id":
                self.ids.add(value)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def hostile(tmp_path, make_case, make_record, make_sweep):
    """A results folder in which everything that may hold markup holds some: parameters, figures, messages."""
    attack = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
    parameters = {"label": attack}
    good, bad = make_case(2, parameters=parameters), make_case(2, "other", parameters={"label": f"{attack}2"})
    figures = [Figure(name="word", value=attack, unit=attack)]
    write_record(tmp_path, make_record(good, [1.0, 1.1, 1.3], figures=figures, rank_median_s=[1.0, 1.1]))
    write_record(tmp_path, make_record(bad, status="failed", message=attack))
    write_manifest(tmp_path, make_sweep([good, bad]))
    return tmp_path, attack


def test_the_page_asks_nobody_for_anything_and_its_links_lead_somewhere(write_sweep, make_report):
    page = render_page(make_report(write_sweep()))
    found = Reader(page)
    assert found.references
    assert all(reference.startswith("#") and reference[1:] in found.ids for reference in found.references)
    assert not re.search(r"\w://|@import|url\(", page)
    assert "default-src 'none'" in html.unescape(page)


def test_every_case_is_there_and_the_answer_comes_first(write_sweep, make_report):
    report = make_report(write_sweep(problems=2))
    words = " ".join(Reader(render_page(report)).words)
    assert all(row.case_id in words for row in report.rows)
    assert "Of 4 backends of kernels, each at its most ranks: 1 scales, 1 scales partly, 2 do not scale" in words
    assert words.index("What scales") < words.index("What changed") < words.index("Time of a step")
    assert "<b>Abacus</b>" in words


def test_nothing_in_a_record_becomes_markup(hostile, make_report):
    folder, attack = hostile
    found = Reader(render_page(make_report(folder)))
    words = " ".join(found.words)
    assert found.tags.count("script") == 1
    assert "img" not in found.tags
    assert words.count(attack) >= 2
    assert "1 case" in words


def test_what_changed_names_the_cases_that_did(write_sweep, make_report):
    base, new = write_sweep("base", launches=5), write_sweep("new", launches=5, factor=1.3)
    table = compare.compare(*(read_side(str(path), new) for path in (base, new)))
    words = " ".join(Reader(render_page(msgspec.structs.replace(make_report(new), changes=table))).words)
    assert "20 slower" in words
    assert "1.30×" in words
    assert "invented0 worst, ranks 16" in words


def test_five_hundred_cases_make_a_small_page_quickly(page_of_500):
    report, page, took_s = page_of_500
    assert len(report.rows) == 500
    assert took_s < 10
    assert len(page.encode()) < 8e6


def test_a_browser_shows_it_quickly_and_without_complaint(browser, tmp_path, page_of_500):
    page = tmp_path / "report.html"
    page.write_text(page_of_500[1], encoding="utf-8")
    start_s = time.perf_counter()
    browser.open(page)
    assert browser.evaluate("document.querySelectorAll('.kernel').length") == 5
    assert time.perf_counter() - start_s < 6
    assert browser.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") < 2000
    assert browser.complaints == []


def test_keys_toggle_backends_and_walk_from_point_to_point(browser, tmp_path, write_sweep, make_report):
    page = tmp_path / "report.html"
    page.write_text(render_page(make_report(write_sweep())), encoding="utf-8")
    browser.open(page)
    shown = "[...document.querySelectorAll('tr[data-backend]')].filter(row => row.getClientRects().length).length"
    assert browser.evaluate(shown) == 20
    browser.evaluate("document.querySelector('input[data-backend=\"1\"]').focus()")
    browser.press(" ")
    assert browser.evaluate(shown) == 15
    browser.evaluate("document.querySelector('figure svg').focus()")
    browser.press("ArrowRight")
    first = browser.evaluate("document.getElementById('tip').textContent")
    browser.press("ArrowRight")
    second = browser.evaluate("document.getElementById('tip').textContent")
    assert first.startswith("good, 1 rank\n1.00 ms")
    assert second.startswith("good, 2 ranks")
    browser.press("Escape")
    assert browser.evaluate("document.getElementById('tip').hidden")
    assert browser.complaints == []


def test_it_is_dark_where_people_want_it_dark_and_dark_on_white_on_paper(browser, tmp_path, write_sweep, make_report):
    page = tmp_path / "report.html"
    page.write_text(render_page(make_report(write_sweep())), encoding="utf-8")
    browser.open(page)
    seen = {}
    for medium, scheme in (("screen", "light"), ("screen", "dark"), ("print", "dark")):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.call("Emulation.setEmulatedMedia", media=medium, features=features)
        paper, ink, curve, controls = browser.evaluate(
            """(() => {
                const style = element => getComputedStyle(document.querySelector(element));
                const colours = [style("body").backgroundColor, style("body").color, style("figure svg .line").stroke];
                return [...colours, style(".toggles input").display];
            })()"""
        )
        lightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) / 3 for colour in (paper, ink)]
        seen[medium, scheme] = lightness, curve, controls
    assert seen["screen", "light"][0][0] > 240 > 100 > seen["screen", "light"][0][1]
    assert seen["screen", "dark"][0][1] > 200 > 50 > seen["screen", "dark"][0][0]
    assert seen["print", "dark"][0] == [255, 0]
    assert seen["screen", "light"][1] == seen["print", "dark"][1] != seen["screen", "dark"][1]
    assert seen["screen", "light"][2] != "none" == seen["print", "dark"][2]
    assert browser.complaints == []
