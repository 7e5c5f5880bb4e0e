"""Executed notebooks become the bodies of HTML pages."""

from pathlib import Path

import bleach
import nbformat
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbformat import NotebookNode

# What notebooks' texts and tables are made of; everything else, above all scripts, becomes plain text.
_TAGS = frozenset(
    """a abbr b blockquote br caption code div em h1 h2 h3 h4 hr i li ol p pre small span strong sub sup
    table tbody td th thead tr ul""".split()
)
_ATTRIBUTES = {"*": ["class", "id", "title", "scope"], "a": ["href"]}


def export_notebook(notebook_path: Path, hide_code: bool) -> tuple[str, str]:
    """Return title and HTML body of an executed notebook.

    Markup in outputs is cleaned, so that a script in a file's name stays text.
    """
    notebook = nbformat.read(notebook_path, as_version=4)
    _keep_known_metadata(notebook)
    exporter = HTMLExporter(
        template_name="basic",
        sanitize_html=True,
        exclude_input=hide_code,
        exclude_input_prompt=True,
    )
    exporter.register_filter("clean_html", _clean)
    body, _ = exporter.from_notebook_node(notebook)
    return _title(notebook, notebook_path.stem), body


def _clean(html: str) -> Markup:
    return Markup(bleach.clean(html, tags=_TAGS, attributes=_ATTRIBUTES))


def _keep_known_metadata(notebook: NotebookNode) -> None:
    """Keep description and width of a picture only: nbconvert writes all that it knows unescaped."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for kind, about in output.get("metadata", {}).items():
                if isinstance(about, dict):
                    kept = {"alt": about["alt"]} if "alt" in about else {}
                    width = about.get("width")
                    output.metadata[kind] = kept | ({"width": width} if type(width) is int else {})


def tidy_streams(notebook: NotebookNode) -> None:
    """Join what a cell printed piece by piece, and keep the last state of each progress bar.

    A terminal draws a bar over itself; a saved notebook would list hundreds of its states. (nbconvert's
    `CoalesceStreamsPreprocessor` takes minutes for the bar of a training of hours.)
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
