"""The same layers, trained faster; what is saved is the model of plain Keras layers.

A large flattened picture makes the input weights of an LSTM by far the largest of a model, and Keras
multiplies them anew for every picture. One product over all pictures of a clip gives the same numbers
(Appleyard, Kocisky & Blunsom 2016, "Optimizing performance of recurrent neural networks on GPUs").
Where a pool takes the largest of four values, bias and ReLU wait until the other three are gone.
"""

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from gaitlib.backend import load_keras

if TYPE_CHECKING:
    import keras

_keras = load_keras()


class ProjectedLSTM(_keras.layers.LSTM):  # type: ignore[misc, name-defined]
    """`keras.layers.LSTM` without dropout, masks or returned sequences; same weights, same output."""

    def call(self, sequences: Any, initial_state: Any = None, **_: Any) -> Any:
        """Return the last output, shape (batch, units), for input of shape (batch, num_frames, features)."""
        ops, cell = _keras.ops, self.cell
        gates = ops.matmul(sequences, cell.kernel) + cell.bias
        hidden = memory = ops.zeros_like(gates[:, 0, : self.units])
        for number in range(sequences.shape[1]):
            total = gates[:, number] + ops.matmul(hidden, cell.recurrent_kernel)
            enter, forget, content, tell = ops.split(total, 4, axis=1)
            memory = ops.sigmoid(forget) * memory + ops.sigmoid(enter) * ops.tanh(content)
            hidden = ops.sigmoid(tell) * ops.tanh(memory)
        return hidden


class PooledConv3D(_keras.layers.Conv3D):  # type: ignore[misc, name-defined]
    """`keras.layers.Conv3D` within a frame, a ReLU and ``MaxPooling3D((1, 2, 2))``; same weights and output.

    Bias and ReLU never turn the order of two numbers round, so that they can come after the pool.
    """

    def call(self, inputs: Any) -> Any:
        """Return values of shape (batch, num_frames, height / 2, width / 2, filters)."""
        frames = _keras.ops.reshape(inputs, (-1, *inputs.shape[2:]))
        values = tf.nn.conv2d(frames, self.kernel[0], 1, "VALID")
        values = tf.nn.max_pool2d(values, 2, 2, "VALID")
        values = tf.nn.relu(tf.nn.bias_add(values, self.bias))
        return _keras.ops.reshape(values, (-1, inputs.shape[1], *values.shape[1:]))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape after the pool."""
        *others, height, width, filters = super().compute_output_shape(input_shape)
        return *others, height // 2, width // 2, filters


FAST_LAYERS = {layer.__name__: layer for layer in (ProjectedLSTM, PooledConv3D)}


def training_twin(model: "keras.Model", precision: str = "float32") -> "keras.Model":
    """Return a copy with the same weights whose layers train faster.

    With `precision` ``"mixed_float16"`` it also multiplies in half precision, except where clips are scaled
    (sums over a clip are too large for it) and in the last layer (probabilities too small); its weights
    stay float32, and so does the model itself.
    """
    kept = {"scale", "level", model.layers[-1].name}
    pools = _pools_after_convolutions(model)

    def twin_of(layer: Any) -> Any:
        if isinstance(layer, _keras.Model):  # the encoder of a model that compares walks
            return training_twin(layer, precision)
        config = layer.get_config()
        if precision != "float32" and layer.name not in kept:
            config["dtype"] = precision
        if layer.name in pools.values():
            return _keras.layers.Identity(name=layer.name, dtype=config["dtype"])
        if layer.name in pools:
            return PooledConv3D.from_config(config)
        if type(layer) is not _keras.layers.LSTM or layer.return_sequences or layer.dropout:
            return layer.__class__.from_config(config)
        return ProjectedLSTM.from_config(config)

    twin = _keras.models.clone_model(model, clone_function=twin_of)
    twin.set_weights(model.get_weights())
    return twin


def _pools_after_convolutions(model: "keras.Model") -> dict[str, str]:
    """Return the names of convolutions that `PooledConv3D` can stand for, each with the name of its pool."""
    readers: dict[int, list[Any]] = {}
    for layer in model.layers[1:]:
        for value in layer.input if isinstance(layer.input, list) else [layer.input]:
            readers.setdefault(id(value), []).append(layer)
    pools = {}
    for layer in model.layers:
        after = readers.get(id(layer.output), [])
        if _is_plain_convolution(layer) and len(after) == 1 and _is_plain_pool(after[0]):
            pools[layer.name] = after[0].name
    return pools


def _is_plain_convolution(layer: Any) -> bool:
    return (
        type(layer) is _keras.layers.Conv3D
        and layer.kernel_size[0] == layer.groups == 1
        and layer.strides == layer.dilation_rate == (1, 1, 1)
        and layer.padding == "valid"
        and layer.activation is _keras.activations.relu
        and layer.use_bias
    )


def _is_plain_pool(layer: Any) -> bool:
    return (
        type(layer) is _keras.layers.MaxPooling3D
        and layer.pool_size == layer.strides == (1, 2, 2)
        and layer.padding == "valid"
    )
