"""How fast models train, as ratios measured in the same run, and what share of the machine that is.

Run as ``python -m benchmarks.training_speed [--quick]``; prints Markdown. Clips are random and weights
fresh, as speed depends on neither. Everything that is compared takes turns, and medians are given.
"""

import os
import sys
from collections.abc import Callable, Sequence

import numpy as np

# (frames, side, channels). 120 x 120 has the pixels of 160 x 90: models take square pictures.
CASES = ((16, 64, 1), (30, 64, 1), (30, 120, 3))
NUM_CLASSES = 4
PEAK_SIDE = 2048


def compare_layerings(cases: Sequence[tuple[int, int, int]], num_rounds: int) -> list[list[str]]:
    """Return a row a case: the published network as trained here against its published layering."""
    from gaitlib.speed import seconds_in_turns

    rows = []
    for case in cases:
        names = {"fast": "cnn_lstm", "published": "cnn_lstm_timedistributed"}
        tasks = {key: make_step(name, *case) for key, name in names.items()}
        seconds = seconds_in_turns(tasks | {"product": make_product()}, num_rounds)
        peak = 2 * PEAK_SIDE**3 / seconds["product"]
        speed = batch_size() / seconds["fast"]
        rows.append(
            [
                f"{case[0]} x {case[1]} x {case[1]} x {case[2]}",
                f"{batch_size() / seconds['published']:.1f}",
                f"{speed:.1f}",
                f"{seconds['published'] / seconds['fast']:.1f}",
                f"{speed * training_flops(*case) / 1e9:.0f}",
                f"{peak / 1e9:.0f}",
                f"{speed * training_flops(*case) / peak:.0%}",
            ]
        )
    return rows


def compare_models(num_rounds: int) -> list[list[str]]:
    """Return a row a model at 30 pictures of 64 x 64 x 1."""
    from gaitlib.models import MODEL_NAMES, build_model
    from gaitlib.speed import seconds_in_turns

    case = CASES[1]
    seconds = seconds_in_turns({name: make_step(name, *case) for name in MODEL_NAMES}, num_rounds)
    return [
        [
            f"`{name}`",
            f"{build_model(name, *case, NUM_CLASSES).count_params():,}",
            f"{batch_size() / seconds[name]:.1f}",
            f"{seconds['cnn_lstm_timedistributed'] / seconds[name]:.1f}",
        ]
        for name in MODEL_NAMES
    ]


def make_step(name: str, num_frames: int, side: int, channels: int) -> Callable[[], object]:
    """Return one training step of a model on a batch of random clips."""
    from gaitlib.config import make_config
    from gaitlib.models import build_model
    from gaitlib.speed import training_step

    shape = (batch_size(), num_frames, side, side, channels)
    clips = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    model = build_model(name, num_frames, side, channels, NUM_CLASSES)
    return training_step(model, (clips, np.arange(batch_size()) % NUM_CLASSES), make_config())


def make_product() -> Callable[[], object]:
    """Return a product of two large matrices: what the machine can do at best."""
    import tensorflow as tf

    matrix = tf.random.normal((PEAK_SIDE, PEAK_SIDE))
    return lambda: tf.matmul(matrix, matrix).numpy()


def training_flops(num_frames: int, side: int, channels: int) -> int:
    """Count the multiplications and additions of a clip's training step in the published network.

    A layer's product with its weights is done once forwards and twice backwards, for the weights and
    for what came in; nothing asks for the gradient of the pictures themselves.
    """
    from gaitlib.models import build_model

    total = 0
    for layer in build_model("cnn_lstm", num_frames, side, channels, NUM_CLASSES).layers:
        kernels = [weight for weight in layer.weights if len(weight.shape) > 1]
        places = {"Conv3D": layer.output.shape[1:4], "LSTM": (num_frames,)}.get(type(layer).__name__, (1,))
        products = 2 if layer.name == "edges" else 3
        total += sum(2 * products * int(np.prod(weight.shape)) for weight in kernels) * int(np.prod(places))
    return total


def batch_size() -> int:
    """Return the clips in a step, as trainings have it by default."""
    from gaitlib.config import make_config

    return make_config().batch_size


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first column is text and whose others are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(is_quick: bool) -> None:
    """Measure and print."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from gaitlib.backend import load_keras
    from gaitlib.provenance import versions

    load_keras()
    num_rounds = 3 if is_quick else 15
    packages = ", ".join(f"{name} {number}" for name, number in versions().items())
    print(f"{os.cpu_count()} cores, {os.uname().machine}; {packages}; {batch_size()} clips a step.\n")
    layerings = compare_layerings(CASES[:1] if is_quick else CASES, num_rounds)
    header = ["clip", "published layering, clips/s", "as trained here, clips/s", "times as fast"]
    print(markdown_table([*header, "GFLOP/s", "matrix product, GFLOP/s", "share"], layerings) + "\n")
    header = ["model", "weights", "clips/s", "times the published layering"]
    print(markdown_table(header, compare_models(num_rounds)))


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
