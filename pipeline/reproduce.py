"""Bring one stage up to date as `dvc repro --single-item` does: each of Snakemake's jobs.

It says less than `dvc repro`, so that the stages' own lines stand out, and it waits where another
process, such as one that a killed Snakemake left behind, is still running the stage.
"""

import argparse
import logging
import sys

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.stage.exceptions import StageCmdFailedError

from pipeline.lockfile import record_quickly
from pipeline.patience import patiently


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.reproduce", description=__doc__)
    parser.add_argument("stage", help="its address, such as train@maml-0")
    address = parser.parse_args().stage
    logging.getLogger("dvc").setLevel(logging.ERROR)
    record_quickly()
    try:
        patiently(address, lambda: reproduce(address))
    except DvcException as error:
        if isinstance(error.__cause__, StageCmdFailedError):
            sys.exit(1)  # the stage has said why
        sys.exit(f"{address}: {error.__cause__ or error}")


def reproduce(address: str) -> None:
    with Repo(_wait_for_lock=True) as repo:
        repo.reproduce(address, single_item=True)


if __name__ == "__main__":
    main()
