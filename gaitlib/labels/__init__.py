"""Who shows what: folders, CSV manifests and rating sheets become one table of labelled videos."""

from gaitlib.labels.finding import (
    LabelledVideos,
    check_emotions,
    escape_cell,
    find_videos,
    list_videos,
    rater_agreement,
    read_labels,
    read_raters,
)

__all__ = [
    "LabelledVideos",
    "check_emotions",
    "escape_cell",
    "find_videos",
    "list_videos",
    "rater_agreement",
    "read_labels",
    "read_raters",
]
