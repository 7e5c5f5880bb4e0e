"""Who shows what: folders, CSV manifests and rating sheets become one table of labelled videos."""

from gaitlib.labels.finding import LabelledVideos, find_videos, list_videos
from gaitlib.labels.naming import check_emotions, check_enough_walkers, inspect_labels
from gaitlib.labels.tables import normal_name, read_labels
