"""Commands: each one checks what it was given and calls one function."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gaitlib.options import (
    Folds,
    Labels,
    MissingReference,
    Out,
    Parameters,
    Profile,
    Reference,
    RelativeTo,
    SameWalker,
    Scheduler,
    Seeds,
    Shared,
    TrustModel,
    Videos,
    VideosTest,
)
from gaitlib.plain_errors import UsageError, plain_errors

if TYPE_CHECKING:
    from gaitlib.config import RunConfig

app = typer.Typer(
    help="Read the emotion from the way a person walks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        from gaitlib import __version__

        typer.echo(f"gaitlib {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True)] = False,
) -> None:
    del debug  # `main` takes it away, `plain_errors` looks for it; here it is for --help.


def _settings(parameters: list[str] | None, **options: Any) -> dict[str, str]:
    """Split NAME=VALUE texts (wrong usage, exit code 2, if one is none) and add the options given."""
    settings = {}
    for text in parameters or []:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise typer.BadParameter(f"{text!r}: expected NAME=VALUE, such as epochs=10.")
        settings[name.strip()] = value.strip()
    return settings | {name: str(value) for name, value in options.items() if value}


def _configured(settings: dict[str, str], profile: str = "standard") -> "RunConfig":
    """Return the settings of a run; raise where one is wrong usage, exit code 2."""
    from gaitlib.config import InputError, make_config, parse_settings

    try:
        config = make_config(profile, **parse_settings(settings))
        if "model" in settings:
            from gaitlib.models import shown_model

            shown_model(config.model)  # raises where there is none of this name
        return config
    except InputError as error:
        raise UsageError(str(error)) from None


@app.command()
@plain_errors
def check(videos: Videos = Path("videos"), videos_test: VideosTest = Path("videosTest")) -> None:
    """Say what is installed, what the folders hold, and how to mend what is missing."""
    from gaitlib.checking import check_setup

    lines, is_ready = check_setup(videos, videos_test)
    typer.echo("\n".join(lines))
    if not is_ready:
        raise typer.Exit(1)


@app.command()
@plain_errors
def demo(
    videos: Annotated[Path, typer.Option(help="New folder for the training videos.")],
    videos_test: Annotated[Path, typer.Option(help="New folder for the test videos.")],
    walkers: Annotated[
        int,
        typer.Option(min=2, max=500, help="Training walkers; a third as many others for the test."),
    ] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Other walkers for another seed.")] = 0,
) -> None:
    """Write videos of synthetic walkers, to try everything without a camera."""
    from gaitlib.demo import make_demo

    summary = make_demo(videos, videos_test, num_walkers=walkers, seed=seed)
    typer.echo(
        f"Wrote {summary.num_videos} synthetic videos of {summary.num_walkers} walkers to {videos} and "
        f"{summary.num_test_videos} of {summary.num_test_walkers} others to {videos_test}."
    )


@app.command()
@plain_errors
def report(
    videos: Videos = Path("videos"),
    videos_test: VideosTest = Path("videosTest"),
    out: Out = None,
    labels: Labels = None,
    profile: Profile = "standard",
    folds: Folds = None,
    seeds: Seeds = None,
    scheduler: Scheduler = "",
    relative_to: RelativeTo = None,
    allow_shared_walkers: Shared = False,
    parameters: Parameters = None,
) -> None:
    """Do the whole job: run notebooks 01 to 05 and write the HTML report."""
    from gaitlib.report import ReportRequest, make_report

    settings = _settings(
        parameters,
        folds=folds,
        seeds=seeds,
        scheduler=scheduler,
        relative_to=relative_to,
        allow_shared_walkers=allow_shared_walkers,
    )
    _configured(settings, profile)  # wrong usage has a code of its own
    request = ReportRequest(
        videos.absolute(),
        videos_test.absolute(),
        out.absolute() if out else None,
        labels.absolute() if labels else None,
        profile,
        settings,
    )
    index = make_report(request)
    typer.echo(f"Report: {index}")


@app.command()
@plain_errors
def train(
    videos: Videos = Path("videos"),
    videos_test: VideosTest = Path("videosTest"),
    out: Out = None,
    labels: Labels = None,
    profile: Profile = "standard",
    folds: Folds = None,
    seeds: Seeds = None,
    scheduler: Scheduler = "",
    relative_to: RelativeTo = None,
    allow_shared_walkers: Shared = False,
    parameters: Parameters = None,
) -> None:
    """Train a model and print its layers and its scores, without notebooks."""
    from gaitlib.steps import train_run

    settings = _settings(
        parameters,
        folds=folds,
        seeds=seeds,
        scheduler=scheduler,
        relative_to=relative_to,
        allow_shared_walkers=allow_shared_walkers,
    )
    typer.echo(train_run(videos, videos_test, _configured(settings, profile), out, labels))


@app.command()
@plain_errors
def evaluate(
    model: Annotated[Path, typer.Option(help="model.keras or model.h5 of a run.")],
    videos_test: VideosTest = Path("videosTest"),
    out: Annotated[Path | None, typer.Option(help="Folder for predictions.csv and results.json.")] = None,
    labels: Labels = None,
    scheduler: Scheduler = "",
    relative_to: RelativeTo = None,
    missing_reference: MissingReference = None,
    allow_shared_walkers: Shared = False,
    trust_model: TrustModel = False,
) -> None:
    """Test a trained model on labelled videos and print the scores."""
    from gaitlib.steps import evaluate_run

    texts = _settings(
        None,
        scheduler=scheduler,
        relative_to=relative_to,
        missing_reference=missing_reference,
        allow_shared_walkers=allow_shared_walkers,
    )
    asked = _configured(texts).model_dump()
    # The model was trained with others, perhaps, and the command's hold for this test.
    settings = {name: asked[name] for name in {*texts, "allow_shared_walkers", "scheduler"}}
    typer.echo(evaluate_run(model, videos_test, out, labels, settings, trust_model))


@app.command()
@plain_errors
def predict(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE_OR_FOLDER...", help="Videos, or folders of them.")
    ],
    model: Annotated[Path, typer.Option(help="model.keras or model.h5 of a run.")],
    json: Annotated[Path | None, typer.Option(help="File for everything, with the timeline.")] = None,
    annotated: Annotated[Path | None, typer.Option(help="Folder for videos with box and verdict.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write one page with pictures and timelines.")] = None,
    reference: Reference = None,
    same_walker: SameWalker = False,
    trust_model: TrustModel = False,
) -> None:
    """Say which emotion the walk in any video shows, or why that cannot be said."""
    from gaitlib.predict import PredictOutputs, predict_files

    outputs = PredictOutputs(json, annotated, html)
    typer.echo(predict_files(files, model, outputs, trust_model, reference, same_walker))


@app.command()
@plain_errors
def explain(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Any video.")],
    model: Annotated[Path, typer.Option(help="model.keras or model.h5 of a run.")],
    out: Annotated[Path, typer.Option(help="HTML page to write.")] = Path("explained.html"),
    reference: Reference = None,
    trust_model: TrustModel = False,
) -> None:
    """Write a page that shows why the model gave its answer for one video."""
    from gaitlib.video_page import explain_video

    typer.echo(explain_video(video, model, out, trust_model, reference))
    typer.echo(f"Page: {out}")


@app.command()
@plain_errors
def experiment(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="What to try; see experiments/.")],
    videos: Videos = Path("videos"),
    videos_test: VideosTest = Path("videosTest"),
    out: Annotated[Path | None, typer.Option(help="Run folder; by default reports/ and the name.")] = None,
    labels: Labels = None,
    storage: Annotated[
        str | None, typer.Option(help="Database URL that several machines share, in the place of a journal.")
    ] = None,
) -> None:
    """Try models and settings on unseen walkers, rank them, and test the best on strangers."""
    from gaitlib.experiment_page import make_experiment
    from gaitlib.search_space import read_plan

    plan = read_plan(file, **({"storage": storage} if storage else {}))
    typer.echo(make_experiment(plan, videos, videos_test, labels, out))


def main() -> None:
    """Run the command line; ``--debug`` may stand anywhere."""
    app([argument for argument in sys.argv[1:] if argument != "--debug"], prog_name="gaitlib")
