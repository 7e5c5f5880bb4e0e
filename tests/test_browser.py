"""The pages in a real browser, opened from the file system: whole, quiet, accessible, printable."""

from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from test_report import EVIL_EMOTION, user_report  # noqa: F401

from gaitlib.explain import figure_html
from gaitlib.files import read_json, write_html, write_json
from gaitlib.report.notebooks import export_notebook, write_index
from gaitlib.report.run import NOTEBOOKS

axe = pytest.importorskip("axe_playwright_python.sync_playwright")
# Levels A and AA of the Web Content Accessibility Guidelines 2.0 to 2.2.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
PAGES = ["index.html", *(f"{name}.html" for name in NOTEBOOKS), "../index.html"]
# What people could plant in a file's name, a label or a parameter.
PLANTED = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "[link](javascript:alert(3))",
    "<svg onload=alert(5)></svg>",
    "\"><iframe srcdoc='<script>parent.alert(6)</script>'></iframe>",
    "' onmouseover='alert(7)' x='",
    "</title></style></script><script>alert(8)</script>",
    "<details open ontoggle=alert(10)>",
    "<style>@import 'http://127.0.0.1:9/x.css';</style><link rel=stylesheet href='http://127.0.0.1:9/y.css'>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(11)'>",
    "<form action=javascript:alert(12)><input autofocus onfocus=alert(13)></form>",
    "<a href='data:text/html,<script>alert(14)</script>'>x</a>",
)
# The page's own scripts stand right in the body.
LIVE = (
    "script:not(body > script), iframe, object, embed, form, link[href^=http], meta[http-equiv], "
    "style:not(head style)"
)
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class OpenedPage:
    """A page in the browser, and what it asked for and complained of."""

    def __init__(self, browser, path: Path) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page = browser.new_page(viewport={"width": 1280, "height": 900})
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.goto(path.resolve().as_uri())
        self.page.wait_for_load_state("load")

    def assert_quiet(self) -> None:
        """Nothing ran that should not, nothing was asked of a host, nothing stands ready for a click."""
        assert self.complaints == []
        assert [url for url in self.requests if not url.startswith(("file:", "data:image"))] == []
        assert self.page.locator(LIVE).count() == 0
        live = self.page.evaluate(
            """() => [...document.querySelectorAll('*')].flatMap(node => [...node.attributes])
            .filter(a => a.name.startsWith('on')
                || /^(href|src|action|srcdoc)$/.test(a.name)
                && /^\\s*(javascript:|vbscript:|data:text)/i.test(a.value))
            .map(a => a.name + '=' + a.value)"""
        )
        assert live == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("run", ["demo_report", "user_report"])
def test_page_is_quiet_whole_and_fits(request, browser, run, name):
    opened = OpenedPage(browser, request.getfixturevalue(run).folder / name)
    opened.assert_quiet()
    page = opened.page
    assert page.locator("h1").count() == 1
    assert page.locator("html").get_attribute("lang") == "en"
    shown = "image.complete && image.naturalWidth && image.alt.length > 20"
    assert page.evaluate(f"() => [...document.images].every(image => {shown})")
    levels = page.evaluate("() => [...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1 and all(after - before <= 1 for before, after in pairwise(levels))
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width + 1
        if run == "demo_report" and (width == 400 or name == "index.html"):
            found = axe.Axe().run(page, options=RULES).response["violations"]
            assert [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found] == []
    page.close()


def test_first_screen_holds_the_answer(browser, demo_report):
    """Question, score, three things to know, walkers and ladder stand above the fold of a laptop."""
    page = OpenedPage(browser, demo_report.folder / "index.html").page
    for selector in (
        ".headline",
        ".first-screen img",
        ".first-screen li:nth-child(3)",
        ".first-screen table",
    ):
        box = page.locator(selector).first.bounding_box()
        assert box["y"] + box["height"] <= 900, selector
    assert page.locator(".strip img").bounding_box()["y"] < 900
    page.close()


def test_pages_clips_and_command_work_by_hand(browser, demo_report):
    opened = OpenedPage(browser, demo_report.folder / "index.html")
    page = opened.page
    links = {link.get_attribute("href") for link in page.locator("nav a").all()}
    lessons = {f"{name}.html" for name in NOTEBOOKS if name != "05_results"}
    assert links == lessons | {"index.html", "../index.html"}
    source = page.locator(".clips source").first
    assert "reduce" in source.get_attribute("media")
    page.locator("button", has_text="Pause clips").first.click()
    assert source.get_attribute("media") == "all"
    page.emulate_media(reduced_motion="reduce")
    source = page.locator(".clips img").first.evaluate("image => image.currentSrc")
    assert source.startswith("data:image/webp")
    assert page.locator("pre.command").inner_text().startswith("gaitlib report --videos ")
    assert page.locator("button", has_text="Copy").count() == 1
    page.click("nav a[href='03_training.html']")
    assert "Training" in page.inner_text("h1")
    page.close()


def test_page_prints_in_full_and_its_clips_are_small(browser, demo_report):
    path = demo_report.folder / "index.html"
    shown = read_json(demo_report.folder / "figures" / "shown.json")
    assert sum(len(html) for name, html in shown.items() if name.startswith("most_confident")) < 3e6
    page = OpenedPage(browser, path).page
    pdf = page.pdf(format="A4")
    assert 3 <= pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") <= 40
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": 900})
    overflow = (
        "() => [...document.images].filter(i => i.getBoundingClientRect().right > innerWidth + 1).length"
    )
    assert page.evaluate(overflow) == 0
    page.close()


def test_tables_sort_by_number_and_back(browser, demo_report):
    page = OpenedPage(browser, demo_report.folder / "index.html").page
    table = page.locator(".first-screen table")
    head = table.locator("th", has_text="accuracy")
    column = head.evaluate("head => head.cellIndex")
    for turn, order in enumerate(("ascending", "descending")):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == order
        values = [float(text) for text in table.locator(f"td:nth-child({column + 1})").all_inner_texts()]
        assert values == sorted(values, reverse=bool(turn)) and len(set(values)) > 1
    page.close()


def test_planted_names_are_read_as_text(browser, user_report):  # noqa: F811
    opened = OpenedPage(browser, user_report.folder / "index.html")
    text = opened.page.inner_text("body")
    assert EVIL_EMOTION in text
    assert "onerror=alert(" in text
    opened.assert_quiet()
    opened.page.close()


def planted_notebook(text: str):
    """Make an executed notebook that shows a text in every way in which a notebook can show one."""
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
    outputs.append(new_output("display_data", {"image/png": PIXEL}, metadata=metadata))
    html, _ = figure_html(plt.figure(), alt=text)
    outputs.append(new_output("display_data", {"text/html": html}))
    code = new_code_cell(f"# Parameters\nvideos = {text!r}", outputs=outputs, execution_count=1)
    cells = [new_markdown_cell(f"# Walks of {text}"), code, new_markdown_cell(f"Read {text}.\n\n{text}")]
    return new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})


@pytest.mark.parametrize("text", PLANTED)
def test_planted_text_in_a_page_stays_dead(browser, tmp_path, text):
    """The text as output, traceback, parameter, title, description, link, banner and footer."""
    nbformat.write(planted_notebook(text), tmp_path / "a.ipynb")
    title, body = export_notebook(tmp_path / "a.ipynb")
    links = {"a.html": text, f"{text}.html": "other", "javascript:alert(16)": text}
    texts = {"title": title, "links": links, "banners": [text], "footer": text}
    write_html(tmp_path / "a.html", body=body, **texts)
    opened = OpenedPage(browser, tmp_path / "a.html")
    opened.complaints = [text for text in opened.complaints if "Failed to load resource" not in text]
    opened.assert_quiet()
    assert text.split("(")[0] in opened.page.inner_text("footer")
    opened.page.close()


def write_run(folder: Path, accuracy: float, **settings: object) -> None:
    """Write what the list of runs reads of a run: 8 videos of 4 walkers, one emotion."""
    scores = {"accuracy": accuracy, "accuracy_ci95": [0, 1], "num_videos": 8}
    data = {"is_demo": False, "all": {"num_videos": 8, "num_walkers": 4}}
    test = {**scores, "baselines": {folder.name: scores, "oracle": {**scores, "accuracy": 1}}}
    content = {"test": test, "data": data, "created": folder.name, "chosen": folder.name, "config": settings}
    write_json(folder / "results.json", content)
    (folder / "index.html").write_text("<h1>run</h1>")
    rows = {"video": [f"{number}.mp4" for number in range(8)], "walker": [*"aabbccdd"], "emotion": "sad"}
    right = round(8 * accuracy)
    table = pd.DataFrame(rows).assign(predicted=["sad"] * right + ["happy"] * (8 - right))
    table.to_csv(folder / "predictions.csv", index=False)


def test_list_of_runs_compares_two(browser, tmp_path):
    for name, accuracy, epochs in (("1 old", 0.5, 10), ("2 new", 0.75, 20)):
        write_run(tmp_path / name, accuracy, epochs=epochs, seed=0)
    write_index(tmp_path)
    opened = OpenedPage(browser, tmp_path / "index.html")
    page = opened.page
    assert [link.inner_text() for link in page.locator("#list a").all()] == ["2 new", "1 old"]
    text = page.inner_text("#comparison")
    assert "On the 8 videos of 4 walkers that both tested" in text and "is 25.0 points" in text
    assert "settings: epochs" in text and "settings: seed" not in text
    page.select_option("#one", "0")
    assert "is 0.0 points" in page.inner_text("#comparison")
    opened.assert_quiet()
    page.locator("#list a").first.click()
    assert page.inner_text("h1") == "run"
    page.close()


def test_planted_run_names_in_the_list_of_runs_stay_dead(browser, tmp_path):
    for text in PLANTED:
        write_run(tmp_path / text.replace("/", "∕"), 0.5, model=text)
    write_index(tmp_path)
    opened = OpenedPage(browser, tmp_path / "index.html")
    opened.assert_quiet()
    assert opened.page.locator("#list a").count() == len(PLANTED)
    opened.page.close()
