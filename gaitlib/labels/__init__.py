"""Who shows what: folders, CSV manifests and rating sheets become one table of labelled videos."""

from gaitlib.labels.finding import LabelledVideos, find_videos, is_video_name, list_videos, read_labels
from gaitlib.labels.naming import check_emotions, check_enough_walkers, inspect_labels
from gaitlib.labels.ratings import rater_agreement
from gaitlib.labels.tables import normal_name

__all__ = [
    "LabelledVideos",
    "check_emotions",
    "check_enough_walkers",
    "find_videos",
    "inspect_labels",
    "is_video_name",
    "list_videos",
    "normal_name",
    "rater_agreement",
    "read_labels",
]
