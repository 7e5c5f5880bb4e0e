"""The bodies of the models: what lies between a levelled clip and one row of features.

A body takes values of shape (batch, num_frames, height, width, channels), each clip with mean 0 and
variance 1, and the number of frames; it returns features of shape (batch, num_features) from a layer
named `over_time`. Only Keras's own layers are used. Batches are small, so that values are normalised
within a clip (`LayerNormalization`), never over a batch.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from gaitlib.backend import load_keras

if TYPE_CHECKING:
    import keras

# Numbers that describe the pose in one frame, and steps of the dilated convolutions, in frames.
_POSE_FEATURES = 64
_DILATIONS = (1, 2, 4, 8)


def cnn_lstm(values: "keras.KerasTensor", num_frames: int) -> "keras.KerasTensor":
    """Compute the published function with kernels that span one frame: all frames in one operation."""
    layers = load_keras().layers
    values = layers.Conv3D(16, (1, 3, 3), activation="relu", name="edges")(values)
    values = layers.MaxPooling3D((1, 2, 2), name="pool_edges")(values)
    values = layers.Conv3D(32, (1, 3, 3), activation="relu", name="shapes")(values)
    values = layers.MaxPooling3D((1, 2, 2), name="pool_shapes")(values)
    values = layers.Reshape((num_frames, -1), name="flatten")(values)
    return layers.LSTM(32, name="over_time")(values)


def cnn_lstm_timedistributed(values: "keras.KerasTensor", num_frames: int) -> "keras.KerasTensor":
    """Look at each frame by itself, as layered in the publication: one small network, 30 times."""
    layers = load_keras().layers
    frame_layers = (
        layers.Conv2D(16, 3, activation="relu", name="edges"),
        layers.MaxPooling2D(2, name="pool_edges"),
        layers.Conv2D(32, 3, activation="relu", name="shapes"),
        layers.MaxPooling2D(2, name="pool_shapes"),
        layers.Flatten(name="flatten"),
    )
    for layer in frame_layers:
        values = layers.TimeDistributed(layer, name=f"each_{layer.name}")(values)
    return layers.LSTM(32, name="over_time")(values)


def cnn_gru(values: "keras.KerasTensor", num_frames: int) -> "keras.KerasTensor":
    """Read the poses in order with gated recurrent units (Cho et al. 2014, arXiv:1406.1078)."""
    return load_keras().layers.GRU(48, name="over_time")(_see_poses(values, num_frames))


def cnn_bilstm(values: "keras.KerasTensor", num_frames: int) -> "keras.KerasTensor":
    """Read the poses forwards and backwards and average over time: the last frame counts no more."""
    layers = load_keras().layers
    recurrent = layers.LSTM(32, return_sequences=True, name="lstm")
    values = layers.Bidirectional(recurrent, name="both_ways")(_see_poses(values, num_frames))
    return layers.GlobalAveragePooling1D(name="over_time")(values)


def cnn_tcn(values: "keras.KerasTensor", num_frames: int) -> "keras.KerasTensor":
    """Look at ever wider stretches of time (Bai, Kolter & Koltun 2018, arXiv:1803.01271)."""
    layers = load_keras().layers
    values = _see_poses(values, num_frames)
    for step in _DILATIONS:
        more = layers.LayerNormalization(name=f"level_{step}")(values)
        more = layers.Conv1D(
            _POSE_FEATURES, 3, padding="same", dilation_rate=step, activation="relu", name=f"every_{step}"
        )(more)
        more = layers.Dense(_POSE_FEATURES, name=f"mix_{step}")(more)
        values = layers.Add(name=f"add_{step}")([values, more])
    return layers.GlobalAveragePooling1D(name="over_time")(values)


def cnn_transformer(values: "keras.KerasTensor", num_frames: int) -> "keras.KerasTensor":
    """Let every moment ask every other (Vaswani et al. 2017, arXiv:1706.03762).

    Attention does not know the order of its inputs: a bias of its own for each frame tells.
    """
    keras = load_keras()
    values = keras.layers.EinsumDense(
        "btf,fg->btg",
        output_shape=(num_frames, _POSE_FEATURES),
        bias_axes="tg",
        bias_initializer=keras.initializers.RandomNormal(stddev=0.1),
        name="position",
    )(_see_poses(values, num_frames))
    for number in (1, 2):
        values = _attend(values, number)
    values = keras.layers.LayerNormalization(name="level_end")(values)
    return keras.layers.GlobalAveragePooling1D(name="over_time")(values)


def _attend(values: "keras.KerasTensor", number: int) -> "keras.KerasTensor":
    layers = load_keras().layers
    more = layers.LayerNormalization(name=f"level_ask_{number}")(values)
    more = layers.MultiHeadAttention(4, _POSE_FEATURES // 4, name=f"ask_{number}")(more, more)
    values = layers.Add(name=f"add_answer_{number}")([values, more])
    more = layers.LayerNormalization(name=f"level_think_{number}")(values)
    more = layers.Dense(2 * _POSE_FEATURES, activation="relu", name=f"think_{number}")(more)
    more = layers.Dense(_POSE_FEATURES, name=f"conclude_{number}")(more)
    return layers.Add(name=f"add_thought_{number}")([values, more])


def r2plus1d(values: "keras.KerasTensor", num_frames: int) -> "keras.KerasTensor":
    """See shapes, then their movement, in turns: factorised 3-D convolutions (Tran et al. 2018)."""
    layers = load_keras().layers
    for number, (filters, side, step) in enumerate(((16, 5, 1), (32, 3, 2), (32, 3, 2)), start=1):
        values = layers.Conv3D(
            filters,
            (1, side, side),
            strides=(1, 2, 2),
            padding="same",
            activation="relu",
            name=f"shapes_{number}",
        )(values)
        values = layers.Conv3D(
            filters,
            (3, 1, 1),
            strides=(step, 1, 1),
            padding="same",
            activation="relu",
            name=f"movement_{number}",
        )(values)
    values = layers.MaxPooling3D((1, 2, 2), padding="same", name="pool")(values)
    values = layers.Reshape((values.shape[1], -1), name="flatten")(values)
    values = layers.Dense(_POSE_FEATURES, activation="relu", name="pose")(values)
    return layers.GlobalAveragePooling1D(name="over_time")(values)


def convlstm(values: "keras.KerasTensor", num_frames: int) -> "keras.KerasTensor":
    """Remember a picture, not a row of numbers (Shi et al. 2015, arXiv:1506.04214)."""
    layers = load_keras().layers
    values = _shrink(values, 16, 5, "edges")
    values = _shrink(values, 24, 3, "parts")
    # Each step of the recurrence costs far more than its arithmetic: two frames make one step.
    values = layers.MaxPooling3D((2, 2, 2), padding="same", name="pool")(values)
    values = layers.ConvLSTM2D(16, 3, padding="same", name="memory")(values)
    values = layers.MaxPooling2D(2, padding="same", name="pool_memory")(values)
    values = layers.Flatten(name="flatten")(values)
    return layers.Dense(_POSE_FEATURES, activation="relu", name="over_time")(values)


def two_stream(values: "keras.KerasTensor", num_frames: int) -> "keras.KerasTensor":
    """See what there is and what has moved, each with its own eyes (Simonyan & Zisserman 2014)."""
    layers = load_keras().layers
    here = layers.Cropping3D(((1, 0), (0, 0), (0, 0)), name="here")(values)
    before = layers.Cropping3D(((0, 1), (0, 0), (0, 0)), name="before")(values)
    moved = layers.Subtract(name="moved")([here, before])
    streams = [_see_poses(here, num_frames - 1), _see_poses(moved, num_frames - 1, "moved_")]
    return layers.GRU(48, name="over_time")(layers.Concatenate(name="both")(streams))


def _see_poses(values: "keras.KerasTensor", num_frames: int, prefix: str = "") -> "keras.KerasTensor":
    """Describe the pose in each frame by 64 numbers: shape (batch, num_frames, 64).

    Strides instead of pooling make this about four times as cheap as the published frame network.
    """
    layers = load_keras().layers
    values = _shrink(values, 16, 5, f"{prefix}edges")
    values = _shrink(values, 32, 3, f"{prefix}parts")
    values = _shrink(values, 32, 3, f"{prefix}shapes")
    values = layers.MaxPooling3D((1, 2, 2), padding="same", name=f"{prefix}pool")(values)
    values = layers.Reshape((num_frames, -1), name=f"{prefix}flatten")(values)
    return layers.Dense(_POSE_FEATURES, name=f"{prefix}pose")(values)


def _shrink(values: "keras.KerasTensor", filters: int, side: int, name: str) -> "keras.KerasTensor":
    """Convolve each frame by itself to half its height and width."""
    return load_keras().layers.Conv3D(
        filters, (1, side, side), strides=(1, 2, 2), padding="same", activation="relu", name=name
    )(values)


BODIES: dict[str, Callable[["keras.KerasTensor", int], "keras.KerasTensor"]] = {
    body.__name__: body
    for body in (
        cnn_lstm,
        cnn_lstm_timedistributed,
        cnn_gru,
        cnn_bilstm,
        cnn_tcn,
        cnn_transformer,
        r2plus1d,
        convlstm,
        two_stream,
    )
}
