"""The table of episodes: which utterances train, and every support and query set."""

from pathlib import Path

import pandas as pd

COLUMNS = ["utterance", "speaker", "split", "role", "draw", "rank"]


def read(path: Path) -> pd.DataFrame:
    """The table at `path`. Raises ValueError if the file is missing, damaged or another one."""
    try:
        episodes = pd.read_parquet(path)
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise ValueError(
            f"{path} is missing or damaged ({error}); run the stage episodes"
        ) from None
    if list(episodes.columns) != COLUMNS:
        raise ValueError(
            f"{path} must have the columns {COLUMNS}, got {list(episodes.columns)}; "
            "run the stage episodes"
        )
    return episodes
