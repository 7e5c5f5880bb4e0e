"""Whether a batch fits into memory, asked before the system has to kill somebody."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from gaitlib.backend import list_gpus, load_keras, plain_layers
from gaitlib.config import InputError

if TYPE_CHECKING:
    import keras

# Training keeps what every layer says, and something on the way back: 1.3 to 1.8 times as much was measured.
_SHARE_OF_OUTPUTS = 2
# TimeDistributed layers keep each picture's part by itself, and more than once: 8 to 20 was measured.
_SHARE_OF_TIME_DISTRIBUTED = 20
_CGROUP = Path("/sys/fs/cgroup")


def check_batch(model: "keras.Model", num_clips: int) -> None:
    """Refuse a batch that can't be trained on; a graphics card is left to say so itself.

    Parameters
    ----------
    model : keras.Model
    num_clips : int
        Clips in the batch.

    Raises
    ------
    InputError
        With the largest batch that may fit.
    """
    if list_gpus():
        return
    clip, free = training_bytes(model, 1), free_bytes()
    if num_clips * clip <= free:
        return
    fitting = free // clip
    advice = f"take a batch_size of {fitting} or less, or" if fitting else "take"
    clips = "1 clip" if num_clips == 1 else f"{num_clips} clips"
    raise InputError(
        f"Not enough memory to train on {clips} at once, which takes {num_clips * clip / 1e9:.1f} GB or "
        f"more while {free / 1e9:.1f} GB are free: {advice} a smaller frame_size or num_frames."
    )


def training_bytes(model: "keras.Model", num_clips: int) -> int:
    """Return about how many bytes a step of training takes beside the weights."""
    return num_clips * _training_share(model) * clip_bytes(model)


def clip_bytes(model: "keras.Model") -> int:
    """Return the bytes of what all layers say about one clip and, where it has one, its reference clip."""
    return len(model.inputs) * 4 * sum(_num_numbers(layer) for layer in plain_layers(model))


def _num_numbers(layer: "keras.Layer") -> int:
    outputs = load_keras().tree.flatten(layer.output)
    return sum(int(np.prod(output.shape[1:], dtype=np.int64)) for output in outputs)


def _training_share(model: "keras.Model") -> int:
    kinds = {type(layer).__name__ for layer in plain_layers(model)}
    return _SHARE_OF_TIME_DISTRIBUTED if "TimeDistributed" in kinds else _SHARE_OF_OUTPUTS


def free_bytes() -> int:
    """Return the bytes that this process can still get: of the machine, its container and its limits."""
    free = [psutil.virtual_memory().available]
    process = psutil.Process()
    if hasattr(psutil, "RLIMIT_AS"):  # Linux
        limit = process.rlimit(psutil.RLIMIT_AS)[0]
        free += [limit - process.memory_info().vms] if limit != psutil.RLIM_INFINITY else []
    return max(0, min(free + _container_bytes()))


def _container_bytes() -> list[int]:
    """Return what the container's limit leaves; file pages that can be dropped count as free."""
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text())
        kinds = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no container, no limit ("max"), or another system
        return []
    return [limit - used + int(kinds.get("inactive_file", 0))]
