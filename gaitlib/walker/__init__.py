"""Find the walking person in pictures, without downloaded weights, and cut a steady square around them."""

from gaitlib.walker.crops import cut_crops
from gaitlib.walker.finding import WalkerTrack, find_walker
from gaitlib.walker.foreground import Background

__all__ = ["Background", "WalkerTrack", "cut_crops", "find_walker"]
