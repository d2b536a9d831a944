"""Bring one stage up to date as `dvc repro --single-item` does: each of Snakemake's jobs.

It says less than `dvc repro`, so that the stages' own lines stand out, and it waits where another
process, such as one that a killed Snakemake left behind, is still running the stage.
"""

import argparse
import logging
import sys
import time

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.stage.exceptions import StageCmdFailedError

WAIT_SECONDS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.reproduce", description=__doc__)
    parser.add_argument("stage", help="its address, such as train@maml-0")
    address = parser.parse_args().stage
    logging.getLogger("dvc").setLevel(logging.ERROR)
    waiting = False
    while (blocked := reproduce(address)) is not None:
        if not waiting:
            print(f"{address} waits: {blocked}", file=sys.stderr, flush=True)
        waiting = True
        time.sleep(WAIT_SECONDS)


def reproduce(address: str) -> str | None:
    """Let DVC reproduce a stage. Returns None when that is done, or who stands in the way."""
    try:
        with Repo(_wait_for_lock=True) as repo:
            repo.reproduce(address, single_item=True)
    except DvcException as error:
        cause = error.__cause__
        if isinstance(cause, LockError):
            return str(cause)
        if isinstance(cause, StageCmdFailedError):
            sys.exit(1)  # the stage has said why
        sys.exit(f"{address}: {cause or error}")
    return None


if __name__ == "__main__":
    main()
