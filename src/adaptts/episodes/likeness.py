"""How alike two texts are: a sentence that was trained on but for one word gives its query away.

The likeness of texts of n and m words is 2·LCS / (n + m), where LCS counts the words of their
longest common subsequence: 1 for the same words in the same order, 0 for none in common. (It is 1
less the Indel distance over its maximum, which rapidfuzz computes; some 50 million pairs of
sentences a second of CPU time.) Words are compared as a whole, in the form that error rates have
(`wording.words_of`); each Han character or kana is one. So one other word in seven leaves 0.86, one
more word beside three as well; of two matrix sentences of five words, 0.8 is the most.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Indel

from adaptts.corpora.wording import words_of

NEAR = 0.85  # what is told of as near where the params set nothing
_ROUNDING = 1e-9  # so that 18 of 20 words are 0.9
_PAIRS = 2_000_000  # at a time, of 8 bytes each


@dataclass(frozen=True)
class Neighbour:
    """The text that is most alike to another."""

    text: str
    likeness: float

    def is_near(self, threshold: float) -> bool:
        return self.likeness >= threshold - _ROUNDING


def nearest(texts: Sequence[str], others: Sequence[str]) -> list[Neighbour]:
    """For each text, the one among `others` that is most alike; the first of several.

    There must be some other.
    """
    vocabulary: dict[str, str] = {}
    sought, known = (_encode(each, vocabulary) for each in (texts, others))
    found: list[Neighbour] = []
    step = max(_PAIRS // len(known), 1) if known else 1
    for start in range(0, len(sought), step):
        likeness = process.cdist(
            sought[start : start + step],
            known,
            scorer=Indel.normalized_similarity,
            dtype=np.float64,
            workers=1,
        )
        for row, place in zip(likeness, likeness.argmax(axis=1), strict=True):
            found.append(Neighbour(others[int(place)], float(row[place])))
    return found


def near(texts: Iterable[str], queries: Collection[str], threshold: float) -> set[str]:
    """Those of `texts` whose likeness to one of `queries` is at least `threshold`."""
    candidates = sorted(set(texts)) if queries else []
    neighbours = nearest(candidates, sorted(queries))
    pairs = zip(candidates, neighbours, strict=True)
    return {text for text, neighbour in pairs if neighbour.is_near(threshold)}


def _encode(texts: Iterable[str], vocabulary: dict[str, str]) -> list[str]:
    """The texts with a character for each word, as rapidfuzz compares characters best."""
    return [
        "".join(vocabulary.setdefault(word, chr(len(vocabulary))) for word in words_of(text))
        for text in texts
    ]
