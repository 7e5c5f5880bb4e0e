"""Which machines train together: read from `TF_CONFIG`, and brought together before TensorFlow starts.

TensorFlow itself waits without end, deaf even to Ctrl-C, for a worker that does not come. So the workers
first meet here, in plain sockets, with a time limit, and make sure that they mean the same training.
"""

import json
import os
import socket
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from gaitlib.config import InputError

# How long the first worker to be started waits for the last.
MEET_SECONDS = 300.0
_GO, _OTHER, _TAKEN = b"go\n", b"other\n", b"taken\n"


@dataclass(frozen=True)
class Team:
    """The workers of a training and the place of this process among them.

    Attributes
    ----------
    addresses : tuple of str
        ``HOST:PORT`` of every worker; the first is the chief, who writes.
    number : int
        This worker's place in `addresses`, from 0.
    """

    addresses: tuple[str, ...]
    number: int

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes the run folder and the state of the training."""
        return self.number == 0


def find_team() -> Team | None:
    """Return the team that `TF_CONFIG` names; None where it is not set or names a single worker.

    Raises
    ------
    InputError
        If `TF_CONFIG` is not of the form
        ``{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}``.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        return None
    try:
        content = json.loads(text)
        cluster, task = content["cluster"], content["task"]
        addresses, number = tuple(cluster["worker"]), int(task["index"])
        for address in addresses:
            _host_and_port(address)
        is_known = set(cluster) == {"worker"} and task["type"] == "worker" and 0 <= number < len(addresses)
    except (ValueError, KeyError, TypeError, AttributeError):
        is_known = False
    if not is_known:
        raise InputError(
            'TF_CONFIG is not of the form {"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": '
            '{"type": "worker", "index": 0}}, with the same cluster and another index on each machine.'
        )
    return Team(addresses, number) if len(addresses) > 1 else None


def meet(team: Team, meaning: str) -> None:
    """Wait until all workers of a team have come and mean the same.

    Parameters
    ----------
    team : Team
    meaning : str
        What all must agree on, in one line: versions and settings.

    Raises
    ------
    InputError
        If a worker does not come within `MEET_SECONDS`, or means something else.
    """
    end = time.monotonic() + MEET_SECONDS
    message = f"{team.number} {meaning}\n".encode()
    if team.is_chief:
        _gather(team, message, end)
    else:
        _report_to_chief(team, message, end)


def _gather(team: Team, message: bytes, end: float) -> None:
    _, port = _host_and_port(team.addresses[0])
    missing = set(range(1, len(team.addresses)))
    meaning = message.partition(b" ")[2]
    is_same = True
    with ExitStack() as stack:
        door = stack.enter_context(_listen(port))
        guests: dict[int, socket.socket] = {}
        while missing or not _send(guests, _GO if is_same else _OTHER, missing):
            door.settimeout(max(0.01, end - time.monotonic()))
            try:
                guest = stack.enter_context(door.accept()[0])
            except TimeoutError:
                _raise_missing(team, missing)
            with suppress(OSError, ValueError):  # somebody else, who says nothing or hangs up
                guest.settimeout(10)
                name, _, said = guest.makefile("rb").readline(10_000).partition(b" ")
                number = int(name)
                _drop_gone(guests, missing)
                if number in missing:
                    missing.discard(number)
                    is_same &= said == meaning
                    guests[number] = guest
                elif number in guests:
                    guest.sendall(_TAKEN)
    if not is_same:
        _raise_other()


def _send(guests: dict[int, socket.socket], answer: bytes, missing: set[int]) -> bool:
    """Answer all guests, unless one of them has hung up meanwhile: then the others wait on."""
    _drop_gone(guests, missing)
    if missing:
        return False
    for guest in guests.values():
        with suppress(OSError):
            guest.settimeout(10)
            guest.sendall(answer)
            # The guest hangs up first, so that this port is free for TensorFlow at once.
            guest.recv(1)
    return True


def _drop_gone(guests: dict[int, socket.socket], missing: set[int]) -> None:
    for number, guest in list(guests.items()):
        guest.setblocking(False)
        try:
            is_gone = guest.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:  # on the line, and silent
            is_gone = False
        except OSError:
            is_gone = True
        if is_gone:
            missing.add(number)
            del guests[number]


def _report_to_chief(team: Team, message: bytes, end: float) -> None:
    own_port, chief = _host_and_port(team.addresses[team.number])[1], _host_and_port(team.addresses[0])
    _listen(own_port).close()
    while time.monotonic() < end:
        try:
            with socket.create_connection(chief, timeout=5) as line:
                line.sendall(message)
                line.settimeout(max(0.01, end - time.monotonic()))
                answer = line.makefile("rb").readline(100)
        except OSError:
            answer = b""
        if answer == _GO:
            return
        if answer == _OTHER:
            _raise_other()
        if answer == _TAKEN:
            raise InputError(
                f"Another process is worker {team.number} already: give each its own index in TF_CONFIG."
            )
        time.sleep(0.2)
    _raise_missing(team, {0})


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("", port))
    except OSError as error:
        raise InputError(
            f"Cannot listen at port {port}, which TF_CONFIG gives to this worker: {error.strerror}."
        ) from error


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def _raise_missing(team: Team, missing: set[int]) -> None:
    names = ", ".join(team.addresses[number] for number in sorted(missing))
    raise InputError(
        f"{len(missing)} of {len(team.addresses)} workers did not come within {MEET_SECONDS:.0f} s: {names}. "
        "Start the same command on every machine that TF_CONFIG names."
    )


def _raise_other() -> None:
    raise InputError(
        "The workers do not mean the same training: give the same settings and install the same versions on "
        "every machine."
    )
