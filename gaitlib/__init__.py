"""EmotionGait: read the emotion from the way a person walks."""

__version__ = "0.1.0"
