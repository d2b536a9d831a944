"""Work spread over processes, with its results in order."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def available() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """`count` processes in a `with` block; with one, the work is done right here."""

    def __init__(self, count: int) -> None:
        # Spawned, not forked: a fork of a process with running threads may never wake.
        context = multiprocessing.get_context("spawn")
        self._executor = ProcessPoolExecutor(count, mp_context=context) if count > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._executor:
            self._executor.shutdown(cancel_futures=True)

    def in_order(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[Result]:
        """Yield `function(item)` for each item, in order. The first error ends the work."""
        return self._executor.map(function, items) if self._executor else map(function, items)
