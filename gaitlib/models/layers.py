"""The one layer that Keras does not bring: an LSTM that takes in all frames of a clip in one product."""

from typing import Any

from gaitlib.models.backend import load_keras

_keras = load_keras()


@_keras.saving.register_keras_serializable("gaitlib")
class ProjectedLSTM(_keras.layers.LSTM):  # type: ignore[misc, name-defined]
    """`keras.layers.LSTM` with the product by its input weights, the largest of the network, out of its loop.

    Same weights, same output (Appleyard, Kocisky & Blunsom 2016, "Optimizing performance of recurrent
    neural networks on GPUs"); no masks, dropout or returned sequences.
    """

    def call(self, sequences: Any, initial_state: Any = None, **_: Any) -> Any:
        """Return the last output, shape (batch, units), for input of shape (batch, num_frames, features)."""
        ops, cell = _keras.ops, self.cell
        projected = ops.matmul(sequences, cell.kernel) + cell.bias

        def step(state: Any, frame: Any) -> tuple[Any, Any]:
            hidden, memory = ops.split(state, 2, axis=-1)
            gates = frame + ops.matmul(hidden, cell.recurrent_kernel)
            write, keep, content, read = ops.split(gates, 4, axis=-1)
            memory = ops.sigmoid(keep) * memory + ops.sigmoid(write) * ops.tanh(content)
            state = ops.concatenate([ops.sigmoid(read) * ops.tanh(memory), memory], axis=-1)
            return state, state

        start = ops.zeros_like(projected[:, 0, : 2 * self.units])
        return ops.scan(step, start, ops.swapaxes(projected, 0, 1))[0][:, : self.units]
