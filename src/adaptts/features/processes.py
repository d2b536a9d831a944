"""Work spread over processes, with its results in order."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import connection
from types import TracebackType
from typing import Any, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# How many processes a stage may use, where whoever runs several at once gives each its share.
PROCESSES = "ADAPTTS_PROCESSES"


def available() -> int:
    """The processors that this process may use, or its share of them."""
    share = os.environ.get(PROCESSES)
    if share is not None:
        if not share.isdecimal() or int(share) < 1:
            raise ValueError(f"{PROCESSES} must be 1 or more processes, got {share!r}; unset it")
        return int(share)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """`count` processes in a `with` block; with one, the work is done right here."""

    def __init__(self, count: int, open_tool: Callable[[], Any] | None = None) -> None:
        """`open_tool` makes what each process needs for `in_order_with_tool`, once."""
        self._open_tool = open_tool
        # Spawned, not forked: a fork of a process with running threads may never wake.
        context = multiprocessing.get_context("spawn")
        self._executor = (
            ProcessPoolExecutor(count, context, initializer=_begin, initargs=(open_tool,))
            if count > 1
            else None
        )

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

    def in_order_with_tool(
        self, function: Callable[[Any, Item], Result], items: Sequence[Item]
    ) -> Iterator[Result]:
        """Yield `function(tool, item)` for each item, in order. The first error ends the work."""
        if self._executor:
            return self._executor.map(partial(_use_tool, function), items)
        return map(partial(function, self._open_tool() if self._open_tool else None), items)


# Of a worker process: how its tool is opened, and the tool once an item has needed it. An error of
# opening is then that item's, which the parent hears of.
_open_tool: Callable[[], Any] | None = None
_tool: Any = None


def _begin(open_tool: Callable[[], Any] | None) -> None:
    """Leave interrupts to the parent, which ends the work, and do not outlive it."""
    global _open_tool
    _open_tool = open_tool
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _use_tool(function: Callable[[Any, Item], Result], item: Item) -> Result:
    global _tool
    if _tool is None and _open_tool is not None:
        _tool = _open_tool()
    return function(_tool, item)
