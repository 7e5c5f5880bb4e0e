"""EmotionGait: read the emotion from the way a person walks."""

from typing import Any


def __getattr__(name: str) -> Any:
    # Reading the installed version takes longer than all other imports of this package together.
    if name == "__version__":
        from importlib.metadata import version

        return version("gaitlib")
    raise AttributeError(f"module 'gaitlib' has no attribute {name!r}")
