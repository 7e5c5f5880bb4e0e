"""Whole HTML pages that open offline, with a word on every page about the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup
from pygments.formatters import HtmlFormatter

from gaitlib.files import write_aside

_TEMPLATES = Path(__file__).parent / "templates"


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
