"""What each gait feature is, in which unit, after whom, and when it can be trusted."""

import pandas as pd

_ALL = "walks of at least 2 s whose silhouette is known, from any side"
_SIDE = "at least 1 s of it seen from the side (within about 45 degrees) with the silhouette known"
_ROWS = [
    (
        "cadence_steps_per_min",
        "Cadence",
        "Steps of either foot a minute, from the autocorrelation of the legs' width and the head's height.",
        "steps/min",
        "Moe-Nilssen & Helbostad 2004",
        f"{_ALL}; where the steps repeat (regularity above 0.2)",
    ),
    (
        "speed_heights_per_s",
        "Speed",
        "Median speed along the way, in body heights a second.",
        "heights/s",
        "Gross, Crane & Fredrickson 2012",
        "walks that get anywhere in the picture; from ahead or behind it is an estimate",
    ),
    (
        "step_length_heights",
        "Step length",
        "Speed divided by cadence: how far one step carries.",
        "heights",
        "Gross, Crane & Fredrickson 2012",
        "where speed and cadence are",
    ),
    (
        "leg_spread_heights",
        "Leg spread",
        "How much the width of the legs changes with the steps: 90th minus 10th percentile.",
        "heights",
        "Roether et al. 2009",
        _SIDE,
    ),
    (
        "arm_spread_heights",
        "Arm spread",
        "How much the width of the upper body changes as the arms swing: a wave fitted to it, peak to peak.",
        "heights",
        "Roether et al. 2009",
        f"{_SIDE}, and the cadence valid",
    ),
    (
        "bounce_heights",
        "Vertical bounce",
        "Travel of the top of the head up and down with the steps: a wave fitted to it, peak to peak.",
        "heights",
        "Michalak et al. 2009",
        "where the cadence is, except with a camera that shakes",
    ),
    (
        "trunk_lean_deg",
        "Trunk lean",
        "Angle at which a trunk from the middle of the legs to the shoulders leans, forward positive.",
        "deg",
        "Michalak et al. 2009",
        _SIDE,
    ),
    (
        "head_forward_heights",
        "Head drop",
        "How far the head is ahead of the shoulders: a bowed head comes forward.",
        "heights",
        "Michalak et al. 2009",
        _SIDE,
    ),
    (
        "openness",
        "Openness",
        "Mean width of the body over its height.",
        "heights",
        "Crane & Gross 2013",
        _SIDE,
    ),
    (
        "hull_openness",
        "Hull openness",
        "Mean area of the convex hull over the squared body height.",
        "heights²",
        "Kleinsmith & Bianchi-Berthouze 2013",
        _SIDE,
    ),
    (
        "jerk_heights_per_s3",
        "Jerk",
        "Root mean square of the third derivative of the head's height, which is rough in jerky walks.",
        "heights/s³",
        "Flash & Hogan 1985",
        "as the cadence, except with a camera that shakes",
    ),
    (
        "step_regularity",
        "Step regularity",
        "Autocorrelation one step later: 1 where every step is like the one before.",
        "1",
        "Moe-Nilssen & Helbostad 2004",
        _ALL,
    ),
    (
        "stride_regularity",
        "Stride regularity",
        "Autocorrelation two steps later: 1 where every step of a foot is like its last one.",
        "1",
        "Moe-Nilssen & Helbostad 2004",
        "walks of at least four steps, silhouette known",
    ),
]
# One row a feature, by its name in code.
GAIT_FEATURES = pd.DataFrame(
    _ROWS, columns=["feature", "title", "definition", "unit", "source", "valid_when"]
).set_index("feature")
