"""How long the program takes to start, beside Python itself.

Run as ``python -m benchmarks.start_up [--full]``.
"""

import subprocess
import sys
from collections.abc import Callable

from benchmarks.training_speed import markdown_table

COMMANDS = {
    "Python alone": ["-c", "pass"],
    "`import gaitlib`": ["-c", "import gaitlib"],
    "`gaitlib --help`": ["-m", "gaitlib", "--help"],
}


def main(is_full: bool) -> None:
    """Measure and print."""
    from gaitlib.speed import seconds_in_turns

    def running(arguments: list[str]) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *arguments], capture_output=True)

    tasks = {name: running(arguments) for name, arguments in COMMANDS.items()}
    seconds = seconds_in_turns(tasks, 9 if is_full else 5)
    rows = [[name, f"{took:.2f}"] for name, took in seconds.items()]
    print(markdown_table(["command", "seconds"], rows))


if __name__ == "__main__":
    main("--full" in sys.argv[1:])
