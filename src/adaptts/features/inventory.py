"""The phones of an experiment: their places, and how often each is said.

inventory.csv, beside the features, has a row for each phone but padding: tokens, the utterances
that it occurs in, and their speakers.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from adaptts.corpora.manifest import SILENCE
from adaptts.features.store import PADDING

FILE = "inventory.csv"
RARE_UTTERANCES = 10  # in fewer, a phone is hardly learnt


def inventory_of(transcripts: Iterable[Sequence[str]]) -> list[str]:
    """Padding, silence, and every other phone in alphabetical order: a phone's place is its id."""
    names = set().union(*transcripts) - {SILENCE}
    return [PADDING, SILENCE, *sorted(names)]


def count(
    inventory: Sequence[str],
    transcripts: Mapping[str, Sequence[str]],
    speakers: Mapping[str, str],
) -> pd.DataFrame:
    """Tokens, utterances and speakers of each phone but padding, in the inventory's order.

    transcripts and speakers are by utterance.
    """
    tokens, utterances = Counter[str](), Counter[str]()
    voices: dict[str, set[str]] = {phone: set() for phone in inventory}
    for utterance, phones in transcripts.items():
        tokens.update(phones)
        for phone in set(phones):
            utterances[phone] += 1
            voices[phone].add(speakers[utterance])
    named = [phone for phone in inventory if phone != PADDING]
    return pd.DataFrame(
        {
            "phone": named,
            "tokens": [tokens[phone] for phone in named],
            "utterances": [utterances[phone] for phone in named],
            "speakers": [len(voices[phone]) for phone in named],
        }
    )


def write(counts: pd.DataFrame, folder: Path) -> None:
    counts.to_csv(folder / FILE, index=False, lineterminator="\n")


def read(folder: Path) -> pd.DataFrame:
    """The counts of the features in `folder`. Phones such as "nan" mean what they say."""
    return pd.read_csv(folder / FILE, na_filter=False)


def summarise(counts: pd.DataFrame) -> str:
    """How many phones there are, and those that training will hardly see."""
    spoken = counts[counts["phone"] != SILENCE]
    lines = [f"{len(spoken)} phones in {spoken['tokens'].sum()} tokens; counts: {FILE}"]
    seldom = spoken[spoken["utterances"] < RARE_UTTERANCES]
    # What is said by one person alone is not there when that person is held out.
    single = spoken[(spoken["speakers"] == 1) & ~spoken.index.isin(seldom.index)]
    if len(seldom):
        told = ", ".join(f"{row.phone} {row.utterances}" for row in seldom.itertuples())
        lines.append(f"in fewer than {RARE_UTTERANCES} utterances: {told}")
    if len(single):
        lines.append(f"said by one speaker alone: {', '.join(single['phone'])}")
    return "\n".join(lines)
