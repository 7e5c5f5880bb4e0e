"""From the timestamps that a video carries to times that run forward, whatever their faults."""

from array import array
from collections import deque

import numpy as np

MAX_GAP_SECONDS = 10.0
_MAX_STEPS_KEPT = 10_000
_ASSUMED_RATE_HZ = 25.0
_MIN_STEP_SECONDS = 0.9e-3  # of more than 1000 pictures a second none is believed
# Pictures missing within are told if a gap lasts so long, or of a steady video so many are missing.
_GAP_SECONDS = 0.25
_GAP_STEPS = 4
_MISSING_SHARE = 0.05


class Timeline:
    """Give each picture of a video its time, in seconds from the first picture.

    Timestamps are taken as they are while they run forward. A picture without one, or with one that
    runs back, stands still (less than a millisecond on) or jumps by more than 10 s, is placed one
    picture's length after the one before; the timestamps that follow go on from there, or from where
    they were if only that one was astray.

    Parameters
    ----------
    nominal_rate_hz : float or None
        Pictures a second by the header; used only until two timestamps are known.

    Examples
    --------
    >>> timeline = Timeline(10.0)
    >>> [round(timeline.place(seconds), 3) for seconds in (5.0, 5.1, 99.0, 5.3)]
    [0.0, 0.1, 0.2, 0.3]
    """

    def __init__(self, nominal_rate_hz: float | None = None) -> None:
        self.num_missing = 0
        self.num_backward = 0
        self.num_jumps = 0
        self.left_out_seconds = 0.0
        self._num_placed = 0
        self._num_steady = 0
        self._num_missing_within = 0
        self._longest_gap = 0.0
        self._steps = array("d")
        self._recent: deque[float] = deque(maxlen=8)
        is_sane = nominal_rate_hz is not None and 1 <= nominal_rate_hz <= 1000
        self._step = 1 / (nominal_rate_hz if is_sane and nominal_rate_hz else _ASSUMED_RATE_HZ)
        self._time = 0.0
        self._stamp: float | None = None  # of the picture before, None before the first
        self._expected: float | None = None  # what it would have been, had it not been astray

    def place(self, stamp: float | None) -> float:
        """Return the time of the next picture.

        Parameters
        ----------
        stamp : float or None
            Its timestamp in seconds; None if it has none.

        Returns
        -------
        float
            Seconds from the first picture; later than that of the picture before.
        """
        self._num_placed += 1
        if stamp is None:
            self.num_missing += 1
        if self._stamp is None:
            self._stamp = 0.0 if stamp is None else stamp
            return self._time
        if stamp is None:
            return self._go_on(self._stamp + self._step, None, self._step)
        step = self._best_step(stamp)
        if _MIN_STEP_SECONDS < step <= MAX_GAP_SECONDS:
            self._keep(step)
            return self._go_on(stamp, None, step)
        self.num_backward += step <= _MIN_STEP_SECONDS
        self.num_jumps += step > _MIN_STEP_SECONDS
        self.left_out_seconds += max(0.0, step - self._step)
        before = self._stamp if self._expected is None else self._expected
        return self._go_on(stamp, before + self._step, self._step)

    def step_seconds(self) -> float:
        """Return the usual time from a picture to the next: the mean of steps near the median."""
        if not self._steps:
            return self._step
        steps = np.array(self._steps)
        median = np.quantile(steps, 0.5, method="lower")  # one of them, so that some are near it
        # The mean of the usual steps: containers round stamps, and 1/30 s becomes 33, 33, 34 ms.
        return float(steps[np.abs(steps - median) <= 0.25 * median].mean())

    def end_seconds(self) -> float:
        """Return when the last picture leaves the screen."""
        return self._time + self.step_seconds()

    def notes(self) -> list[str]:
        """Return one sentence for each kind of fault that was met."""
        # Decoders give the last pictures of some AVI files without a stamp, which is no fault.
        num_missing = self.num_missing if self.num_missing > min(16, self._num_placed / 2) else 0
        faults = (
            (num_missing, "without a timestamp", "placed by the usual rate"),
            (
                self.num_backward,
                "with a timestamp that does not run forward",
                "placed after the one before",
            ),
            (
                self.num_jumps,
                f"after a jump of more than {MAX_GAP_SECONDS:g} s",
                "the gap is left out",
            ),
        )
        notes = [f"Pictures {fault}: {number} ({cure})." for number, fault, cure in faults if number]
        return notes + self._gap_notes()

    def _gap_notes(self) -> list[str]:
        """Return a sentence on pictures lost within a video that is otherwise steady."""
        num_steps = max(1, self._num_placed - 1)
        is_much = self._num_missing_within > _MISSING_SHARE * num_steps
        is_long = self._longest_gap > max(_GAP_SECONDS, _GAP_STEPS * self.step_seconds())
        steady_share = self._num_steady / num_steps
        if not (is_much and steady_share >= 0.8) and not (is_long and steady_share >= 0.5):
            return []
        return [
            f"Gaps: about {self._num_missing_within} pictures are missing within, the longest gap lasts "
            f"{self._longest_gap:.1f} s (the picture before stays on)."
        ]

    def _best_step(self, stamp: float) -> float:
        """Return the step from the picture before, by its stamp or the expected one."""
        steps = [stamp - known for known in (self._stamp, self._expected) if known is not None]
        forward = [step for step in steps if step > 0]
        return min(forward or steps, key=lambda step: abs(step - self._step))

    def _keep(self, step: float) -> None:
        if len(self._steps) < _MAX_STEPS_KEPT:
            self._steps.append(step)
        num_steps = round(step / self._step)
        self._num_steady += abs(step / self._step - 1) <= 0.25
        if num_steps > 1 and self._recent:
            self._num_missing_within += num_steps - 1
            self._longest_gap = max(self._longest_gap, step)
        self._step = sorted((*self._recent, step))[len(self._recent) // 2]
        self._recent.append(step)

    def _go_on(self, stamp: float, expected: float | None, step: float) -> float:
        self._stamp, self._expected = stamp, expected
        self._time += step
        return self._time
