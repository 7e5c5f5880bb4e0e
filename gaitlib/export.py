"""Executed notebooks become HTML pages that open offline, with a word on every page about the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bleach
import jinja2
import nbformat
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from gaitlib.files import write_aside

_TEMPLATES = Path(__file__).parent / "templates"
# What notebooks' texts and tables are made of; everything else, above all scripts, becomes plain text.
_TAGS = frozenset(
    """a abbr b blockquote br caption code div em h1 h2 h3 h4 hr i li ol p pre small span strong sub sup
    table tbody td th thead tr ul""".split()
)
_ATTRIBUTES = {"*": ["class", "id", "title", "scope"], "a": ["href"]}


@dataclass(frozen=True)
class Page:
    """One page of a run.

    Attributes
    ----------
    href : str
        File name.
    text : str
        What the link to it says.
    """

    href: str
    text: str


def export_notebook(notebook_path: Path, hide_code: bool) -> tuple[str, str]:
    """Return title and HTML body of an executed notebook.

    Markup in outputs is cleaned, so that a script in a file's name stays text.
    """
    notebook = nbformat.read(notebook_path, as_version=4)
    _keep_descriptions_only(notebook)
    exporter = HTMLExporter(
        template_name="basic",
        sanitize_html=True,
        exclude_input=hide_code,
        exclude_input_prompt=True,
    )
    exporter.register_filter("clean_html", _clean)
    body, _ = exporter.from_notebook_node(notebook)
    return _title(notebook, notebook_path.stem), body


def write_page(
    path: Path, title: str, body: str, links: Sequence[Page], banners: Sequence[str], footer: str
) -> None:
    """Write a whole page around a body that is HTML already; all other texts are escaped."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True)
    css = (_TEMPLATES / "page.css").read_text() + HtmlFormatter(style="xcode").get_style_defs(".highlight")
    page = environment.get_template("page.html.j2").render(
        title=title,
        body=Markup(body),
        css=Markup(css),
        script=Markup((_TEMPLATES / "page.js").read_text()),
        links=[{"href": link.href, "text": link.text, "is_here": link.href == path.name} for link in links],
        banners=banners,
        footer=footer,
    )
    with write_aside(path) as aside:
        aside.write_text(page, encoding="utf-8")


def _clean(html: str) -> Markup:
    return Markup(bleach.clean(html, tags=_TAGS, attributes=_ATTRIBUTES))


def _keep_descriptions_only(notebook: NotebookNode) -> None:
    """Drop what an output says of its picture but the description: nbconvert writes sizes unescaped."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for kind, about in output.get("metadata", {}).items():
                if isinstance(about, dict):
                    output.metadata[kind] = {"alt": about["alt"]} if "alt" in about else {}


def tidy_streams(notebook: NotebookNode) -> None:
    """Join what a cell printed piece by piece, and keep the last state of each progress bar.

    A terminal draws a bar over itself; a saved notebook would list hundreds of its states.
    """
    for cell in notebook.cells:
        outputs: list[NotebookNode] = []
        for output in cell.get("outputs", []):
            last = outputs[-1] if outputs else None
            if last and output.output_type == last.output_type == "stream" and output.name == last.name:
                last.text += output.text
            else:
                outputs.append(output)
        for output in outputs:
            if output.output_type == "stream":
                lines = output.text.split("\n")
                output.text = "\n".join(line.rstrip("\r").split("\r")[-1] for line in lines)
        if "outputs" in cell:
            cell.outputs = outputs


def _title(notebook: NotebookNode, default: str) -> str:
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return cell.source.splitlines()[0][2:].strip()
    return default
