"""The pages in a real browser, opened from the file system."""

from collections.abc import Iterator
from itertools import pairwise

import nbformat
import pytest
from conftest import EVIL_EMOTION
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from gaitlib.export import export_notebook
from gaitlib.files import write_json
from gaitlib.pages import Page, write_page
from gaitlib.report import NOTEBOOKS
from gaitlib.run_list import write_index

PAGES = ["index.html", *(f"{name}.html" for name in NOTEBOOKS), "../index.html"]


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


# What people or programs could plant in a file's name, a label or a parameter. Each would call an
# alert, which `OpenedPage` counts as a complaint, or leave a live attribute or link.
PLANTED = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "[link](javascript:alert(3))",
    "<a href='javascript:alert(4)'>x</a>",
    "<svg onload=alert(5)></svg>",
    "\"><iframe srcdoc='<script>parent.alert(6)</script>'></iframe>",
    "' onmouseover='alert(7)' x='",
    "</title></style></script><script>alert(8)</script>",
    '![x](x" onerror="alert(9))',
    "<details open ontoggle=alert(10)>",
    "<style>@import 'http://127.0.0.1:9/x.css';</style><link rel=stylesheet href='http://127.0.0.1:9/y.css'>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(11)'>",
    "<form action=javascript:alert(12)><input autofocus onfocus=alert(13)></form>",
    "<a href='data:text/html,<script>alert(14)</script>'>x</a>",
    "<math><mi xlink:href='javascript:alert(15)'>x</mi></math>",
)
# The page's own script stands right in the body.
LIVE = (
    "script:not(body > script), iframe, object, embed, form, link[href^=http], meta[http-equiv], "
    "style:not(head style)"
)


def planted_notebook(text: str):
    """Make an executed notebook that shows a text in every way in which a notebook can show one."""
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    shown = {
        "text/html": f"<table><caption>{text}</caption><tr><td title='{text}'>{text}</td></tr></table>",
        "text/markdown": f"**{text}**",
        "text/latex": f"${text}$",
        "image/svg+xml": f"<svg xmlns='http://www.w3.org/2000/svg'><title>{text}</title>{text}</svg>",
        "application/javascript": "alert(20)",
        "text/plain": text,
    }
    outputs = [new_output("display_data", {kind: content}) for kind, content in shown.items()]
    outputs += [
        new_output("stream", name=name, text=f"{text}\n\x1b[31m{text}\n") for name in ("stdout", "stderr")
    ]
    outputs.append(new_output("error", ename=text, evalue=text, traceback=[text, f"\x1b[31m{text}"]))
    metadata = {"image/png": {"alt": text, "width": text, "height": text}, "alt": text}
    outputs.append(new_output("display_data", {"image/png": pixel}, metadata=metadata))
    code = new_code_cell(f"# Parameters\nvideos = {text!r}", outputs=outputs, execution_count=1)
    code.metadata["tags"] = ["injected-parameters"]
    cells = [new_markdown_cell(f"# Walks of {text}"), code, new_markdown_cell(f"Read {text}.\n\n{text}")]
    return new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})


def assert_dead(opened) -> None:
    """Nothing of the text ran, asked a host, or stands ready to be run by a click."""
    page = opened.page
    page.wait_for_timeout(50)
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:image"))] == []
    assert page.locator(LIVE).count() == 0
    live_attributes = page.evaluate(
        """() => [...document.querySelectorAll('*')].flatMap(node => [...node.attributes])
        .filter(a => a.name.startsWith('on')
            || /^(href|src|action|xlink:href|srcdoc)$/.test(a.name)
            && /^\\s*(javascript:|vbscript:|data:text)/i.test(a.value))
        .map(a => a.name + '=' + a.value)"""
    )
    assert live_attributes == []


@pytest.mark.parametrize("number", range(len(PLANTED)))
def test_planted_text_in_a_notebook_stays_dead(browser, tmp_path, number):
    """The text as output, traceback, parameter, title, picture's description, link, banner, footer."""
    text = PLANTED[number]
    nbformat.write(planted_notebook(text), tmp_path / "a.ipynb")
    title, body = export_notebook(tmp_path / "a.ipynb", hide_code=False)
    links = [Page("a.html", text), Page(f"{text}.html", "other"), Page("javascript:alert(16)", text)]
    write_page(tmp_path / "a.html", title, body, links, [text], text)
    opened = OpenedPage(browser, tmp_path / "a.html")
    assert_dead(opened)
    assert text.split("(")[0] in opened.page.inner_text("footer")
    opened.page.close()


def test_planted_run_names_in_the_list_of_runs_stay_dead(browser, tmp_path):
    for text in PLANTED:
        folder = tmp_path / "reports" / text.replace("/", "∕")
        folder.mkdir(parents=True)
        (folder / "index.html").write_text("<h1>run</h1>")
        baselines = {text: {"accuracy": 0.5, "accuracy_ci95": [0, 1]}}
        test = {"accuracy": 0.5, "accuracy_ci95": [0, 1], "num_videos": 2, "baselines": baselines}
        data = {"is_demo": False, "shared_walkers": [text]}
        content = {"test": test, "data": data, "created": text, "config": {"model": text, "seed": text}}
        write_json(folder / "results.json", content)
    write_index(tmp_path / "reports")
    opened = OpenedPage(browser, tmp_path / "reports" / "index.html")
    assert_dead(opened)
    links = [link.get_attribute("href") for link in opened.page.locator("main a").all()]
    assert len(links) == len(PLANTED)
    opened.page.locator("main a").first.click()
    assert opened.page.inner_text("h1") == "run"
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
