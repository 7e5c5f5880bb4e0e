"""One page about one video: what the model said, where it looked, when, and how the person walked."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gaitlib.answering import clip_model
from gaitlib.batches import ClipSet
from gaitlib.clips import prepare_video
from gaitlib.companions import beside_companions, find_companions, walking_clips
from gaitlib.config import InputError, RunConfig
from gaitlib.demo import SYNTHETIC_COMMENT
from gaitlib.explain import ExplainedClip, explain_clip, occlusion_saliency, saliency_agreement
from gaitlib.explain_plots import plot_against_neutral, plot_saliency, plot_timeline
from gaitlib.files import check_output, read_json
from gaitlib.gait import GAIT_FEATURES, measure_gait
from gaitlib.gait_reference import REFERENCE_NAME
from gaitlib.names import show_name
from gaitlib.page_parts import figure_html
from gaitlib.pages import write_page
from gaitlib.prepared import PreparedVideo
from gaitlib.saving import load_model
from gaitlib.verdict import Verdict, predict_config, predict_video, verdict_sentence

if TYPE_CHECKING:
    import keras


def explain_video(
    path: Path,
    model_path: Path,
    out_html: Path,
    trust_model: bool = False,
    reference: Path | None = None,
) -> str:
    """Write a page that shows why a model gave its answer for one video.

    Parameters
    ----------
    path : Path
        Any video.
    model_path : Path
        ``model.keras`` or ``model.h5`` of a run.
    out_html : Path
        The page; it opens offline.
    trust_model : bool
        Whether to open a model that no run beside it vouches for.
    reference : Path, optional
        A walk of the same person, for a model that compares with one.

    Returns
    -------
    str
        The verdict in one sentence, to print.

    Raises
    ------
    InputError
        If the model cannot be used, or the video gives no verdict that could be explained.
    """
    check_output(out_html, (".html", ".htm"))
    model, card = load_model(model_path, trust_model)
    config = predict_config(card)
    if config.relative_to == "walker-mean":
        raise InputError(
            f"{model_path} compares a walk with the mean of several, which a page about one video cannot "
            "show: use `gaitlib predict --same-walker`."
        )
    companions = find_companions([path], config, reference, same_walker=False)
    verdict = predict_video(path, model, config, card["emotions"], card.get("novelty"), companions)
    if verdict.emotion is None:
        raise InputError(f"There is no verdict to explain: {' '.join(verdict.notes)}")
    video = prepare_video(path, config)
    sentence = verdict_sentence(show_name(path.name), verdict)
    body = "\n".join(
        [
            f"<h1>Why {escape(verdict.emotion)}? {escape(show_name(path.name))}</h1>",
            f'<p class="headline">{escape(sentence)}</p>',
            *(f"<p>{escape(show_name(note))}</p>" for note in verdict.notes),
            _saliency_section(
                beside_companions(walking_clips(video, config), companions, config), verdict, model, config
            ),
            _timeline_section(verdict),
            _gait_section(video, model_path.parent / REFERENCE_NAME),
        ]
    )
    title = f"Why {verdict.emotion}? {show_name(path.name)}"
    write_page(
        out_html,
        title,
        body,
        [],
        _banners(video, card),
        f"Read by {show_name(model_path.parent.name)}/{show_name(model_path.name)}.",
    )
    return sentence


def _banners(video: PreparedVideo, card: Mapping[str, Any]) -> list[str]:
    banners = []
    if card["is_demo"]:
        banners.append(
            "Synthetic walkers: the model was trained on people drawn by a program. Its words on real people "
            "are a trial."
        )
    if video.meta["comment"] == SYNTHETIC_COMMENT:
        banners.append("Synthetic walker: the person in this video was drawn by a program.")
    return banners


def _saliency_section(clips: ClipSet, verdict: Verdict, model: "keras.Model", config: RunConfig) -> str:
    answering = clip_model(model, clips, 0)
    if answering is None:
        return (
            "<h2>What the model reads</h2><p>This model reads gait features of the whole walk, not pictures: "
            "there is no place in a picture to show.</p>"
        )
    emotion = str(verdict.emotion)
    label = list(verdict.probabilities).index(emotion)
    surest = int(np.argmax([clip["probabilities"][emotion] for clip in verdict.timeline]))
    clip = explain_clip(answering, clips.read(surest), label)
    start = verdict.timeline[surest]["start_seconds"]
    caption = (
        f"The clip that the model is surest of, from {start:.1f} s of the video ({clip.probability:.0%} "
        f"{emotion}), as the model sees it. Colour marks what speaks for {emotion}; the curve tells in which "
        "frames."
    )
    figure = plot_saliency({emotion: clip}, config.frame_rate_hz)
    return (
        f"<h2>Where the model looked</h2>{figure_html(figure, caption)}"
        f"<p>{escape(agreement_sentence(clip))}</p>"
    )


def agreement_sentence(clip: ExplainedClip) -> str:
    """Check a clip's saliency by hiding parts of it, and say in words how well the two agree."""
    occlusion = occlusion_saliency(clip.model, clip.pictures, clip.label)
    agreement = saliency_agreement(clip.saliency, occlusion)
    if np.isnan(agreement):
        return "Hiding parts of the clip does not change the answer: the marks say nothing."
    words = "well" if agreement >= 0.6 else "in part" if agreement >= 0.3 else "badly: do not trust the marks"
    return (
        "The marks come from gradients. As a check, block after block of the clip was hidden and the answer "
        f"asked again; the two agree {words} (rank correlation {agreement:.2f}). Marks show what the answer "
        "depends on, not what the person feels."
    )


def _timeline_section(verdict: Verdict) -> str:
    clips = verdict.timeline
    caption = f"What the model says of each of {len(clips)} clips; the verdict is their mean."
    if len(clips) == 1:
        caption = "The walk is long enough for one clip only."
    return f"<h2>Over time</h2>{figure_html(plot_timeline(clips), caption)}"


def _gait_section(video: PreparedVideo, reference_path: Path) -> str:
    heading = "<h2>How the person walks, against neutral walks</h2>"
    if not reference_path.exists():
        return (
            f"{heading}<p>There is nothing to compare with: {escape(REFERENCE_NAME)}, which a report writes "
            "beside its model, is not there.</p>"
        )
    reference = {
        _feature_name(name): (float(entry["mean"]), float(entry["sd"]))
        for name, entry in read_json(reference_path).items()
        if entry["mean"] is not None and entry["sd"] and name in GAIT_FEATURES.index
    }
    measured = measure_gait(video)["value"]
    features = {_feature_name(str(name)): float(value) for name, value in measured.items()}
    caption = (
        "Features of the tracked outline. The grey band holds 95 % of the neutral walks of the training "
        "walkers; orange lies outside, a triangle more than 6 standard deviations away. The model does not "
        "see these numbers."
    )
    return f"{heading}{figure_html(plot_against_neutral(features, reference), caption)}"


def _feature_name(feature: str) -> str:
    """Return a feature's title and unit, as people read them."""
    title, unit = GAIT_FEATURES.loc[feature, ["title", "unit"]]
    return str(title) if unit == "1" else f"{title}, {unit}"
