"""EmotionGait: read the emotion from the way a person walks.

The rooms, in the order in which a video passes through them: `labels`, `video`, `walker`, `clips`, `gait`,
`data`, `models`, `training`, `evaluation`, `explain`, `predict`, `report`. Beside the way: `experiments` and
`demo`. Importing this package loads neither TensorFlow nor OpenCV.
"""

__version__ = "0.2.0"
