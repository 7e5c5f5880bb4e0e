"""Who walks, and how: the walker's own style, a share of an acted emotion, and what differs between takes."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import stats

EMOTIONS = ("angry", "happy", "neutral", "sad")

# Columns of the tables below.
STYLE_NAMES = (
    "cadence_steps_per_min step_length_per_leg shoulder_swing_deg elbow_flexion_deg trunk_lean_deg "
    "head_pitch_deg hip_bounce_cm thigh_range_deg lateral_sway_cm shoulder_slump_deg"
).split()
# Means of acted walks by motion capture (one actor), by emotion and form; sad is the mean of two takes that
# differ little. The last two columns, sway and slump, carry only the directions reported by Michalak et al.
# (2009); their sizes are a choice.
ACTED_STYLES = {
    "neutral": {"plain": (113.0, 0.84, 49.0, 15.0, -1.0, -9.0, 3.4, 43.0, 3.5, 0.0)},
    "happy": {
        "low_elbow": (120.0, 0.86, 85.0, 22.0, 3.0, -11.0, 9.9, 46.0, 3.5, -3.0),
        "high_elbow": (133.0, 0.81, 88.0, 106.0, 5.0, -8.0, 10.4, 40.0, 3.5, -3.0),
    },
    "angry": {
        "hot": (150.0, 0.95, 103.0, 58.0, 12.0, 12.0, 5.3, 51.0, 3.5, 0.0),
        "cold": (106.0, 0.73, 35.0, 29.0, 8.0, 9.0, 2.3, 41.0, 3.5, 0.0),
    },
    "sad": {"plain": (69.5, 0.555, 15.5, 17.5, 2.5, 4.0, 1.45, 35.0, 5.5, 8.0)},
}
NEUTRAL_STYLE = np.array(ACTED_STYLES["neutral"]["plain"])
TAKE_SD = np.array([3.0, 0.023, 4.0, 1.0, 1.0, 2.0, 0.4, 1.0, 0.3, 1.0])
STYLE_MIN = np.array([50.0, 0.30, 4.0, 3.0, -25.0, -40.0, 0.8, 15.0, 0.5, -15.0])
STYLE_MAX = np.array([190.0, 1.10, 130.0, 125.0, 35.0, 45.0, 12.0, 75.0, 12.0, 30.0])

# Draws are cut off here, in standard deviations: nobody is a giant.
CUT_AT = 2.2


@dataclass(frozen=True)
class WalkParameters:
    """One synthetic walk; ranges and travels are peak to peak."""

    height_m: float = 1.72
    leg_length_m: float = 0.845  # hip joint to ankle joint
    girth_ratio: float = 1.0  # thickness of the limbs, 1 for the average
    cadence_steps_per_min: float = 113.0  # steps of either foot
    step_length_m: float = 0.70  # from one foot to the next along the path
    shoulder_swing_deg: float = 49.0  # range of the upper arm
    elbow_flexion_deg: float = 15.0  # mean, 0 for a straight arm
    trunk_lean_deg: float = -1.0  # forwards
    head_pitch_deg: float = -9.0  # down; -9, the mean of neutral walks, is drawn as a level gaze
    hip_bounce_cm: float = 3.4  # travel of the pelvis up and down
    lateral_sway_cm: float = 3.5  # travel of the pelvis from side to side
    thigh_range_deg: float = 43.0  # what the lift of the swing leg aims at
    shoulder_slump_deg: float = 0.0  # how far the upper back rounds forward
    arm_abduction_deg: float = 8.0  # how far the arms stand off the body
    start_cycle: float = 0.0  # place in the gait cycle at time 0, from 0 to 1

    @property
    def speed_m_per_s(self) -> float:
        """Walking speed: cadence times step length."""
        return self.cadence_steps_per_min / 60.0 * self.step_length_m

    def with_speed(self, speed_m_per_s: float) -> Self:
        """Return the same walk at another speed, cadence and step length sharing the change."""
        share = float(np.sqrt(speed_m_per_s / self.speed_m_per_s))
        cadence, step_length_m = self.cadence_steps_per_min * share, self.step_length_m * share
        return dataclasses.replace(self, cadence_steps_per_min=cadence, step_length_m=step_length_m)

    @classmethod
    def from_row(cls, row: Mapping) -> Self:
        """Read the fields from a row of ``truth.csv``; its other columns are ignored."""
        return cls(**{field.name: float(row[field.name]) for field in dataclasses.fields(cls)})


def _bounded_normal(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw normal numbers of SD 1 without extremes, shape (size,)."""
    cut = stats.truncnorm(-CUT_AT, CUT_AT)
    return cut.rvs(size, random_state=rng) / cut.std()


def sample_walker(rng: np.random.Generator) -> tuple[dict[str, float], np.ndarray]:
    """Draw a person's body (fields of a walk) and style of walking neutrally (as `STYLE_NAMES`).

    The spread is that of comfortable walks (Bohannon 1997, Age and Ageing 26, 15-19).
    """
    speed, step, height, leg, girth, arms = _bounded_normal(rng, 6)
    height_m = 1.71 + 0.085 * height
    leg_length_m = 0.491 * height_m * (1 + 0.02 * leg)
    style = NEUTRAL_STYLE.copy()
    # Fast people take longer steps: speed and step length share most of their spread.
    style[1] *= 1 + 0.10 * (0.8 * speed + 0.6 * step)
    speed_m_per_s = 1.32 * (1 + 0.12 * speed)
    style[0] = 60.0 * speed_m_per_s / (style[1] * leg_length_m)
    spread = np.array([0.25 * style[2], 5.0, 5.0, 5.0, 0.15 * style[6], 3.0, 0.8, 3.0])
    style[2:] += spread * _bounded_normal(rng, len(spread))
    body = {"height_m": height_m, "leg_length_m": leg_length_m}
    return body | {"girth_ratio": 1 + 0.08 * girth, "arm_abduction_deg": 8 + 2.5 * arms}, style


def fastest_speed_m_per_s(alpha: float) -> float:
    """Return a speed that no sampled walk exceeds: cameras are framed for it, whatever the emotion."""
    return round(1.72 + 0.72 * max(alpha, 0.0), 3)


def sample_walk(
    walker: tuple[dict[str, float], np.ndarray], acted: tuple, alpha: float, rng: np.random.Generator
) -> WalkParameters:
    """Draw one take: walker + alpha x (acted - neutral) + what differs between takes.

    `acted` is a row of `ACTED_STYLES`. Values are rounded, so that a CSV file holds them exactly.
    """
    body, own_style = walker
    take_noise = TAKE_SD * _bounded_normal(rng, len(TAKE_SD))
    drawn = own_style + alpha * (np.array(acted) - NEUTRAL_STYLE) + take_noise
    style = dict(zip(STYLE_NAMES, np.clip(drawn, STYLE_MIN, STYLE_MAX), strict=True))
    longest_step_m = 60.0 * fastest_speed_m_per_s(alpha) / style["cadence_steps_per_min"]
    step_length_m = min(style.pop("step_length_per_leg") * body["leg_length_m"], longest_step_m - 1e-5)
    values = {**body, **style, "step_length_m": step_length_m, "start_cycle": rng.random()}
    return WalkParameters(**{name: round(float(value), 6) for name, value in values.items()})
