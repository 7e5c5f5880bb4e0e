"""Executed notebooks become HTML pages that open offline and load nothing from elsewhere."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import nbformat
import nh3
from markupsafe import Markup

from gaitlib.files import write_aside

_TEMPLATES = Path(__file__).parent / "templates"
# What notebooks' texts, tables and figures are made of; everything else, above all scripts, goes.
_TAGS = set(
    """a abbr b br caption code div em figcaption figure h1 h2 h3 h4 hr i img li ol p picture pre section
    small source span strong sub sup table tbody td th thead tr ul""".split()
)
_ATTRIBUTES = {
    "*": {"class", "id", "title", "scope"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "source": {"srcset", "media"},
}


def export_notebook(notebook_path: Path, hide_code: bool) -> tuple[str, str]:
    """Return title and HTML body of an executed notebook, cleaned of whatever could run or ask a host.

    With the code, cells with the tag ``exercise`` are left out: they are for who works with the notebook.
    """
    from nbconvert import HTMLExporter

    notebook = nbformat.read(notebook_path, as_version=4)
    if hide_code:
        notebook.cells = [cell for cell in notebook.cells if "exercise" not in cell.metadata.get("tags", [])]
    # nbconvert's barest template: it loads no MathJax, RequireJS or Mermaid from other hosts.
    exporter = HTMLExporter(template_name="basic", exclude_input=hide_code, exclude_input_prompt=True)
    body, _ = exporter.from_notebook_node(notebook)
    texts = [cell.source for cell in notebook.cells if cell.source.startswith("# ")] + [notebook_path.stem]
    return texts[0].splitlines()[0].removeprefix("# "), _clean(body)


def _clean(html: str) -> str:
    return nh3.clean(
        html, tags=_TAGS, attributes=_ATTRIBUTES, attribute_filter=_keep_attribute, link_rel=None,
        url_schemes={"https", "data"},
    )  # fmt: skip


def _keep_attribute(tag: str, name: str, value: str) -> str | None:
    """Pictures lie in the page itself; a link never does."""
    if name in ("src", "srcset"):
        return value if value.startswith(("data:image/png;", "data:image/webp;")) else None
    return None if name == "href" and value.startswith("data:") else value


def tidy_notebook(path: Path, out: Path) -> None:
    """Make an executed notebook read well and name the folder that it will lie in, not that of the work.

    What a cell printed piece by piece is joined, and of each progress bar the last state is kept.
    """
    from nbconvert.preprocessors import CoalesceStreamsPreprocessor

    notebook, _ = CoalesceStreamsPreprocessor().preprocess(nbformat.read(path, as_version=4), {})
    for part in (notebook, *notebook.cells):
        part.metadata.pop("papermill", None)
        if "injected-parameters" in part.metadata.get("tags", []):
            part.source = part.source.replace(str(path.parent), str(out))
    with write_aside(path) as aside:
        nbformat.write(notebook, aside)


def write_page(
    path: Path,
    title: str,
    body: str,
    links: Mapping[str, str],
    banners: Sequence[str] = (),
    footer: str = "",
    data: str = "",
) -> None:
    """Write a whole page around a body that is HTML already; all other texts are escaped.

    `links` are the texts of links to other pages by file name, `banners` what every page of a run must say,
    `data` JSON for the page's script with every ``<`` escaped.
    """
    from pygments.formatters import HtmlFormatter

    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True)
    texts = {
        name: (_TEMPLATES / name).read_text(encoding="utf-8")
        for name in ("page.css", "page.js", "compare.js")
    }
    page = environment.get_template("page.html.j2").render(
        title=title,
        body=Markup(body),
        css=Markup(texts["page.css"] + HtmlFormatter(style="xcode").get_style_defs(".highlight")),
        script=Markup((texts["compare.js"] if data else "") + texts["page.js"]),
        data=Markup(data),
        links=links,
        here=path.name,
        banners=banners,
        footer=footer,
    )
    with write_aside(path) as aside:
        aside.write_text(page, encoding="utf-8")
