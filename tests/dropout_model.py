"""A small model that draws at random while it learns, in the place of the models by name."""

import gaitlib.training
from gaitlib.backend import load_keras


def build_dropout_model(name, num_frames, frame_size, num_channels, num_classes, l2_strength=0.0):
    """Build a model whose LSTM and Dropout layers both draw."""
    layers = load_keras().layers
    clip = load_keras().Input((num_frames, frame_size, frame_size, num_channels))
    values = layers.Rescaling(1 / 255)(clip)
    values = layers.AveragePooling3D((1, 4, 4))(values)
    values = layers.Reshape((num_frames, -1))(values)
    values = layers.LSTM(16, dropout=0.2)(values)
    values = layers.Dropout(0.3)(values)
    return load_keras().Model(clip, layers.Dense(num_classes, activation="softmax")(values))


def use_dropout_model():
    """Let this process train the small model, whatever name is configured."""
    gaitlib.training.build_model = build_dropout_model
