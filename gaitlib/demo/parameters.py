"""Who walks, and how: the named numbers behind each synthetic walk.

Everything here is synthetic. A walk is a walker's own style plus a share of what an acted emotion
adds to a neutral walk, plus what differs from take to take.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

EMOTIONS = ("angry", "happy", "neutral", "sad")
FORMS = {
    "angry": ("hot", "cold"),
    "happy": ("low_elbow", "high_elbow"),
    "neutral": ("plain",),
    "sad": ("plain",),
}
DEFAULT_ALPHA = 0.6

# Rows of the tables below, in this order.
STYLE_NAMES = (
    "cadence_steps_per_min",
    "step_length_per_leg",
    "shoulder_swing_deg",
    "elbow_flexion_deg",
    "trunk_lean_deg",
    "head_pitch_deg",
    "hip_bounce_cm",
    "thigh_range_deg",
    "lateral_sway_cm",
    "shoulder_slump_deg",
)
# Means of acted walks by motion capture (one actor). The last two columns, sway and slump, carry
# only the directions reported by Michalak et al. (2009); their sizes are a choice.
ACTED_STYLES = {
    ("neutral", "plain"): (113.0, 0.84, 49.0, 15.0, -1.0, -9.0, 3.4, 43.0, 3.5, 0.0),
    ("happy", "low_elbow"): (120.0, 0.86, 85.0, 22.0, 3.0, -11.0, 9.9, 46.0, 3.5, -3.0),
    ("happy", "high_elbow"): (133.0, 0.81, 88.0, 106.0, 5.0, -8.0, 10.4, 40.0, 3.5, -3.0),
    ("angry", "hot"): (150.0, 0.95, 103.0, 58.0, 12.0, 12.0, 5.3, 51.0, 3.5, 0.0),
    ("angry", "cold"): (106.0, 0.73, 35.0, 29.0, 8.0, 9.0, 2.3, 41.0, 3.5, 0.0),
    # Mean of two takes that differ little.
    ("sad", "plain"): (69.5, 0.555, 15.5, 17.5, 2.5, 4.0, 1.45, 35.0, 5.5, 8.0),
}
TAKE_SD = np.array([3.0, 0.023, 4.0, 1.0, 1.0, 2.0, 0.4, 1.0, 0.3, 1.0])
STYLE_MIN = np.array([50.0, 0.30, 4.0, 3.0, -25.0, -40.0, 0.8, 15.0, 0.5, -15.0])
STYLE_MAX = np.array([190.0, 1.10, 130.0, 125.0, 35.0, 45.0, 12.0, 75.0, 12.0, 30.0])

WALKER_SPEED_M_PER_S = 1.32
WALKER_SPEED_SD_RATIO = 0.12
WALKER_STEP_SD_RATIO = 0.10
LEG_PER_HEIGHT = 0.491
# SD of a normal distribution cut off at +-2.2.
CUT_AT, CUT_NORMAL_SD = 2.2, 0.916


@dataclass(frozen=True)
class WalkParameters:
    """One synthetic walk.

    Parameters
    ----------
    height_m, leg_length_m : float
        Body height, and hip joint to ankle joint, in metres.
    girth_ratio : float
        Thickness of the limbs, 1 for the average.
    cadence_steps_per_min : float
        Steps of either foot a minute.
    step_length_m : float
        Distance from one foot to the next along the path, in metres.
    shoulder_swing_deg : float
        Swing of the upper arm, peak to peak.
    elbow_flexion_deg : float
        Mean elbow flexion, 0 for a straight arm.
    trunk_lean_deg, head_pitch_deg : float
        Forward lean of the trunk; pitch of the head, positive looking down. A head pitch of -9, the
        mean of neutral walks, is drawn as a level gaze.
    hip_bounce_cm, lateral_sway_cm : float
        Travel of the pelvis up and down, and from side to side, peak to peak.
    thigh_range_deg : float
        Range of the thigh's angle that the lift of the swing leg aims at.
    shoulder_slump_deg : float
        How far the upper back rounds forward.
    arm_abduction_deg : float
        How far the arms stand off the body.
    start_cycle : float
        Place in the gait cycle at the first frame, 0 to 1.

    Examples
    --------
    >>> walk = WalkParameters(cadence_steps_per_min=120.0, step_length_m=0.6)
    >>> walk.speed_m_per_s
    1.2
    """

    height_m: float = 1.72
    leg_length_m: float = 0.845
    girth_ratio: float = 1.0
    cadence_steps_per_min: float = 113.0
    step_length_m: float = 0.70
    shoulder_swing_deg: float = 49.0
    elbow_flexion_deg: float = 15.0
    trunk_lean_deg: float = -1.0
    head_pitch_deg: float = -9.0
    hip_bounce_cm: float = 3.4
    lateral_sway_cm: float = 3.5
    thigh_range_deg: float = 43.0
    shoulder_slump_deg: float = 0.0
    arm_abduction_deg: float = 8.0
    start_cycle: float = 0.0

    @property
    def speed_m_per_s(self) -> float:
        """Walking speed in metres a second: cadence times step length."""
        return self.cadence_steps_per_min / 60.0 * self.step_length_m

    @property
    def stride_seconds(self) -> float:
        """Duration of one gait cycle, two steps, in seconds."""
        return 120.0 / self.cadence_steps_per_min

    def with_speed(self, speed_m_per_s: float) -> WalkParameters:
        """Return the same walk at another speed, cadence and step length sharing the change.

        Parameters
        ----------
        speed_m_per_s : float
            The speed wanted, in metres a second.

        Returns
        -------
        WalkParameters
        """
        share = float(np.sqrt(speed_m_per_s / self.speed_m_per_s))
        return dataclasses.replace(
            self,
            cadence_steps_per_min=self.cadence_steps_per_min * share,
            step_length_m=self.step_length_m * share,
        )

    @classmethod
    def from_row(cls, row: Mapping) -> WalkParameters:
        """Read the fields from a row of ``truth.csv``; its other columns are ignored."""
        return cls(**{field.name: float(row[field.name]) for field in dataclasses.fields(cls)})


@dataclass(frozen=True)
class Walker:
    """A person: the body, and the style of that person's neutral walk.

    Parameters
    ----------
    height_m, leg_length_m, girth_ratio, arm_abduction_deg : float
        As in `WalkParameters`.
    style : ndarray of shape (10,), float
        The person's neutral values in the order of `STYLE_NAMES`.
    """

    height_m: float
    leg_length_m: float
    girth_ratio: float
    arm_abduction_deg: float
    style: np.ndarray


def _bounded_normal(generator: np.random.Generator, size: int) -> np.ndarray:
    """Draw normal numbers of SD 1 without extremes, shape (size,): nobody is a giant."""
    tries = generator.standard_normal((size, 16))
    first_inside = np.argmax(np.abs(tries) < CUT_AT, axis=1)
    return tries[np.arange(size), first_inside] / CUT_NORMAL_SD


def sample_walker(generator: np.random.Generator) -> Walker:
    """Draw a person from the spread of comfortable walks.

    Parameters
    ----------
    generator : numpy.random.Generator
        Source of chance.

    Returns
    -------
    Walker

    References
    ----------
    Bohannon (1997), Age and Ageing 26, 15-19: comfortable speeds of 230 adults.
    """
    speed, step, height, leg, girth, arms = _bounded_normal(generator, 6)
    height_m = 1.71 + 0.085 * height
    leg_length_m = LEG_PER_HEIGHT * height_m * (1 + 0.02 * leg)
    style = np.array(ACTED_STYLES["neutral", "plain"])
    # Fast people take longer steps: speed and step length share most of their spread.
    style[1] *= 1 + WALKER_STEP_SD_RATIO * (0.8 * speed + 0.6 * step)
    speed_m_per_s = WALKER_SPEED_M_PER_S * (1 + WALKER_SPEED_SD_RATIO * speed)
    style[0] = 60.0 * speed_m_per_s / (style[1] * leg_length_m)
    spread = np.array([0.25 * style[2], 5.0, 5.0, 5.0, 0.15 * style[6], 3.0, 0.8, 3.0])
    style[2:] += spread * _bounded_normal(generator, len(spread))
    return Walker(height_m, leg_length_m, 1 + 0.08 * girth, 8 + 2.5 * arms, style)


def emotion_effect(emotion: str, form: str) -> np.ndarray:
    """Return what an acted emotion adds to the neutral style, in the order of `STYLE_NAMES`.

    Parameters
    ----------
    emotion, form : str
        A key of `FORMS` and one of its values.

    Returns
    -------
    ndarray of shape (10,), float
    """
    return np.array(ACTED_STYLES[emotion, form]) - np.array(ACTED_STYLES["neutral", "plain"])


def fastest_speed_m_per_s(alpha: float) -> float:
    """Return a speed that no sampled walk exceeds, whatever its emotion.

    Parameters
    ----------
    alpha : float
        Share of the acted emotion.

    Returns
    -------
    float
        Metres a second. Cameras are framed for it, so that framing says nothing of the emotion.
    """
    return round(1.72 + 0.72 * max(alpha, 0.0), 3)


def sample_walk(
    walker: Walker, emotion: str, form: str, alpha: float, generator: np.random.Generator
) -> WalkParameters:
    """Draw one take: walker + alpha x (acted - neutral) + what differs between takes.

    Parameters
    ----------
    walker : Walker
        Who walks.
    emotion, form : str
        A key of `FORMS` and one of its values.
    alpha : float
        Share of the acted effect; 1 is acting, about 0.25 a felt emotion.
    generator : numpy.random.Generator
        Source of chance.

    Returns
    -------
    WalkParameters
        Values rounded to six decimals, so that a CSV file holds them exactly.
    """
    take_noise = TAKE_SD * _bounded_normal(generator, len(TAKE_SD))
    style = walker.style + alpha * emotion_effect(emotion, form) + take_noise
    style = dict(zip(STYLE_NAMES, np.clip(style, STYLE_MIN, STYLE_MAX), strict=True))
    longest_step_m = 60.0 * fastest_speed_m_per_s(alpha) / style["cadence_steps_per_min"]
    step_length_m = style.pop("step_length_per_leg") * walker.leg_length_m
    values = {
        "height_m": walker.height_m,
        "leg_length_m": walker.leg_length_m,
        "girth_ratio": walker.girth_ratio,
        "arm_abduction_deg": walker.arm_abduction_deg,
        "step_length_m": min(step_length_m, longest_step_m - 1e-5),
        "start_cycle": generator.random(),
        **style,
    }
    return WalkParameters(**{name: round(float(value), 6) for name, value in values.items()})
