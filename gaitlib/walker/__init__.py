"""Find the walking person in pictures, without downloaded weights, and cut a steady square around them."""

from gaitlib.walker.finding import WalkerTrack, cut_crops, find_walker

__all__ = ["WalkerTrack", "cut_crops", "find_walker"]
