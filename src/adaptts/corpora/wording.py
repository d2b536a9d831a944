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

# Han with its extensions and compatibility forms, and kana with the mark of long vowels.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_CHARACTER = re.compile(f"([{_UNSPACED}])")
_GAP = re.compile(f"(?<=[{_UNSPACED}]) | (?=[{_UNSPACED}])")


def spoken_words(text: str, language: str) -> str:
    """`text` as lower-case words with one space between them; "" if it has none.

    `language` is espeak-ng's name of it. What the function has returned it does not change.
    """
    words = normalise_text(read_out(text, language))
    return " ".join(_CHARACTER.sub(r" \1 ", words).split())


def written(words: str) -> str:
    """`words` as they are written: without the spaces around Han characters and kana."""
    return _GAP.sub("", words)
