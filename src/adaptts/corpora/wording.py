"""Texts as the words that are said: the one form in which texts and hypotheses are compared.

Error rates depend on it, so here is all of it, in this order, for both sides alike:

1. Numbers, signs, units and abbreviations become the words that are said, full-width letters and
   ligatures plain ones (`reading.read_out`, as for the phones).
2. Lower case; punctuation dropped, save apostrophes within a word; hyphens part words
   (`manifest.normalise_text`).
3. Each Han character and each kana is a word: these scripts write no spaces between words, so
   that their word error rate is their character error rate.
"""

import re

from adaptts.corpora.manifest import normalise_text
from adaptts.corpora.reading import read_out
from adaptts.corpora.reading.numbers import UNSPACED

_CHARACTER = re.compile(f"([{UNSPACED}])")
_GAP = re.compile(f"(?<=[{UNSPACED}]) | (?=[{UNSPACED}])")


def spoken_words(text: str, language: str) -> str:
    """`text` as lower-case words with one space between them; "" if it has none.

    `language` is espeak-ng's name of it. What the function has returned it does not change.
    """
    return " ".join(words_of(read_out(text, language)))


def written(words: str) -> str:
    """`words` as they are written: without the spaces around Han characters and kana."""
    return _GAP.sub("", words)


def words_of(text: str) -> list[str]:
    """The words as they are written, by rules 2 and 3 alone."""
    # Normalised again: an apostrophe beside a character of its own is no longer within a word.
    return normalise_text(_CHARACTER.sub(r" \1 ", normalise_text(text))).split()
