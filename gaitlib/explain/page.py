"""Why the model gave its answer for one video, as one page that opens offline."""

from pathlib import Path

import numpy as np

from gaitlib.clips import prepare_video
from gaitlib.data import VideoSet
from gaitlib.errors import InputError
from gaitlib.explain.figures import plot_reasons, plot_saliency
from gaitlib.explain.html import figure_html, paragraph, write_html
from gaitlib.explain.reasons import gait_reasons, reason_sentence
from gaitlib.explain.saliency import ExplainedClip, explain_clip
from gaitlib.files import check_output, show_name
from gaitlib.models import TrainedModel, make_clips


def explain_network(model: TrainedModel, videos: VideoSet, place: int, label: int) -> ExplainedClip:
    """Explain the clip of a video to which a network of single clips gives an answer with most confidence."""
    clips = make_clips(videos.chosen([place]), model)
    network = model.predictor
    read = [clips.read(number) for number in range(len(clips))]
    says = network.predict(np.stack(read).astype(np.float32), verbose=0)[:, label]
    return explain_clip(network, read[int(says.argmax())], label)


def explain_video(path: Path, model: TrainedModel, out: Path) -> Path:
    """Write a page that shows why the model gave its answer for a video.

    Parameters
    ----------
    path : Path
    model : TrainedModel
        One that compares walks with nothing.
    out : Path
        The HTML file.

    Raises
    ------
    InputError
        If there is no walk to explain, or the model compares walks with others.
    """
    check_output(out, (".html", ".htm"))
    if model.config.relative_to != "none":
        raise InputError(
            f"The model {model.name} compares walks of one person, which a page about one video cannot show: "
            "use `gaitlib predict`."
        )
    video, name = prepare_video(path, model.config), show_name(path.name)
    if not video.bouts:
        raise InputError(f"{name}: {video.meta['why_empty']}")
    videos = VideoSet((video,), np.zeros(1, int), np.zeros(1, str))
    shares = model.calibrated(model.predict(videos))[0]
    label = int(shares.argmax())
    emotion = model.emotions[label]
    reasons = gait_reasons(video, model, emotion)
    says = f"The model {model.name} reads this walk as {emotion} ({shares[label]:.0%})."
    parts = [paragraph(f"{says} {reason_sentence(reasons, emotion)}", "headline")]
    if len(reasons):
        parts += ["<h2>Against neutral walks</h2>", figure_html(plot_reasons(reasons, emotion))]
    if model.kind == "network":
        clip = explain_network(model, videos, 0, label)
        figure = plot_saliency({emotion: clip}, model.config.frame_rate_hz)
        parts += [
            "<h2>Where the network looked</h2>",
            figure_html(figure),
            paragraph(agreement_sentence(clip)),
        ]
    parts.append(paragraph("This shows what the answer depends on, not what the person feels."))
    write_html(out, f"Why {emotion}? {name}", parts, bool(model.about.get("is_demo")))
    return out


def agreement_sentence(clip: ExplainedClip) -> str:
    """Say how far the marks of a clip can be trusted."""
    if np.isnan(clip.agreement):
        return "Hiding parts of the clip does not change the answer: the marks say nothing."
    words = (
        "well"
        if clip.agreement >= 0.6
        else "in part"
        if clip.agreement >= 0.3
        else "badly: do not trust them"
    )
    return (
        "The marks come from gradients. As a check, block after block of the clip was hidden and the answer "
        f"asked again; the two agree {words} (rank correlation {clip.agreement:.2f})."
    )
