"""Senses beside the picture: the sound of the steps, motion sensors, heart and skin, and what they add."""

from gaitlib.senses.fusion import TOGETHER, fit_senses, gain_of_each, judge_senses, order_leak, senses_of
from gaitlib.senses.measuring import SENSE_PARAMETERS
from gaitlib.senses.recordings import Recording, read_recording, read_sound
from gaitlib.senses.walks import find_walks, measure_walk, measure_walks, recording_beside, with_recordings
