"""Which gait parameters speak for an answer, in terms that a person understands."""

import numpy as np
import pandas as pd

from gaitlib.clips import PreparedVideo
from gaitlib.gait import GAIT_PARAMETERS, gait_parameters
from gaitlib.models import TrainedModel

# Standard deviations from neutral below which a parameter is as usual, and beyond which it counts no more.
_MIN_DISTANCE, _MAX_DISTANCE = 0.7, 4.0
_NUM_TOLD = 3


def gait_reasons(video: PreparedVideo, model: TrainedModel, emotion: str) -> pd.DataFrame:
    """Compare a walk with the neutral walks of the training walkers.

    A parameter speaks for an emotion where the walk differs from neutral in the direction in which that
    emotion's training walks differ.

    Parameters
    ----------
    video : PreparedVideo
    model : TrainedModel
        Its `about` holds the training walkers' gait.
    emotion : str
        The answer to explain.

    Returns
    -------
    DataFrame
        One row a parameter, what speaks most for the answer first: `parameter`, `title`, `unit`, `value`,
        `neutral` (mean), `distance` (standard deviations from neutral) and `speaks` (distance times the
        usual distance of the emotion's walks). Empty where the training had no neutral walks.
    """
    rows = []
    for name, value in gait_parameters(video).items():
        known = model.about.get("gait_reference", {}).get(name)
        if known is None or not known["sd"] or not np.isfinite(value):
            continue
        distance = float(np.clip((value - known["mean"]) / known["sd"], -_MAX_DISTANCE, _MAX_DISTANCE))
        usual = (known.get("emotions", {}).get(emotion, known["mean"]) - known["mean"]) / known["sd"]
        rows.append((name, value, known["mean"], distance, distance * usual))
    table = pd.DataFrame(rows, columns=["parameter", "value", "neutral", "distance", "speaks"])
    about = GAIT_PARAMETERS[["title", "unit"]]
    return table.join(about, on="parameter").sort_values("speaks", ascending=False, ignore_index=True)


def reason_sentence(reasons: pd.DataFrame, emotion: str) -> str:
    """Say in one sentence which parameters speak for the answer, or that none stands out."""
    told = reasons[(reasons["speaks"] > 0) & (reasons["distance"].abs() >= _MIN_DISTANCE)].head(_NUM_TOLD)
    if told.empty:
        return f"No single gait parameter stands out from neutral walks in the way of {emotion} ones."
    parts = [
        f"{row.title} {'above' if float(row.distance) > 0 else 'below'} neutral ({row.value:.3g} against "
        f"{row.neutral:.3g}{'' if row.unit == '1' else f' {row.unit}'})"
        for row in map(pd.Series, told.to_dict("records"))
    ]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"For {emotion} speaks {listed}."
