"""How the box around a walker moves: the least that any classifier should make use of."""

import numpy as np
import pandas as pd

from gaitlib.prepared import PreparedVideo

NUM_BOX_FEATURES = 13


def box_features(video: PreparedVideo) -> np.ndarray:
    """Describe a walk by the box around the walker, first of all by its speed.

    Returns
    -------
    ndarray of shape (13,), float
        Median speed (body heights a second); mean, standard deviation, 10th and 90th percentile of
        width over height; standard deviation of the centre's height about its path, of the height and
        of the height's change (all in body heights); cadence (Hz) and its strength from the
        autocorrelation of the width; change of the width; 90th percentile and standard deviation of
        the speed. Zeros where no box was found.
    """
    track = video.track
    track = track[(track["segment"] >= 0) & track["height"].notna()]
    if len(track) < 5:
        return np.zeros(NUM_BOX_FEATURES)
    height = track["square_side"].to_numpy()
    width = (track["width"] / height).to_numpy()
    top_to_path = ((track["top"] + track["height"] / 2 - track["square_y"]) / height).to_numpy()
    tall = (track["height"] / height).to_numpy()
    speed = track["speed_heights_per_s"].to_numpy()
    rate_hz = 1 / float(np.median(np.diff(track["time_seconds"])))
    cadence_hz, strength = _cadence(pd.Series(width), rate_hz)
    return np.array(
        [
            np.median(speed),
            *(width.mean(), width.std(), *np.quantile(width, (0.1, 0.9))),
            *(top_to_path.std(), tall.std(), np.diff(tall).std()),
            *(cadence_hz, strength, np.abs(np.diff(width)).mean()),
            *(np.quantile(speed, 0.9), speed.std()),
        ]
    )


def _cadence(width: pd.Series, rate_hz: float) -> tuple[float, float]:
    """Return steps a second and how regular they are (0 to 1): the box is widest once a step."""
    lags = np.arange(max(2, round(0.3 * rate_hz)), min(round(1.3 * rate_hz), len(width) // 2) + 1)
    if not len(lags):
        return 0.0, 0.0
    correlation = np.nan_to_num([width.autocorr(int(lag)) for lag in lags])
    best = int(np.argmax(correlation))
    return rate_hz / lags[best], float(correlation[best])
