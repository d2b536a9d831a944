"""Waiting for whoever else uses this folder, such as a stage that a killed runner left behind."""

import sys
import time
from collections.abc import Callable
from typing import TypeVar

from dvc.exceptions import DvcException
from dvc.lock import LockError

T = TypeVar("T")

WAIT_SECONDS = 2.0
QUIET_SECONDS = 4.0  # a process that was killed this instant is still listed


def patiently(who: str, ask: Callable[[], T]) -> T:
    """The value of `ask`, which DVC refuses as long as another process works on the same files."""
    began, told = time.monotonic(), False
    while True:
        try:
            return ask()
        except DvcException as error:
            blocker = error if isinstance(error, LockError) else error.__cause__
            if not isinstance(blocker, LockError):
                raise
            if not told and time.monotonic() - began > QUIET_SECONDS:
                print(f"{who} waits, for {blocker}", file=sys.stderr, flush=True)
                told = True
            time.sleep(WAIT_SECONDS)
