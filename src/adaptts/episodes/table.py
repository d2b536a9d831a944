"""The table of episodes: which utterances train, and every support and query set."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

COLUMNS = ["utterance", "speaker", "split", "role", "draw", "rank"]


def read(path: Path) -> pd.DataFrame:
    """The table at `path`. Raises ValueError if the file is missing, damaged or another one."""
    return read_table(path, COLUMNS)


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A table that the stage episodes has written, with exactly these columns.

    Raises ValueError if the file is missing, damaged or another one.
    """
    try:
        found = pd.read_parquet(path)
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise ValueError(
            f"{path} is missing or damaged ({error}); run the stage episodes"
        ) from None
    if list(found.columns) != list(columns):
        raise ValueError(
            f"{path} must have the columns {list(columns)}, got {list(found.columns)}; "
            "run the stage episodes"
        )
    return found
