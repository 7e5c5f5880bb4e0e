"""Who shows what: folders, CSV manifests and rating sheets become one table of labelled videos."""

from gaitlib.labels.finding import (
    LabelledVideos,
    check_emotions,
    find_videos,
    list_videos,
    read_labels,
    read_raters,
)
from gaitlib.labels.ratings import rater_agreement
from gaitlib.labels.tables import escape_cell
from gaitlib.labels.walkers import join_spellings

__all__ = [
    "LabelledVideos",
    "check_emotions",
    "escape_cell",
    "find_videos",
    "join_spellings",
    "list_videos",
    "rater_agreement",
    "read_labels",
    "read_raters",
]
