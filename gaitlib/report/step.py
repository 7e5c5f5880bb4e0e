"""What every notebook does around its lessons: check its parameters, show, save."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gaitlib.config import RunConfig, make_config
from gaitlib.data import RunData, load_data
from gaitlib.errors import InputError
from gaitlib.evaluation import record_step, versions
from gaitlib.files import make_folder, project_path, read_json, write_json
from gaitlib.models import list_gpus
from gaitlib.report.running import prepare_run
from gaitlib.report.showing import Picture, load_pictures, picture_of, save_pictures, show_pictures

# Parameters that name a file or folder and must not be empty.
_NEEDED = ("run_dir", "videos", "videos_test")


class Step:
    """One notebook's place in a run: its settings, the run folder, and a clock.

    Parameters
    ----------
    name : str
        Name of the notebook, such as ``"03_training"``.
    parameters : mapping
        ``globals()`` of the notebook: what its parameters cell annotates (``epochs: int = 10``) are settings
        of the run, or texts that name files. Settings of earlier notebooks come from the run folder.

    Raises
    ------
    InputError
        If a setting has the wrong type or range, or a file's name is no text.
    """

    def __init__(self, name: str, parameters: Mapping[str, Any]):
        values = {key: parameters[key] for key in parameters.get("__annotations__", {})}
        settings = {key: value for key, value in values.items() if key in RunConfig.model_fields}
        self._paths = {key: value for key, value in values.items() if key not in settings}
        for key, value in self._paths.items():
            _check_text(key, value)
        self.name, self._start = name, time.perf_counter()
        self.run_dir = project_path(self._paths["run_dir"])
        stored = self.run_dir / "config.json"
        self.config = make_config(**{**(read_json(stored) if stored.exists() else {}), **settings})
        make_folder(self.run_dir / "figures")
        write_json(stored, self.config.model_dump())

    def check(self, with_device: bool = True) -> pd.DataFrame:
        """Return versions, and the device unless nothing here needs it: to ask TensorFlow takes seconds."""
        rows = versions() | ({"device": next(iter(list_gpus()), "CPU")} if with_device else {})
        return pd.DataFrame({"what": rows.keys(), "value": rows.values()})

    def data(self) -> RunData:
        """Return the videos that notebook 01 prepared in this run folder; prepare them if it did not run.

        Raises
        ------
        InputError
            If there are none, and this notebook has no parameter that names the videos.
        """
        if self.name != "01_preprocessing" and (self.run_dir / "data.json").exists():
            return load_data(self.run_dir)
        if "videos" not in self._paths:
            raise InputError(f"{self.run_dir} holds no prepared videos: run 01_preprocessing first.")
        videos, videos_test = (project_path(self._paths[name]) for name in ("videos", "videos_test"))
        labels = project_path(self._paths["labels"]) if self._paths["labels"] else None
        data = prepare_run(videos, videos_test, self.config, labels)
        data.save(self.run_dir)
        self.config = data.config
        write_json(self.run_dir / "config.json", self.config.model_dump())
        return data

    def show(self, figure: Figure | Axes, name: str, reading: str = "", alt: str = "") -> None:
        """Display a figure and, below it, what it says (`reading`); save both as `name` for `show_again`.

        `alt` tells those who do not see it what the figure shows; its beginning, up to a colon, is the
        caption. By default it is the figure's label.
        """
        whole = figure.figure if isinstance(figure, Axes) else figure
        assert isinstance(whole, Figure)
        self.show_pictures([picture_of(whole, alt)], name, reading)

    def show_pictures(self, pictures: Sequence[Picture], name: str, reading: str = "") -> None:
        """Display pictures, such as moving clips, and save them for `show_again`."""
        save_pictures(self.run_dir / "figures", name, pictures, reading)
        show_pictures(pictures, reading)

    def show_again(self, name: str, otherwise: str = "") -> None:
        """Display what an earlier notebook of the run has shown; a sentence where it showed nothing."""
        pictures, reading = load_pictures(self.run_dir / "figures", name)
        show_pictures(pictures, reading if pictures else otherwise)

    def finish(self) -> str:
        """Note that the notebook has reached its end; return what to say about it."""
        seconds = time.perf_counter() - self._start
        record_step(self.run_dir, self.name, seconds)
        return f"{self.name} done in {seconds:.0f} s."


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise InputError(
            f"Parameter {name!r} is {value!r}: expected text in quotes; papermill's -p takes a text of "
            "digits for a number, its -r keeps it as it is."
        )
    if name in _NEEDED and not value.strip():
        raise InputError(f"Parameter {name!r} is empty: expected the name of a file or folder.")
