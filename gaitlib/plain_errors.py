"""What a command says where it fails: one sentence on stderr, no traceback, an exit code."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from gaitlib.errors import known_sentence


class UsageError(Exception):
    """A setting that does not exist or cannot have this value."""


def plain_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Turn an error that people can mend into one sentence on stderr and an exit code."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        from gaitlib.config import InputError
        from gaitlib.demo.folders import DemoError

        try:
            command(*arguments, **options)
        except (typer.BadParameter, typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if "--debug" in sys.argv:
                raise
            is_known = isinstance(error, InputError | DemoError | OSError | UsageError)
            text = known_sentence(type(error).__name__, str(error))
            text = text or (_sentence(error) if is_known else _unexpected(error))
            typer.echo(f"gaitlib: {text}", err=True)
            raise typer.Exit(2 if isinstance(error, UsageError) else 1) from None
        except KeyboardInterrupt:
            typer.echo("gaitlib: stopped; the same command goes on from what is finished.", err=True)
            raise typer.Exit(1) from None

    return run


def _unexpected(error: Exception) -> str:
    """Own up to a fault of the program, still in one line."""
    text = " ".join(str(error).split())[:300]
    return f"unexpected {type(error).__name__}: {text} (gaitlib --debug COMMAND shows where)."


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}." if error.filename else f"{error.strerror}."
    return " ".join(str(error).split())
