"""Pages for everybody: checked by axe in a real browser, sorted by a click, readable on paper."""

from collections.abc import Iterator

import pytest
from test_browser import PAGES

axe = pytest.importorskip("axe_playwright_python.sync_playwright")
# Levels A and AA of the Web Content Accessibility Guidelines 2.0 to 2.2.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(params=PAGES)
def page(request, browser, demo_report) -> Iterator:
    """Open each page of a report in turn."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((demo_report.folder / request.param).resolve().as_uri())
    yield page
    page.close()


def test_axe_finds_no_violation(page):
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 900})
        found = axe.Axe().run(page, options=RULES).response["violations"]
        assert found == [], [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found]


def test_axe_would_find_a_violation(browser):
    page = browser.new_page()
    page.set_content("<html lang='en'><title>t</title><main><h1 style='color:#ccc'>pale</h1><img src=''>")
    found = {one["id"] for one in axe.Axe().run(page, options=RULES).response["violations"]}
    assert found >= {"color-contrast", "image-alt"}
    page.close()


def test_every_picture_has_a_caption_and_a_description(page):
    pictures = page.locator("main img")
    assert page.locator(".figure-caption").count() == pictures.count()
    for picture in pictures.all():
        assert len(picture.get_attribute("alt")) > 30


def test_tables_sort_by_number_and_back(browser, demo_report):
    page = browser.new_page()
    page.goto((demo_report.folder / "index.html").resolve().as_uri())
    table = page.locator("table", has_text="Model and baselines").or_(page.locator("table")).first
    head = table.locator("th", has_text="accuracy").first
    column = head.evaluate("head => head.cellIndex")

    def accuracies() -> list[float]:
        return [
            float(text.rstrip("%")) for text in table.locator(f"td:nth-child({column + 1})").all_inner_texts()
        ]

    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert accuracies() == sorted(accuracies())
    head.locator("button").click()
    assert accuracies() == sorted(accuracies(), reverse=True)
    assert len(set(accuracies())) > 1
    page.close()


def test_page_prints_in_full(browser, demo_report):
    page = browser.new_page()
    page.goto((demo_report.folder / "index.html").resolve().as_uri())
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert 3 <= pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") <= 40
    page.close()
