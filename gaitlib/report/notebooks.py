"""Run notebooks with papermill in one kernel, the Python of this command; make pages and the list of runs."""

import io
import logging
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nh3
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from gaitlib.config import make_config
from gaitlib.errors import InputError, known_sentence
from gaitlib.files import ASIDE_SUFFIX, hold_lock, read_csv, read_json, show_name, spelled, write_html

Page = tuple[str, str]  # title and HTML body
_FILES = (".csv", ".db", ".h5", ".ipynb", ".json", ".keras")
_SYNTHETIC = "Synthetic walkers, drawn by a program: the scores do not hold for real people."
# By which the list of runs is told from a page of somebody else.
_HEADING = "<h1>EmotionGait runs</h1>"
# For readers: the code is hidden, and they become a run's or an experiment's index.html.
REPORT_NOTEBOOK, EXPERIMENT_NOTEBOOK = "05_results", "07_experiments"
_FOLDER = Path(__file__).parents[2] / "notebooks"
_PRELOADED = 'import gc; gc.set_threshold(100_000); __import__("gaitlib.report.figures")'  # GC is slow
# What papermill and, of a cell that waits when its kernel ends, asyncio have to say comes as an exception.
for _name in ("papermill", "asyncio"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)
# What notebooks' texts, tables and figures are made of; everything else, above all scripts, goes.
_TAGS = nh3.ALLOWED_TAGS - {"area", "map"} | {"picture", "section", "source"}
_SCHEMES = {"data", "https"}
_PICTURE = {"src", "alt", "width", "height", "srcset", "media"}
_ATTRIBUTES = {"*": {"class", "id", "title", "scope"}, "a": {"href"}, "img": _PICTURE, "source": _PICTURE}


@contextmanager
def own_kernel(**variables: str) -> Iterator[KernelManager]:
    """Give a kernel, with environment variables, for several notebooks: loading TensorFlow takes seconds."""
    manager = KernelManager(
        kernel_name="python3",
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),  # whatever kernelspecs lie about
        # nbclient waits for ever for a kernel that dies in a cell, unless its client is asynchronous.
        client_class="jupyter_client.asynchronous.AsyncKernelClient",
    )
    # Kernels that share a history file wait for each other, and the user's own is not for these. What nearly
    # all notebooks need loads here while papermill loads there.
    options = ["--HistoryManager.hist_file=:memory:", f"--IPKernelApp.exec_lines={_PRELOADED}"]
    how: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    how |= {"cwd": str(_FOLDER.parent), "env": {**os.environ, **variables}}
    manager.start_kernel(extra_arguments=options, **how)
    try:
        yield manager
    finally:
        manager.shutdown_kernel(now=True)


def run_notebook(name: str, work: Path, kernel: KernelManager, values: Mapping[str, Any]) -> Path:
    """Run a notebook with those of `values` that are its parameters; return the executed one in `work`.

    Raises an `InputError` if it fails.
    """
    # Here and below, so that they load while the kernel starts.
    import nbformat
    import papermill
    from nbconvert.preprocessors import CoalesceStreamsPreprocessor

    source, target, progress = str(_FOLDER / f"{name}.ipynb"), work / f"{name}.ipynb", _Progress(name)
    # Written at the end, whatever it is: to write all pictures after each cell takes seconds.
    options: dict[str, Any] = {"progress_bar": False, "request_save_on_cell_execute": False}
    options |= {"stdout_file": progress, "stderr_file": progress}
    options |= {"kernel_name": "python3", "km": kernel, "cwd": str(_FOLDER.parent)}
    try:
        known = papermill.inspect_notebook(source)
        parameters = {key: values[key] for key in known if key in values}
        papermill.execute_notebook(source, str(target), parameters, **options)
        client = kernel.blocking_client()  # a session of its own: papermill's is closed
        client.start_channels(iopub=False, stdin=False, hb=False, control=False)
        client.execute("get_ipython().reset(new_session=True)", silent=True, reply=True, timeout=60)
        client.stop_channels()
    except Exception as error:  # of a cell, a kernel that died, a disk that is full
        kind = getattr(error, "ename", type(error).__name__)
        text = " ".join(getattr(error, "evalue", str(error)).split())
        told = known_sentence(kind, text) or f"{kind}: {text}"
        raise InputError(_without_aside(f"{name} failed: {told}")) from error
    notebook, _ = CoalesceStreamsPreprocessor().preprocess(nbformat.read(target, as_version=4), {})
    target.write_text(_without_aside(nbformat.writes(notebook)), encoding="utf-8")
    return target


def _without_aside(text: str) -> str:
    """Leave the hidden folder in which a run is made out of a text's paths."""
    return re.sub(rf"\.\w+{re.escape(ASIDE_SUFFIX)}[/\\]+", "", text)


class _Progress(io.TextIOBase):
    """Tells every ten seconds how far the progress bar of a notebook is."""

    def __init__(self, name: str):
        self._name, self._last = name, time.monotonic()

    def write(self, text: str) -> int:
        if text.startswith("\r") and text.strip() and time.monotonic() - self._last > 10:
            self._last = time.monotonic()
            print(f"{self._name}: {text.splitlines()[-1].strip()}"[:100], flush=True)
        return len(text)


def export_notebook(path: Path) -> Page:
    """Return title and HTML body of an executed notebook, cleaned of whatever could run or ask a host.

    Left out: progress and messages of libraries; for readers the code, and cells with the tag ``exercise``.
    """
    import nbformat
    from nbconvert import HTMLExporter

    hide_code = path.stem in (REPORT_NOTEBOOK, EXPERIMENT_NOTEBOOK)
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    if hide_code:
        notebook.cells = [cell for cell in notebook.cells if "exercise" not in cell.metadata.get("tags", [])]
    # nbconvert's barest template: it loads no MathJax, RequireJS or Mermaid from other hosts.
    exporter = HTMLExporter(template_name="basic", exclude_input=hide_code, exclude_input_prompt=True)
    body, _ = exporter.from_notebook_node(notebook)
    allowed: Any = {"tags": _TAGS, "attributes": _ATTRIBUTES, "url_schemes": _SCHEMES}
    body = nh3.clean(body, attribute_filter=_keep_attribute, **allowed)
    return notebook.cells[0].source.partition("\n")[0].removeprefix("# "), body


def _keep_attribute(tag: str, name: str, value: str) -> str | None:
    """Pictures lie in the page itself; a link never does."""
    if name in ("src", "srcset"):
        return value if value.startswith(("data:image/png;", "data:image/webp;")) else None
    return None if name == "href" and value.startswith("data:") else value


def write_pages(exports: Mapping[str, Page], results: Mapping[str, Any], work: Path, name: str) -> None:
    """Write a page for each notebook (title and body by name); the last one is the ``index.html``, too."""
    report = list(exports)[-1]
    lessons = {f"{notebook}.html": spelled(notebook) for notebook in exports if notebook != report}
    # What follows --storage may hold a password.
    command = re.sub("(?s)--storage.*", "--storage URL", shlex.join(["gaitlib", *sys.argv[1:]]))
    texts: dict[str, Any] = {
        "files": sorted(path.name for path in work.iterdir() if path.suffix in _FILES),
        "command": command,
        "links": {"index.html": "Results", **lessons, "../index.html": "All runs"},
        "banners": [_SYNTHETIC] * results["data"]["is_demo"],
        "footer": f"Run {name}, {results['created']}, data fingerprint {results['data']['fingerprint']}.",
    }
    for notebook, (title, body) in exports.items():
        for page in [notebook, "index"] if notebook == report else [notebook]:
            write_html(work / f"{page}.html", title=title, body=body, **texts)


def write_index(reports_dir: Path) -> None:
    """Write `index.html`: the table of all finished runs, newest first, two of which can be compared."""
    page, runs = reports_dir / "index.html", []
    with hold_lock(page, "Another run is renewing the list of runs.", wait=True):
        if page.exists() and _HEADING not in page.read_text(encoding="utf-8", errors="replace"):
            print(f"{page} is not a list of runs and stays as it is.")
            return
        for path in reports_dir.glob("*/index.html"):
            # Not of this program, or of another version of it.
            with suppress(InputError, OSError, KeyError, TypeError, AttributeError, ValueError):
                runs.append(_describe(path.parent))
        runs.sort(key=lambda run: run["made"], reverse=True)
        footer = f"{len(runs)} run{'s' * (len(runs) != 1)}."
        write_html(page, "runs.html.j2", title="Runs", runs=runs, footer=footer)


def _describe(folder: Path) -> dict[str, Any]:
    """Return what the list tells of a run or an experiment, and what two of them are compared by."""
    results, rights = read_json(folder / "results.json"), {}
    data, chosen, settings = results["data"], results.get("chosen", ""), results.get("config", {})
    test = results["test"] if chosen else results["nested"]
    if chosen:
        table = read_csv(folder / "predictions.csv")
        table["is_right"] = (table["emotion"] == table["predicted"]).astype(int)
        rights = table.set_index("video")[["walker", "is_right"]].T.to_dict("list")
    changed = settings.items() - make_config().model_dump().items()
    (low, high), seen = test["accuracy_ci95"], data["all"]
    compared = {
        "name": folder.name,
        "scores": {name: round(value, 3) for name, value in test.items() if isinstance(value, int | float)},
        "data": {name: data.get(name, "") for name in ("body", "fingerprint")},
        "settings": settings,
        "rights": rights,
    }
    return {
        "name": show_name(folder.name),
        "link": f"{quote(folder.name)}/index.html",
        "made": str(results["created"])[:16].replace("T", " "),
        "videos": f"{seen['num_videos']} of {seen['num_walkers']} {'synthetic ' * data['is_demo']}walkers",
        "model": spelled(chosen) if chosen else f"best of {results['num_trials']} trials",
        "accuracy": f"{100 * test['accuracy']:.1f}",
        "interval": f"{100 * low:.1f} to {100 * high:.1f}",
        "settings": ", ".join(sorted(f"{name} {value}" for name, value in changed)),
        "compared": compared,
    }
