"""People by their shape alone: OpenCV's histogram-of-gradients detector (Dalal & Triggs, CVPR 2005)."""

import cv2
import numpy as np

from gaitlib.walker.tracking import Track, link_boxes

DETECTOR_RATE_HZ = 3.0
MIN_WEIGHT = 0.4


def detect_people(frames: np.ndarray, frame_rate_hz: float) -> list[Track]:
    """Find upright people in a few pictures a second and follow them.

    Parameters
    ----------
    frames : ndarray of shape (num_frames, height, width), uint8, grey
    frame_rate_hz : float

    Returns
    -------
    list of Track
    """
    detector = cv2.HOGDescriptor()
    detector.setSVMDetector(np.asarray(cv2.HOGDescriptor.getDefaultPeopleDetector()))
    step = max(1, round(frame_rate_hz / DETECTOR_RATE_HZ))
    boxes = [_detect(detector, frame) for frame in frames[::step]]
    return link_boxes(boxes, frame_rate_hz, frame_step=step)


def _detect(detector: cv2.HOGDescriptor, frame: np.ndarray) -> np.ndarray:
    if frame.shape[0] < detector.winSize[1] or frame.shape[1] < detector.winSize[0]:
        return np.zeros((0, 4))  # smaller than the detector's window, which would crash
    found, weights = detector.detectMultiScale(frame, winStride=(8, 8), padding=(8, 8), scale=1.08)
    boxes = np.array(
        [box for box, weight in zip(found, np.ravel(weights), strict=True) if weight > MIN_WEIGHT]
    )
    boxes = boxes.reshape(-1, 4).astype(float)
    # The detector was trained with a margin around the person: an eighth above and below, more beside.
    boxes[:, :2] += boxes[:, 2:] * (0.2, 0.08)
    boxes[:, 2:] *= (0.6, 0.84)
    return boxes
