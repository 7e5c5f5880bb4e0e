"""EmotionGait: read the emotion from the way a person walks."""

from importlib.metadata import version

__version__ = version("gaitlib")
