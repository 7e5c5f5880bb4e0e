"""The same LSTM, trained faster: the pictures meet the input weights in one product, not one by one.

A large flattened picture makes the input weights of an LSTM by far the largest of a model, and Keras
multiplies them anew for every picture. One product over all pictures of a clip gives the same numbers
(Appleyard, Kocisky & Blunsom 2016, "Optimizing performance of recurrent neural networks on GPUs").
The twin serves training alone: what is saved is the model of plain Keras layers.
"""

from typing import TYPE_CHECKING, Any

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


def training_twin(model: "keras.Model", precision: str = "float32") -> "keras.Model":
    """Return a copy with the same weights whose LSTM layers train faster.

    With `precision` ``"mixed_float16"`` it also multiplies in half precision, except where clips are scaled
    (sums over a clip are too large for it) and in the last layer (probabilities too small); its weights
    stay float32, and so does the model itself.
    """
    kept = {"scale", "level", model.layers[-1].name}

    def twin_of(layer: Any) -> Any:
        if isinstance(layer, _keras.Model):  # the encoder of a model that compares walks
            return training_twin(layer, precision)
        config = layer.get_config()
        if precision != "float32" and layer.name not in kept:
            config["dtype"] = precision
        if type(layer) is not _keras.layers.LSTM or layer.return_sequences or layer.dropout:
            return layer.__class__.from_config(config)
        return ProjectedLSTM.from_config(config)

    twin = _keras.models.clone_model(model, clone_function=twin_of)
    twin.set_weights(model.get_weights())
    return twin
