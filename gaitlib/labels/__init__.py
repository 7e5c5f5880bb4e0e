"""Who shows what: folders, CSV manifests and rating sheets become one table of labelled videos."""

from gaitlib.labels.finding import LabelledVideos, find_videos, list_videos
from gaitlib.labels.naming import check_emotions, check_enough_walkers, inspect_labels
from gaitlib.labels.tables import file_keys, match_files, normal_name, read_labels

__all__ = [
    "LabelledVideos",
    "check_emotions",
    "check_enough_walkers",
    "file_keys",
    "find_videos",
    "inspect_labels",
    "list_videos",
    "match_files",
    "normal_name",
    "read_labels",
]
