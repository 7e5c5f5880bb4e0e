"""What every notebook does around its lessons: start, check, show, save."""

import io
import re
import time
from html import escape
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML, display
from matplotlib.figure import Figure
from PIL import Image

from gaitlib.backend import list_gpus
from gaitlib.config import InputError, RunConfig, make_config
from gaitlib.files import project_path, write_aside, write_json
from gaitlib.page_parts import paragraphs, table_html
from gaitlib.plotting import alt_text
from gaitlib.preparation import prepare_data
from gaitlib.provenance import record_step, versions
from gaitlib.rundata import RunData, config_from, load_data

_PRINT_DPI, _SCREEN_DPI = 150, 100


class Step:
    """One notebook's place in a run: its folder, its settings and its clock.

    Parameters
    ----------
    name : str
        Name of the notebook, such as ``"03_training"``.
    run_dir : str
        The run folder, through which notebooks pass on what they made; relative to the project.
    **settings
        The settings that this notebook decides; those of earlier notebooks come from the run folder.

    Raises
    ------
    InputError
        If a setting is unknown or has the wrong type.
    """

    def __init__(self, name: str, run_dir: str, **settings: Any):
        check_text(run_dir=run_dir)
        self.name = name
        self.run_dir = project_path(run_dir)
        self.config: RunConfig = make_config(**config_from(self.run_dir, settings))
        self._start = time.perf_counter()
        (self.run_dir / "figures").mkdir(parents=True, exist_ok=True)
        write_json(self.run_dir / "config.json", self.config.model_dump())

    def check(self, with_device: bool = True) -> pd.DataFrame:
        """Return what this notebook runs on: versions, and the device unless nothing here needs it.

        Only TensorFlow knows the device, and it takes seconds to load.
        """
        rows = versions()
        if with_device:
            rows["device"] = next(iter(list_gpus()), "CPU")
        return pd.DataFrame({"what": rows.keys(), "value": rows.values()})

    def prepare(self, videos: str, videos_test: str, labels: str = "") -> RunData:
        """Read and split the videos, and keep the outcome for the next notebook."""
        check_text(videos=videos, videos_test=videos_test)
        check_text(is_needed=False, labels=labels)
        labels_path = project_path(labels) if labels else None
        data = prepare_data(project_path(videos), project_path(videos_test), self.config, labels_path)
        data.save(self.run_dir)
        return data

    def data(self) -> RunData:
        """Return the videos that notebook 01 prepared."""
        if not (self.run_dir / "data.json").exists():
            raise InputError(f"{self.run_dir} holds no prepared videos: run 01_preprocessing first.")
        return load_data(self.run_dir)

    def data_or_prepare(self, videos: str, videos_test: str, labels: str = "") -> RunData:
        """Return what notebook 01 prepared, or prepare it now if it has not run."""
        if (self.run_dir / "data.json").exists():
            return self.data()
        return self.prepare(videos, videos_test, labels)

    def show(self, figure: Figure, name: str, reading: str = "") -> None:
        """Display a figure with its description and a sentence on it, and save it for `show_again`."""
        png = _png(figure, {"Description": alt_text(figure), "Comment": reading})
        with write_aside(self.run_dir / "figures" / f"{name}.png") as aside:
            aside.write_bytes(png)
        _display_png(png)
        if reading:
            show_text(reading)

    def show_again(self, name: str) -> None:
        """Display a figure that an earlier notebook of the run has shown, as it was then."""
        path = self.run_dir / "figures" / f"{name}.png"
        if not path.exists():
            raise InputError(f"{path} is missing: run the notebook that draws it first.")
        texts = _display_png(path.read_bytes())
        if texts.get("Comment"):
            show_text(texts["Comment"])

    def finish(self) -> str:
        """Note that the notebook has reached its end; return what to say about it."""
        seconds = time.perf_counter() - self._start
        record_step(self.run_dir, self.name, seconds)
        return f"{self.name} done in {seconds:.0f} s."


def check_text(is_needed: bool = True, **parameters: object) -> None:
    """Check parameters of a notebook that are names of files or folders.

    Parameters
    ----------
    is_needed : bool
        Whether an empty text is an error too: it would mean the project's own folder.
    **parameters
        By name.

    Raises
    ------
    InputError
        If one is no text.
    """
    for name, value in parameters.items():
        if not isinstance(value, str):
            raise InputError(
                f"Parameter {name!r} is {value!r}: expected text in quotes; papermill's -p takes a text of "
                "digits for a number, its -r keeps it as it is."
            )
        if is_needed and not value.strip():
            raise InputError(f"Parameter {name!r} is empty: expected the name of a file or folder.")


def show_figure(figure: Figure) -> None:
    """Display a figure with its description as alternative text and the beginning of that as caption."""
    _display_png(_png(figure, {"Description": alt_text(figure)}))


def _png(figure: Figure, texts: dict[str, str]) -> bytes:
    """Draw a figure once, sharp enough for print, with texts in the file; then close it."""
    stream = io.BytesIO()
    figure.savefig(
        stream, format="png", dpi=_PRINT_DPI, bbox_inches="tight", facecolor="white", metadata=texts
    )
    plt.close(figure)
    return stream.getvalue()


def _display_png(png: bytes) -> dict[str, str]:
    """Display a picture at the size that it has on a screen; return the texts in its file."""
    with Image.open(io.BytesIO(png)) as image:
        texts = {str(name): str(text) for name, text in image.info.items()}
        width = image.width * _SCREEN_DPI // _PRINT_DPI
    description = texts.get("Description", "Figure")
    bundle = {"image/png": png, "text/plain": description}
    display(bundle, raw=True, metadata={"image/png": {"alt": description, "width": width}})
    caption = re.split(r"[:;.] ", description)[0].rstrip(".")
    display(HTML(f'<p class="figure-caption">{escape(caption)}.</p>'))
    return texts


def show_table(table: pd.DataFrame, caption: str, decimals: int = 2) -> None:
    """Display a table with its caption; texts from users are escaped."""
    display(HTML(table_html(table, caption, decimals)))


def show_skipped(skipped: pd.DataFrame) -> None:
    """Display which files were not used and why, or that all were."""
    if skipped.empty:
        show_text("No file was skipped.")
    else:
        number = "1 file was" if len(skipped) == 1 else f"{len(skipped)} files were"
        show_table(skipped, f"{number} skipped, with the reason")


def show_text(*sentences: str) -> None:
    """Display sentences as paragraphs; empty ones are left out, texts from users are escaped."""
    display(HTML(paragraphs(*sentences)))
