"""Options that several commands share, with what their help says."""

from pathlib import Path
from typing import Annotated

import typer

Videos = Annotated[Path, typer.Option(help="Training videos: one folder an emotion, or with labels.csv.")]
VideosTest = Annotated[Path, typer.Option(help="Test videos of other people; may be empty.")]
Labels = Annotated[Path | None, typer.Option(help="CSV (video,emotion[,walker]) or rating sheet.")]
Profile = Annotated[str, typer.Option(help="quick (4 minutes, for a look) or standard.")]
Parameters = Annotated[
    list[str] | None,
    typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="A setting, such as epochs=10; repeatable."),
]
Shared = Annotated[
    bool, typer.Option(help="Go on although a walker is in training and test; marks every page.")
]
Folds = Annotated[
    int | None, typer.Option(min=2, help="Cross-validate over walkers in so many parts; default one split.")
]
Seeds = Annotated[
    int | None, typer.Option(min=1, help="How many times to train each model, each with another seed.")
]
Scheduler = Annotated[
    str, typer.Option(metavar="tcp://HOST:PORT", help="Dask scheduler whose workers prepare the videos.")
]
RelativeTo = Annotated[
    str | None,
    typer.Option(
        help="What a walk is compared with: none, reference (one walk of the same person) or walker-mean "
        "(the mean of all their walks)."
    ),
]
MissingReference = Annotated[
    str | None,
    typer.Option(help="What to do with a walker who has no reference: refuse, skip or walker-mean."),
]
Reference = Annotated[
    Path | None,
    typer.Option(help="A walk of the same person in the emotion that the model compares with (neutral)."),
]
SameWalker = Annotated[
    bool, typer.Option(help="All videos show one person, for a model that compares with the mean.")
]
Out = Annotated[Path | None, typer.Option(help="Run folder; by default reports/ and the date and time.")]
TrustModel = Annotated[
    bool, typer.Option("--trust-model", help="Open a model file although no run beside it vouches for it.")
]
