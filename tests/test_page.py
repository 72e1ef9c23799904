"""The pages in a browser: sorted by mouse and keyboard, read on a phone, in the dark, on paper and without scripts."""

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from bench.reporting.index import write_indexes
from bench.reporting.page import write_report
from tests.browser import DESKTOP, PAPER, PHONE, Scheme, chromium, opened
from tests.synthetic import overfit, wide, write

TECHNIQUES = (
    "baseline", "under-sampling", "over-sampling", "smote", "class-weights-balanced-mean", "focal [loss.gamma=2.0]",
    "logit-adjustment", "dropout", "label-smoothing", "class-weights + tuned-threshold",
)  # fmt: skip
RANKING = "Ranking on fixed-test"
BOXES = """[...document.querySelectorAll("section, th, td, .scroll")].map((one) => {
  const { x, y, width, height } = one.getBoundingClientRect();
  return [x, y, width, height];
})"""
PAGES = ("planted/index.html", "index.html", "gap/index.html")
GAP = ("baseline", "dropout", "l2 [strength.l2=1e-05]", "l2 [strength.l2=0.01]", "early-stopping", "last-value")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report folder with one suite that has all kinds of outcome, and an index."""
    folder = tmp_path_factory.mktemp("site")
    world = wide(repeats=5, folds=1)
    effects = {name: effect for name, effect in world.effects.items() if name in TECHNIQUES}
    small = replace(world, effects=effects, datasets=("fixed-test", "errors"))
    store = write(folder / "results" / "planted", small)
    written = write_report(store.path, folder / "report" / "planted")
    gap = replace(overfit(repeats=5, datasets=2), effects={name: overfit().effects[name] for name in GAP})
    write_report(write(folder / "results" / "gap", gap).path, folder / "report" / "gap")
    return write_indexes(folder / "report", [written.page.parent]).parent


def _table(page: Page, caption: str = RANKING) -> Locator:
    return page.locator("table", has=page.locator("caption", has_text=re.compile(f"^{caption}$")))


def _column(table: Locator, heading: str) -> list[str]:
    at = [text.strip() for text in table.locator("thead th").all_inner_texts()].index(heading)
    return [text.strip() for text in table.locator(f"tbody tr > :nth-child({at + 1})").all_inner_texts()]


def _sorts(table: Locator) -> dict[str, str]:
    """Return the headings that say they are sorted, with the direction."""
    return {
        head.inner_text().strip(): head.get_attribute("aria-sort") or ""
        for head in table.locator("th[aria-sort]").all()
    }


def _number(text: str) -> float:
    """Return the number that a cell starts with."""
    return float(text.split(" ")[0].split("/")[0].removesuffix("x"))


def _open_all(page: Page) -> None:
    for summary in page.locator("summary").all():
        summary.click()


@pytest.mark.parametrize(("wanted", "outcome"), [("required", pytest.fail), ("", pytest.skip)])
def test_a_browser_that_is_required_and_missing_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wanted: str, outcome: Any
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BENCH_BROWSER", wanted)
    with pytest.raises(outcome.Exception, match="no Chromium here; on Debian: apt-get install chromium"), chromium():
        pass


# ---- sorting


def test_a_click_sorts_by_the_numbers_and_another_the_other_way(browser: Browser, site: Path) -> None:
    with (site / "planted" / "fixed-test-ranking.csv").open(encoding="utf-8") as file:
        held = {row["technique"]: float(row["score"]) for row in csv.DictReader(file) if row["score"]}
    with opened(browser, site / PAGES[0]) as page:
        table = _table(page)
        assert _sorts(table) == {"rank": "ascending"}
        ranks = [int(text) for text in _column(table, "rank") if text != "-"]
        assert ranks == sorted(ranks)
        for direction, sign in (("ascending", 1), ("descending", -1)):
            table.get_by_role("button", name="score").click()
            assert _sorts(table) == {"score": direction}
            order = _column(table, "technique")
            assert len(order) == len(held)
            assert [sign * held[name] for name in order] == sorted(sign * value for value in held.values())
            expect(page.get_by_role("status")).to_have_text(f"{RANKING}: by score, {direction}")


@pytest.mark.parametrize(
    "heading", ["rank", "difference [95 %]", "detectable", "place", "gap [95 %]", "cost", "trials"]
)
def test_signed_numbers_ratios_and_intervals_sort_by_value_and_dashes_stay_last(
    browser: Browser, site: Path, heading: str
) -> None:
    with opened(browser, site / PAGES[0]) as page:
        table = _table(page)
        before = _column(table, heading)
        numbers = [_number(text) for text in before if text != "-"]
        assert numbers
        if heading == "rank":
            table.get_by_role("button", name="score").click()
        for backwards in (False, True):
            table.get_by_role("button", name=heading, exact=True).click()
            after = _column(table, heading)
            assert [_number(text) for text in after[: len(numbers)]] == sorted(numbers, reverse=backwards)
            assert set(after[len(numbers) :]) <= {"-"}
            assert sorted(after) == sorted(before)


def test_the_keyboard_sorts_too_and_keeps_its_place(browser: Browser, site: Path) -> None:
    with opened(browser, site / PAGES[0]) as page:
        table = _table(page)
        page.locator("[aria-label='Ranking on fixed-test']").focus()
        for _ in ("rank", "technique"):
            page.keyboard.press("Tab")
        button = table.get_by_role("button", name="technique")
        for key, direction in (("Enter", "ascending"), ("Space", "descending")):
            expect(button).to_be_focused()
            assert button.evaluate("one => getComputedStyle(one, '::before').outlineStyle") == "solid"
            page.keyboard.press(key)
            assert _sorts(table) == {"technique": direction}
            names = _column(table, "technique")
            assert names == sorted(names, reverse=direction == "descending")


def test_the_way_by_keyboard_meets_the_links_and_then_the_headings_of_the_first_table(
    browser: Browser, site: Path
) -> None:
    with opened(browser, site / PAGES[0]) as page:
        links = page.locator("#answers a, #contents a").all_inner_texts()
        heads = page.locator("table").first.locator("thead th").all_inner_texts()
        met = []
        for _ in range(len(links) + 1 + len(heads)):
            page.keyboard.press("Tab")
            met.append(page.evaluate("document.activeElement.innerText").strip())
        assert met[: len(links)] == links
        assert met[len(links) + 1 :] == [text.strip() for text in heads], "after the box that scrolls"


def test_scripts_move_nothing_when_they_arrive(browser: Browser, site: Path) -> None:
    boxes = []
    for scripts in (True, False):
        with opened(browser, site / PAGES[0], scripts=scripts) as page:
            boxes.append(page.evaluate(BOXES))
    assert len(boxes[0]) > 50
    assert boxes[0] == boxes[1]


# ---- everyone can read it


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(browser: Browser, site: Path, name: str, width: int, scheme: Scheme) -> None:
    with opened(browser, site / name, width, scheme) as page:
        _open_all(page)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        checked = {rule["id"] for rule in found.response["passes"]}
        assert {"color-contrast", "heading-order", "landmark-one-main", "list"} <= checked


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_scrolls_downwards_only(browser: Browser, site: Path, name: str) -> None:
    with opened(browser, site / name, PHONE) as page:
        _open_all(page)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= PHONE


def test_names_stay_in_sight_while_a_table_scrolls_on_a_phone(browser: Browser, site: Path) -> None:
    with opened(browser, site / PAGES[0], PHONE) as page:
        box = page.locator(f"[aria-label='{RANKING}']")
        box.evaluate("one => one.scrollLeft = one.scrollWidth")
        assert box.evaluate("one => one.scrollLeft") > PHONE / 2
        (left, right), name, last = (_sides(one) for one in (box, box.locator("tbody th"), box.locator("td").last))
        assert left <= name[0] < name[1] <= (left + right) / 2
        assert name[1] <= last[0] < last[1] <= right


def _sides(one: Locator) -> tuple[float, float]:
    """Return where an element begins and ends from left to right, in pixels."""
    box = one.first.bounding_box()
    assert box is not None
    return box["x"], box["x"] + box["width"]


def test_the_contents_lead_everywhere_on_a_phone(browser: Browser, site: Path) -> None:
    with opened(browser, site / PAGES[0], PHONE) as page:
        links = page.get_by_role("navigation", name="Contents").get_by_role("link")
        assert links.count() == page.locator("section[id]:not(#answers)").count()
        for link in links.all():
            page.locator(".up").click()
            expect(link).to_be_in_viewport()
            box = link.bounding_box()
            assert box is not None
            assert box["height"] >= 24, "a target large enough for a thumb"
            link.click()
            target = (link.get_attribute("href") or "").removeprefix("#")
            expect(page.locator(f"[id='{target}'] h2")).to_be_in_viewport()


@pytest.mark.parametrize("name", PAGES)
def test_without_scripts_all_is_there_and_nothing_pretends_to_sort(browser: Browser, site: Path, name: str) -> None:
    with opened(browser, site / name, scripts=False) as page:
        _open_all(page)
        assert page.locator("button").count() == 0
        expect(page.locator("h1")).to_be_visible()
        for kind in ("table", "svg", ".card"):
            for one in page.locator(kind).all():
                expect(one).to_be_visible()
        if name == PAGES[0]:
            assert page.locator("svg").count() >= 4
            assert page.locator("table").count() >= 9


# ---- colours


def _luminance(colour: str) -> float:
    """Return the relative luminance of a colour such as 'rgb(31, 41, 51)' (WCAG 2.2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return math.fsum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(ink: str, paper: str) -> float:
    low, high = sorted((_luminance(ink), _luminance(paper)))
    return (high + 0.05) / (low + 0.05)


def _colours(page: Page) -> dict[str, tuple[str, str]]:
    """Return ink and paper of the text of each kind that the page has."""
    kinds = ("body", "thead th", ".baseline td", *(f".verdict.{word}" for word in ("better", "worse", "undecided")))
    script = "one => { const style = getComputedStyle(one); return [style.color, style.backgroundColor]; }"
    return {kind: tuple(page.locator(kind).first.evaluate(script)) for kind in kinds}


def test_the_dark_page_is_dark_and_both_keep_their_contrast(browser: Browser, site: Path) -> None:
    found = {}
    for scheme in ("light", "dark"):
        with opened(browser, site / PAGES[0], scheme=scheme) as page:
            found[scheme] = _colours(page)
    for kind, (ink, paper) in found["light"].items():
        assert _luminance(ink) < _luminance(paper)
        dark_ink, dark_paper = found["dark"][kind]
        assert _luminance(dark_ink) > _luminance(dark_paper)
        assert min(_contrast(ink, paper), _contrast(dark_ink, dark_paper)) >= 4.5, kind
    assert _luminance(found["dark"]["body"][1]) < 0.02


def test_paper_is_white_and_shows_what_can_be_read_there(browser: Browser, site: Path) -> None:
    with opened(browser, site / PAGES[0], PAPER, scheme="dark") as page:
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("document.scrollingElement.scrollWidth") <= PAPER
        ink, paper = _colours(page)["body"]
        assert (_luminance(ink), _luminance(paper)) == (0, 1)
        expect(page.locator(".contents")).to_be_hidden()
        expect(page.locator(".up")).to_be_hidden()
        expect(_table(page)).to_be_visible()
        assert _table(page).evaluate("one => getComputedStyle(one.parentElement).overflowX") == "visible"
