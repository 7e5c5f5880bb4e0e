"""Where the walker is in each frame of a chunk, and whether they walk: what every later room reads."""

from dataclasses import dataclass

import numpy as np

from gaitlib.walker.keypoints import Keypoints


@dataclass(frozen=True)
class WalkerTrack:
    """One chunk of a video, a row a frame; boxes and squares in pixels of the working frames.

    Attributes
    ----------
    boxes : ndarray of shape (num_frames, 4), float32
        Left, top, width and height of the body; NaN where nobody is found.
    squares : ndarray of shape (num_frames, 3), float32
        Centre x, centre y and side of the steady square around the walker.
    bouts : ndarray of shape (num_frames,), int32
        Number of the walking bout in this chunk, -1 where nobody walks in full view.
    person : ndarray of shape (num_frames,), int32
        Number of the person who is followed, -1 where nobody is.
    num_people : int
        People seen at the same time at most.
    method : str
        "keypoints", "background", "whole_frame" or "nobody".
    notes : tuple of str
        Sentences on cuts, other people, light, bars.
    keypoints : Keypoints or None
        Those of the person who is followed.
    masks : ndarray of shape (num_frames, height, width), uint8, or None
        Silhouette of the walker in the working frame, 0 to 255.
    reason : str
        Why nobody walks in full view, without a full stop; empty where somebody does.
    """

    boxes: np.ndarray
    squares: np.ndarray
    bouts: np.ndarray
    person: np.ndarray
    num_people: int
    method: str
    notes: tuple[str, ...] = ()
    keypoints: Keypoints | None = None
    masks: np.ndarray | None = None
    reason: str = ""

    def __len__(self) -> int:
        return len(self.boxes)
