"""The pages in a real browser, opened from the file system."""

import shutil
from collections.abc import Iterator
from itertools import pairwise

import pytest
from conftest import EVIL_EMOTION

from gaitlib.report import NOTEBOOKS

PAGES = ["index.html", *(f"{name}.html" for name in NOTEBOOKS), "../index.html"]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """Start the system's Chromium."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"no Chromium found (looked for {', '.join(NAMES)}); on Debian: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class OpenedPage:
    """A page in the browser, and what it asked for and complained of."""

    def __init__(self, browser, path) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page = browser.new_page(viewport={"width": 1280, "height": 900})
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.goto(path.resolve().as_uri())
        self.page.wait_for_load_state("load")


@pytest.fixture(params=[(name, page) for name in ("demo_report", "user_report") for page in PAGES], ids=str)
def opened(request, browser) -> Iterator[OpenedPage]:
    """Open each page of each report in turn."""
    name, page = request.param
    opened = OpenedPage(browser, request.getfixturevalue(name).folder / page)
    yield opened
    opened.page.close()


def test_page_is_quiet_whole_and_fits(opened):
    """No outside request, no complaint, one heading, every picture there, no sideways scrolling."""
    assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []
    assert opened.complaints == []
    assert opened.page.locator("h1").count() == 1
    broken = "() => [...document.images].filter(image => !image.complete || !image.naturalWidth).length"
    assert opened.page.evaluate(broken) == 0
    for width in (1280, 400):
        opened.page.set_viewport_size({"width": width, "height": 900})
        scroll_width = opened.page.evaluate("document.documentElement.scrollWidth")
        assert scroll_width <= width + 1, f"{scroll_width} pixels wide in a window of {width}"


def test_planted_names_are_read_as_text(browser, user_report):
    opened = OpenedPage(browser, user_report.folder / "index.html")
    text = opened.page.inner_text("body")
    assert EVIL_EMOTION in text
    assert "onerror=alert(" in text
    assert opened.page.locator("[onerror]").count() == 0
    opened.page.close()


def test_headings_and_tables_have_names(browser, demo_report):
    """What a screen reader goes by: the language, the title, headings in order, captions."""
    opened = OpenedPage(browser, demo_report.folder / "index.html")
    page = opened.page
    assert page.locator("html").get_attribute("lang") == "en"
    assert "EmotionGait" in page.title()
    levels = page.evaluate("() => [...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for table in page.locator("table").all():
        assert table.locator("caption").count() == 1
        assert table.locator("th").count() >= 2
    page.close()


def test_every_page_can_be_reached_from_the_first(browser, demo_report):
    opened = OpenedPage(browser, demo_report.folder / "index.html")
    links = [link.get_attribute("href") for link in opened.page.locator("nav a").all()]
    assert set(links) == {f"{name}.html" for name in NOTEBOOKS if name != "05_results"} | {"index.html"}
    opened.page.click("nav a[href='03_training.html']")
    assert "Training" in opened.page.inner_text("h1")
    opened.page.close()
