"""What happens between two epochs: the state is kept, and a line of progress is shown."""

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from gaitlib.backend import load_keras
from gaitlib.fast_layers import FAST_LAYERS
from gaitlib.files import read_json, write_aside, write_json

if TYPE_CHECKING:
    import keras

Callback = load_keras().callbacks.Callback

# What Keras's own callbacks remember between epochs and forget in a new process.
_REMEMBERED = ("wait", "best", "best_epoch", "cooldown_counter", "stopped_epoch")


class EpochDraws(Callback):  # type: ignore[misc, valid-type]
    """Let dropout, and whatever else a model draws, depend on the seed and the epoch alone.

    Keras counts its draws in variables that no file keeps: a training that goes on after a stop would
    draw otherwise than one that was never stopped.

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed: int):
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start every generator in the model anew, each at a place of its own."""
        for number, state in enumerate(generator_states(self.model)):
            state.assign(np.random.default_rng([self.seed, epoch, number]).integers(2**31, size=2))


def generator_states(model: "keras.Model") -> list[Any]:
    """Return the variables in which a model's random generators count, in the order of its layers."""
    weights = {id(weight) for weight in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


class EpochState(Callback):  # type: ignore[misc, valid-type]
    """Keep model, optimiser, best weights, history and the other callbacks' memory after each epoch.

    Parameters
    ----------
    folder : Path
        Holds ``epoch_00012/`` once twelve epochs are done: written aside and renamed, whole or not there.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder
        self.rows: list[dict[str, float]] = []
        self.resumed_epoch = 0
        self.best_epoch = 0
        self.is_finished = False
        self._memory: list[dict[str, Any]] = []
        self._others: tuple[Any, ...] = ()

    @property
    def epochs_done(self) -> int:
        """Number of epochs trained so far, earlier processes included."""
        return len(self.rows)

    def load(self) -> "keras.Model | None":
        """Return the model as it was after the last epoch, None before the first and after the end."""
        epochs = sorted(self.folder.glob("epoch_*"))
        if not epochs:
            return None
        state = read_json(epochs[-1] / "state.json")
        self.rows, self.best_epoch = state["rows"], state["best_epoch"]
        self._memory, self.is_finished = state["memory"], state["is_finished"]
        self.resumed_epoch = len(self.rows)
        self._tidy()
        if self.is_finished:
            return None
        return load_keras().saving.load_model(epochs[-1] / "model.keras", custom_objects=FAST_LAYERS)

    def attach(self, *others: Any) -> None:
        """Name the callbacks whose memory must survive a kill."""
        self._others = others

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Give the other callbacks their memory back; runs after they have reset it."""
        for callback, memory in zip(self._others, self._memory, strict=False):
            for name, value in memory.items():
                setattr(callback, name, value)
        total, done = self.params["epochs"], self.epochs_done
        self._bar = tqdm(total=total, initial=done, desc="Training", unit="epoch", mininterval=2.0)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start the epoch's clock."""
        self._begin = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Store everything, then drop what the epoch before stored."""
        row = {name: float(value) for name, value in (logs or {}).items()}
        row["seconds"] = time.perf_counter() - self._begin
        if not pd.notna(row.get("val_loss", float("nan"))):
            return
        rate = load_keras().ops.convert_to_numpy(self.model.optimizer.learning_rate)
        row.setdefault("learning_rate", float(rate))
        is_best = not self.rows or row["val_loss"] < min(old["val_loss"] for old in self.rows)
        self.rows.append({"epoch": epoch + 1, **row})
        if is_best:
            self.best_epoch = epoch + 1
            with write_aside(self._best_path) as aside:
                np.savez(aside, *self.model.get_weights())
        self._store()
        self._bar.set_postfix_str(f"loss {row['loss']:.3f}, validation {row['val_loss']:.3f}", refresh=False)
        self._bar.update()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Close the line of progress."""
        self._bar.close()

    def history(self) -> pd.DataFrame:
        """Return one row an epoch."""
        return pd.DataFrame(self.rows)

    def restore_best(self, model: "keras.Model") -> None:
        """Give the model the weights of the epoch with the lowest validation loss."""
        with np.load(self._best_path, allow_pickle=False) as weights:
            model.set_weights([weights[name] for name in weights.files])

    @property
    def _best_path(self) -> Path:
        # With its epoch: weights of an epoch that a kill undid are never taken for those that count.
        return self.folder / f"best_{self.best_epoch:05d}.npz"

    def _store(self) -> None:
        memory = [
            {name: getattr(other, name) for name in _REMEMBERED if hasattr(other, name)}
            for other in self._others
        ]
        is_finished = self.model.stop_training or self.epochs_done >= self.params["epochs"]
        state = {
            "rows": self.rows,
            "best_epoch": self.best_epoch,
            "memory": memory,
            "is_finished": is_finished,
        }
        with write_aside(self.folder / f"epoch_{self.epochs_done:05d}") as aside:
            aside.mkdir()
            if not is_finished:
                self.model.save(aside / "model.keras")
            write_json(aside / "state.json", state)
        self._tidy()

    def _tidy(self) -> None:
        """Remove what epochs before the last have stored; a kill may have kept an earlier process from it."""
        for older in sorted(self.folder.glob("epoch_*"))[:-1]:
            shutil.rmtree(older, ignore_errors=True)
        for best in self.folder.glob("best_*"):
            if best != self._best_path:
                best.unlink()
