"""Who is enrolled by which recordings, and which utterances are held against whom.

Both tables are drawn with the episodes and are the same for every arm: a trial asks of a test
query, as an arm says it, whether it is the voice of an enrolled speaker. So that reading the same
words cannot pass for sounding alike, each trial also knows whether its text is among those that
the enrolled speaker is enrolled by.
"""

from pathlib import Path

import pandas as pd

from adaptts.corpora.manifest import normalise_text
from adaptts.episodes.table import read_table

ENROLMENT = ["speaker", "utterance"]
TRIALS = ["utterance", "speaker", "enrolled", "target", "same_text"]

# Recordings that a speaker is enrolled by, of the support sets: never a query.
ENROLMENT_UTTERANCES = 10


def draw_enrolment(episodes: pd.DataFrame) -> pd.DataFrame:
    """The first utterances of each test speaker's support sets, by draw and rank: `ENROLMENT`."""
    support = episodes[(episodes["split"] == "test") & (episodes["role"] == "support")]
    support = support.sort_values(["speaker", "draw", "rank"]).drop_duplicates("utterance")
    chosen = support.groupby("speaker").head(ENROLMENT_UTTERANCES)
    return chosen[ENROLMENT].reset_index(drop=True)


def draw_trials(
    episodes: pd.DataFrame, enrolment: pd.DataFrame, index: pd.DataFrame
) -> pd.DataFrame:
    """Every test query against every enrolled speaker, with `TRIALS`.

    `index` has the columns utterance and text; texts are compared by their words. `same_text`
    tells whether some utterance of the enrolled speaker's enrolment has the query's text.
    """
    queries = episodes[(episodes["split"] == "test") & (episodes["role"] == "query")]
    enrolled = pd.DataFrame({"enrolled": enrolment["speaker"].unique()})
    trials = queries[["utterance", "speaker"]].merge(enrolled, how="cross")
    texts = index.set_index("utterance")["text"].map(normalise_text)
    said = {
        speaker: set(texts.loc[rows["utterance"]]) for speaker, rows in enrolment.groupby("speaker")
    }
    return trials.assign(
        target=trials["speaker"] == trials["enrolled"],
        same_text=[
            texts[utterance] in said[speaker]
            for utterance, speaker in zip(trials["utterance"], trials["enrolled"], strict=True)
        ],
    )[TRIALS]


def read_enrolment(path: Path) -> pd.DataFrame:
    """The table at `path`. Raises ValueError if the file is missing, damaged or another one."""
    return read_table(path, ENROLMENT)


def read_trials(path: Path) -> pd.DataFrame:
    """The table at `path`. Raises ValueError if the file is missing, damaged or another one."""
    return read_table(path, TRIALS)
