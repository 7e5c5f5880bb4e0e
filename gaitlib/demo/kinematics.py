"""How a synthetic walker walks: the parameters of a walk, drawn by emotion, and every joint that follows.

Axes: x along the path, y to the walker's left, z up, in metres; the ground is z = 0, and the pelvis passes
x = 0 in the middle of the clip. Feet roll and swing without sliding, in a plane, as complex numbers x + iz;
knees and the height of the pelvis follow. The gait cycle of a foot runs from heel strike (0) to the next (1).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
from scipy import stats
from scipy.interpolate import CubicHermiteSpline

EMOTIONS = ("angry", "happy", "neutral", "sad")

STYLE_NAMES = (
    "cadence_steps_per_min step_length_per_leg shoulder_swing_deg elbow_flexion_deg trunk_lean_deg "
    "head_pitch_deg hip_bounce_cm thigh_range_deg lateral_sway_cm shoulder_slump_deg"
).split()
# Means of these in acted walks by motion capture (one actor), by emotion and form; sad is the mean of two
# takes that differ little. Of sway and slump Michalak et al. (2009) give directions only; sizes are a choice.
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

# Lengths as shares of body height, the segments after Drillis and Contini (1966).
UPPER_ARM, FOREARM, HAND, SHOULDER_HALF_WIDTH, HIP_TO_SHOULDER = 0.175, 0.146, 0.075, 0.105, 0.283
ANKLE_HEIGHT, HEEL_BACK, BALL_AHEAD, TOE_AHEAD = 0.045, 0.032, 0.078, 0.040
HIP_HALF_WIDTH, STEP_HALF_WIDTH = 0.052, 0.028
# The foot is flat from the first to the second of these places of the cycle. The pelvis passes over the
# planted ankle at the third, and is highest at the fourth.
FLAT_CYCLE, HEEL_OFF_CYCLE, OVER_ANKLE_CYCLE, MID_STANCE_CYCLE = 0.12, 0.30, 0.24, 0.31
# Ankle lifts tried for a walk's thigh range. Thighs between joint centres swing further than the
# marker-based ranges of the table, by about this offset.
LIFTS_M = np.linspace(0.03, 0.13, 6)
THIGH_RANGE_OFFSET_DEG = 5.0
# Delay in cycles, and the sign of y.
SIDES = {"right": (0.0, -1.0), "left": (0.5, 1.0)}


@dataclass(frozen=True)
class FromRow:
    """Parameters that stand in a row of ``truth.csv`` beside others."""

    @classmethod
    def from_row(cls, row: Mapping) -> Self:
        """Read the fields, each as the type of its default; other columns are ignored."""
        return cls(**{name: type(value)(row[name]) for name, value in asdict(cls()).items()})


@dataclass(frozen=True)
class WalkParameters(FromRow):
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


def _bounded_normal(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw normal numbers of SD 1, cut off so that nobody is a giant."""
    cut = stats.truncnorm(-2.2, 2.2)
    return cut.rvs(size, random_state=rng) / cut.std()


def _sample_walker(rng: np.random.Generator) -> tuple[dict[str, float], np.ndarray]:
    """Draw a person's body (fields of a walk) and style of walking neutrally (as `STYLE_NAMES`)."""
    # The spread is that of comfortable walks (Bohannon 1997, Age and Ageing 26, 15-19).
    speed, step, height, leg, girth, arms = _bounded_normal(rng, 6)
    height_m = 1.71 + 0.085 * height
    leg_length_m = 0.491 * height_m * (1 + 0.02 * leg)
    style = NEUTRAL_STYLE.copy()
    # Fast people take longer steps: speed and step length share most of their spread.
    style[1] *= 1 + 0.10 * (0.8 * speed + 0.6 * step)
    style[0] = 60.0 * 1.32 * (1 + 0.12 * speed) / (style[1] * leg_length_m)
    spread = np.array([0.25 * style[2], 5.0, 5.0, 5.0, 0.15 * style[6], 3.0, 0.8, 3.0])
    style[2:] += spread * _bounded_normal(rng, len(spread))
    body = {"girth_ratio": 1 + 0.08 * girth, "arm_abduction_deg": 8 + 2.5 * arms}
    return body | {"height_m": height_m, "leg_length_m": leg_length_m}, style


def fastest_speed_m_per_s(alpha: float) -> float:
    """Return a speed that no sampled walk exceeds: cameras are framed for it, whatever the emotion."""
    return round(1.72 + 0.72 * max(alpha, 0.0), 3)


def sample_walk(
    emotion: str, alpha: float, walker_rng: np.random.Generator, rng: np.random.Generator
) -> tuple[str, WalkParameters]:
    """Draw one take, walker + alpha x (acted - neutral) + take noise, and the form of the acted emotion.

    `walker_rng` draws the person. Values are rounded, so that a CSV file holds them exactly.
    """
    form = str(rng.choice(list(ACTED_STYLES[emotion])))
    body, own_style = _sample_walker(walker_rng)
    take_noise = TAKE_SD * _bounded_normal(rng, len(TAKE_SD))
    drawn = own_style + alpha * (np.array(ACTED_STYLES[emotion][form]) - NEUTRAL_STYLE) + take_noise
    style = dict(zip(STYLE_NAMES, np.clip(drawn, STYLE_MIN, STYLE_MAX), strict=True))
    longest_step_m = 60.0 * fastest_speed_m_per_s(alpha) / style["cadence_steps_per_min"]
    step_length_m = min(style.pop("step_length_per_leg") * body["leg_length_m"], longest_step_m - 1e-5)
    values = {**body, **style, "step_length_m": step_length_m, "start_cycle": rng.random()}
    return form, WalkParameters(**{name: round(float(value), 6) for name, value in values.items()})


def _foot(walk: WalkParameters, cycles: np.ndarray, lift_m: float) -> dict[str, np.ndarray]:
    """Move a foot, lifted so far in mid-swing; strike 0 plants the flat foot's ankle at x = 0."""
    strike = np.floor(cycles)
    cycle, stride_m = cycles - strike, 2 * walk.step_length_m
    # Slow walkers stand longer; longer steps roll more, and the root keeps some roll in short ones.
    toe_off = float(np.clip(0.62 + 0.06 * (1.3 - walk.speed_m_per_s), 0.57, 0.68))
    stretch = float(np.sqrt(np.clip(walk.step_length_m / walk.leg_length_m / 0.84, 0.4, 1.3)))
    # The sole's pitch (toes up) and its slope at strike, flat, heel-off, toe-off and strike.
    places = np.array([0.0, FLAT_CYCLE, HEEL_OFF_CYCLE, toe_off, 1.0])
    pitches, slopes = np.radians(stretch * np.array([[20, 0, 0, -55, 20], [-120, 0, 0, -200, -120]]))
    pitch = CubicHermiteSpline(places, pitches, slopes)(cycle)
    ends, turned = _rolling_ankle(pitches[3:], walk.height_m)
    swing = CubicHermiteSpline(places[3:], ends + [0, stride_m], 1j * turned * slopes[3:])(cycle)
    swing_share = np.clip((cycle - places[3]) / (1 - places[3]), 0.0, 1.0)
    swing += 1j * lift_m * np.sin(np.pi * swing_share) ** 2
    planted, _ = _rolling_ankle(pitch, walk.height_m)
    ankle = np.where(swing_share > 0, swing, planted) + stride_m * strike
    sole = walk.height_m * np.exp(1j * pitch)
    ball = ankle + (BALL_AHEAD - 1j * ANKLE_HEIGHT) * sole
    # The toes are flat while the heel lifts, then go with the sole as far as the ground allows.
    lowest = -np.arcsin(np.clip(ball.imag / walk.height_m / TOE_AHEAD, 0.0, 1.0))
    toe_pitch = np.maximum(np.clip(3 * swing_share, 0, 1) * pitch, lowest)
    toe = ball + TOE_AHEAD * walk.height_m * np.exp(1j * np.where(pitch > 0, pitch, toe_pitch))
    return {"ankle": ankle, "heel": ankle - (HEEL_BACK + 1j * ANKLE_HEIGHT) * sole, "ball": ball, "toe": toe}


def _rolling_ankle(pitch: np.ndarray, height_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Place the ankle of a foot that rolls over its heel (pitch > 0) or ball; and its way from there."""
    pivot = np.where(pitch > 0, -HEEL_BACK, BALL_AHEAD) * height_m
    turned = (1j * ANKLE_HEIGHT * height_m - pivot) * np.exp(1j * pitch)
    return pivot + turned, turned


def _pelvis(walk: WalkParameters, cycles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Move the pelvis around a constant height, and the right hip joint around the pelvis."""
    turn = 2 * np.pi * cycles
    from_mid = turn - 2 * np.pi * MID_STANCE_CYCLE
    x_m = 2 * walk.step_length_m * (cycles - OVER_ANKLE_CYCLE)
    y_m = -walk.lateral_sway_cm / 200.0 * np.cos(from_mid)
    z_m = walk.hip_bounce_cm / 200.0 * np.cos(2 * from_mid)
    # The hip moves forward with its leg, and the hip over the standing leg is the higher one.
    yaw, roll = np.radians(8.0) * np.cos(turn), np.radians(3.0) * np.cos(from_mid)
    hip = np.stack([np.sin(yaw), -np.cos(yaw), np.sin(roll)], axis=-1) * HIP_HALF_WIDTH * walk.height_m
    return np.stack([x_m, y_m, z_m], axis=-1), hip


def _leg(walk: WalkParameters, cycles: np.ndarray, lift_m: float, side: str) -> dict[str, np.ndarray]:
    """Place a foot's joints and the hip of its side, which moves around z = 0."""
    delay, sign = SIDES[side]
    shift = [-2 * walk.step_length_m * delay, sign * STEP_HALF_WIDTH * walk.height_m, 0.0]
    foot = _foot(walk, cycles + delay, lift_m)
    points = {name: np.stack([at.real, 0 * at.real, at.imag], axis=-1) + shift for name, at in foot.items()}
    centre, right_hip = _pelvis(walk, cycles)
    return points | {"hip": centre - sign * right_hip}


def _knee(hip_m: np.ndarray, ankle_m: np.ndarray, bone_m: float) -> np.ndarray:
    """Bend the knee forward so that two equal bones join hip and ankle."""
    along = ankle_m - hip_m
    distance = np.linalg.norm(along, axis=-1, keepdims=True)
    forward = np.array([1.0, 0.0, 0.0]) - along * along[:, :1] / distance**2
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    bend = np.sqrt(np.maximum(bone_m**2 - (distance / 2) ** 2, 0.0))
    return (hip_m + ankle_m) / 2 + bend * forward


def _height_and_range(walk: WalkParameters, lift_m: float) -> tuple[float, float]:
    """Greatest height of the pelvis (m) at which no leg overstretches; range of the thigh then (deg)."""
    leg = _leg(walk, np.arange(240) / 240.0, lift_m, "right")
    ankle, hip = leg["ankle"], leg["hip"]
    room = (0.995 * walk.leg_length_m) ** 2 - np.sum((ankle - hip)[:, :2] ** 2, axis=-1)
    # A counterfactual step far beyond the legs' reach would leave nothing to stand on.
    reach = np.sqrt(np.maximum(room, (0.25 * walk.leg_length_m) ** 2))
    height_m = float(np.min(ankle[:, 2] + reach - hip[:, 2]))
    hip = hip + [0.0, 0.0, height_m]
    thigh = _knee(hip, ankle, walk.leg_length_m / 2) - hip
    return height_m, float(np.ptp(np.degrees(np.arctan2(thigh[:, 0], -thigh[:, 2]))))


def _legs(walk: WalkParameters, cycles: np.ndarray) -> dict[str, np.ndarray]:
    """Place the pelvis and the joints of both legs, with the lift that comes nearest to the thigh range."""
    ranges = [_height_and_range(walk, float(lift))[1] for lift in LIFTS_M]
    wanted = walk.thigh_range_deg + THIGH_RANGE_OFFSET_DEG
    lift_m = float(np.interp(wanted, np.maximum.accumulate(ranges), LIFTS_M))
    raised = np.array([0.0, 0.0, _height_and_range(walk, lift_m)[0]])
    joints = {"pelvis": _pelvis(walk, cycles)[0] + raised}
    for side in SIDES:
        leg = _leg(walk, cycles, lift_m, side)
        leg["hip"] = leg["hip"] + raised
        leg["knee"] = _knee(leg["hip"], leg["ankle"], walk.leg_length_m / 2)
        joints |= {f"{side}_{name}": place for name, place in leg.items()}
    return joints


def _sagittal(angle_rad: np.ndarray, abduction_rad: float = 0.0) -> np.ndarray:
    """Return unit vectors hanging down, swung forward by an angle and then out to the left."""
    down = np.cos(angle_rad)
    return np.stack([np.sin(angle_rad), down * np.sin(abduction_rad), -down * np.cos(abduction_rad)], axis=-1)


def _upward(lean_rad: float) -> np.ndarray:
    """Return the unit vector that points up and leans forward by an angle, of shape (3,)."""
    return np.array([np.sin(lean_rad), 0.0, np.cos(lean_rad)])


def _trunk(walk: WalkParameters, pelvis: np.ndarray) -> dict[str, np.ndarray]:
    """Stack waist, chest and neck on the pelvis, and the head on them."""
    lean, slump = np.radians(walk.trunk_lean_deg), np.radians(walk.shoulder_slump_deg)
    pitch = np.radians(walk.head_pitch_deg + 9.0)
    # What the body has above the legs; the long-legged have short trunks.
    trunk_m = HIP_TO_SHOULDER * walk.height_m + 0.5 * (0.491 * walk.height_m - walk.leg_length_m)
    waist = pelvis + _upward(lean - slump / 2) * (0.40 * trunk_m)
    chest = waist + _upward(lean + slump / 3) * (0.60 * trunk_m)
    neck_lean = 0.6 * lean + slump + 0.45 * pitch + np.radians(12.0)
    neck = chest + _upward(neck_lean) * (0.05 * walk.height_m)
    forward, upward = walk.height_m * _upward(pitch + np.pi / 2), walk.height_m * _upward(pitch)
    skull = neck + 0.075 * walk.height_m * _upward(0.7 * pitch) + 0.012 * forward
    return {
        "waist": waist,
        "chest": chest,
        "neck": neck,
        "skull": skull,
        "face": skull + 0.012 * forward - 0.010 * upward,
        "chin": skull + 0.026 * forward - 0.047 * upward,
        "nose": skull + 0.060 * forward - 0.014 * upward,
        "hair": skull - 0.007 * forward + 0.010 * upward,
        "nape": skull - 0.024 * forward - 0.022 * upward,
    }


def _arm(walk: WalkParameters, cycles: np.ndarray, chest: np.ndarray, side: str) -> dict[str, np.ndarray]:
    """Swing one arm against the leg of the same side."""
    _, sign = SIDES[side]
    # Cycles count from the right heel strike, when the left arm is in front.
    swing = sign * np.cos(2 * np.pi * (cycles - 0.03))
    elbow_change = min(0.16 * walk.shoulder_swing_deg, walk.elbow_flexion_deg - 2.0)
    upper_rad = np.radians(walk.shoulder_swing_deg / 2 * swing - 3.0 - 0.08 * walk.elbow_flexion_deg)
    fore_rad = upper_rad + np.radians(walk.elbow_flexion_deg + elbow_change * swing)
    yaw = np.radians(2.0 + 0.07 * walk.shoulder_swing_deg) * swing
    slump_m = 0.0006 * walk.shoulder_slump_deg * walk.height_m
    across = np.stack([np.sin(yaw), sign * np.cos(yaw), np.full(len(yaw), -0.06)], axis=-1)
    shoulder = chest + across * SHOULDER_HALF_WIDTH * walk.height_m + [slump_m, 0, -slump_m / 2]
    abduction = sign * np.radians(walk.arm_abduction_deg)
    elbow = shoulder + _sagittal(upper_rad, abduction) * UPPER_ARM * walk.height_m
    wrist = elbow + _sagittal(fore_rad, abduction * 0.2) * FOREARM * walk.height_m
    hand = wrist + _sagittal(fore_rad + 0.15) * HAND * walk.height_m
    joints = {"shoulder": shoulder, "elbow": elbow, "wrist": wrist, "hand": hand}
    return {f"{side}_{name}": place for name, place in joints.items()}


def pose_walker(walk: WalkParameters, seconds: np.ndarray) -> dict[str, np.ndarray]:
    """Place every joint at times of shape (num_frames,): joint name to metres, shape (num_frames, 3)."""
    cycles = seconds * walk.cadence_steps_per_min / 120.0 + walk.start_cycle
    middle = np.array([2 * walk.step_length_m * (walk.start_cycle - OVER_ANKLE_CYCLE), 0.0, 0.0])
    joints = {name: place - middle for name, place in _legs(walk, cycles).items()}
    joints |= _trunk(walk, joints["pelvis"])
    for side in SIDES:
        joints |= _arm(walk, cycles, joints["chest"], side)
    return joints
