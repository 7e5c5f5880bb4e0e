"""A video of one's own in a notebook, or on the page that Voila makes of it: a field, and what is shown."""

import itertools
import tempfile
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets
from IPython.display import HTML, Video, display

from gaitlib.errors import sentence_of
from gaitlib.explain import explain_verdict, paragraphs
from gaitlib.models import TrainedModel
from gaitlib.predict import Verdict, judge_video
from gaitlib.predict.writing import write_annotated


class VideoPicker(anywidget.AnyWidget):
    """Takes a file by click or drop and hands its path to `show`, whose output stands below the field.

    The file lies in a folder of its own that is removed when `show` returns; what `show` raises becomes a
    sentence, and the next file may follow.
    """

    _esm = Path(__file__).with_name("picker.js")
    prompt = traitlets.Unicode("Choose a video, or drop one here.").tag(sync=True)

    def __init__(self, show: Callable[[Path], Any]) -> None:
        super().__init__()
        self._show, self._numbers, self.output = show, itertools.count(2), ipywidgets.Output()
        self.on_msg(self._receive)

    def display(self) -> None:
        """Show the field, and below it what is said of each file."""
        display(ipywidgets.VBox([self, self.output]))

    def _receive(self, _: Any, part: dict[str, Any], buffers: list[memoryview]) -> None:
        if part["start"] == 0:
            self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        path = Path(self._folder.name) / (Path(part["name"]).name or "video")
        with path.open("ab") as file:
            file.write(buffers[0])
        if not part["is_last"]:
            return
        self.output.clear_output()
        with self.output, self._folder:
            try:
                self._show(path)
            except Exception as error:  # the page goes on, whatever one file does
                print(sentence_of(error))
        self.prompt = f"{path.name} is read. Choose video {next(self._numbers)}, or drop it here."


def show_verdict(path: Path, model: TrainedModel) -> Verdict:
    """Show in a notebook what a model says of a video: the word, a copy with the keypoints in it, and why."""
    verdict = judge_video(path, model)
    display(HTML(f"<h3>{escape(verdict.word)}</h3>" + paragraphs(*verdict.notes)))
    with tempfile.TemporaryDirectory() as folder:
        write_annotated([verdict], Path(folder))
        for copy in Path(folder).glob("*.mp4"):
            display(Video(copy.read_bytes(), embed=True, mimetype="video/mp4", width=480))
    if verdict.emotion and verdict.prepared is not None:
        display(HTML("".join(explain_verdict(verdict.prepared, model, verdict.emotion))))
    return verdict
