"""What Keras's own callbacks leave out: the time left, and a memory that survives a kill."""

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from gaitlib.models.backend import load_keras

_Callback = load_keras().callbacks.Callback


class Progress(_Callback):  # type: ignore[misc, valid-type]
    """Show epoch, losses and the time left on one line, and note the seconds of each epoch in its logs."""

    def __init__(self, title: str, num_done: int):
        super().__init__()
        self.title, self.num_done = title, num_done

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the line where an earlier process has stopped."""
        total, done = (number * self.params["steps"] for number in (self.params["epochs"], self.num_done))
        layout = "{desc}: {percentage:3.0f} % after {elapsed}, at most {remaining} left{postfix}"
        self.bar = tqdm(total=total, initial=done, desc=self.title, bar_format=layout, mininterval=2.0)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the epoch's clock."""
        self.begin = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move on by one step."""
        self.bar.update()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Name the losses."""
        logs["seconds"] = time.perf_counter() - self.begin
        losses = f"loss {logs['loss']:.2f}, validation {logs['val_loss']:.2f}"
        self.bar.set_postfix_str(f"epoch {epoch + 1}, {losses}", refresh=False)

    def on_train_end(self, logs: Any = None) -> None:
        """Close the line."""
        self.bar.close()


class Replay(_Callback):  # type: ignore[misc, valid-type]
    """Tell callbacks what happened before a kill, so that they know their best and their patience again.

    Must be the last in the list, as the others forget everything when a training begins.
    """

    def __init__(self, history: pd.DataFrame, learning_rate: float, callbacks: Sequence[Any]):
        super().__init__()
        self.history, self.learning_rate, self.callbacks = history, learning_rate, callbacks

    def on_train_begin(self, logs: Any = None) -> None:
        """Replay the epochs of earlier processes; the learning rate falls again as it fell then."""
        if len(self.history):
            self.model.optimizer.learning_rate = self.learning_rate
        for row in self.history.to_dict("records"):
            for callback in self.callbacks:
                callback.on_epoch_end(row["epoch"], dict(row))
        self.model.stop_training = False


def resume(folder: Path) -> pd.DataFrame:
    """Return the epochs that can be built on, and drop what a kill has left half-written.

    Parameters
    ----------
    folder : Path
        With ``backup/`` of `keras.callbacks.BackupAndRestore` and ``history.csv`` of `CSVLogger`.

    Returns
    -------
    DataFrame
        A row an epoch, `epoch` from 0, as the callbacks were told of it.
    """
    try:
        num_epochs = json.loads((folder / "backup" / "training_metadata.json").read_text())["epoch"]
        history = pd.read_csv(folder / "history.csv")
    except (OSError, ValueError):
        shutil.rmtree(folder / "backup", ignore_errors=True)
        (folder / "history.csv").unlink(missing_ok=True)
        return pd.DataFrame({"epoch": [], "val_loss": []})
    history = history[history["epoch"] < num_epochs]
    history.to_csv(folder / "history.csv", index=False)
    return history
