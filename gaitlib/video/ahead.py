"""Make the next item while the one before is in use."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")


def read_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items, each made in a thread while the caller works on the one before.

    Decoding, resizing and most of the analysis release Python's lock, so that two cores are busy.
    At most one item lies ready: memory does not grow. What making an item raises is raised here.

    Examples
    --------
    >>> list(read_ahead(range(3)))
    [0, 1, 2]
    """
    source: Iterator[Any] = iter(items)
    end: Any = object()
    with ThreadPoolExecutor(1, "read-ahead") as pool:
        coming = pool.submit(next, source, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, source, end)
            yield item
