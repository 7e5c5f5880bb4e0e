"""What the README promises is there, and its numbers come from the example report."""

import html
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "docs" / "example_report.html"


def test_headline_is_that_of_the_example_report():
    block = re.search(r"<!-- headline:start -->\n(.*?)<!-- headline:end -->", README, re.DOTALL)[1]
    sentence = re.search(r"The model recognised .*? to [\d.]+%\)\.", block)[0]
    assert sentence in html.unescape(EXAMPLE.read_text(encoding="utf-8"))
    assert "synthetic" in block


def test_example_report_is_small_and_says_that_it_is_synthetic():
    assert EXAMPLE.stat().st_size < 2_000_000
    assert 'class="banner"' in EXAMPLE.read_text(encoding="utf-8")


def test_links_of_the_readme_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) >= 3
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_ci_runs_the_test_command_of_the_readme():
    assert "make test" in README
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make test"


def test_lock_is_exact_and_installs_the_project():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    packages = [line for line in lines if line and not line.startswith(("#", "-e"))]
    assert "-e ." in lines
    assert len(packages) > 50
    assert [line for line in packages if "==" not in line] == []
