"""Whether a batch fits into memory, asked before the system has to kill somebody."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from gaitlib.backend import load_keras
from gaitlib.config import InputError

if TYPE_CHECKING:
    import keras

# Training keeps what every layer says, and as much again on the way back; some models take far more.
_SHARE_OF_OUTPUTS = 2
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
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return
    clip, free = _SHARE_OF_OUTPUTS * clip_bytes(model), free_bytes()
    if num_clips * clip <= free:
        return
    fitting = free // clip
    advice = f"take a batch_size of {fitting} or less, or" if fitting else "take"
    clips = "1 clip" if num_clips == 1 else f"{num_clips} clips"
    raise InputError(
        f"Not enough memory to train on {clips} at once, which takes {num_clips * clip / 1e9:.1f} GB or "
        f"more while {free / 1e9:.1f} GB are free: {advice} a smaller frame_size or num_frames."
    )


def clip_bytes(model: "keras.Model") -> int:
    """Return the bytes of what all layers say about one clip."""
    outputs = load_keras().tree.flatten([layer.output for layer in model.layers])
    return 4 * sum(int(np.prod(output.shape[1:], dtype=np.int64)) for output in outputs)


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
