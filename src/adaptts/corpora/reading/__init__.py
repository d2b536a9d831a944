"""Texts as they are read aloud: numbers, signs, units and abbreviations become words.

Phones and the recognisers' references are both made of what `read_out` returns, so that what a
voice is asked to say and what it is held to are one. In this order:

1. Quotes, dashes, ellipses and the marks of Chinese and Japanese become plain ones, with a space
   after those that end a clause; then Unicode NFKC: full-width letters, ligatures and superscripts
   become plain characters. Punctuation stays: readers pause there.
2. In English, German and French, by the tables in `conventions`: abbreviations with one reading,
   money, percent, units after a number, times of day, dates with a month's name, ordinals, decades,
   ranges, decimals and thousands. In Mandarin, by `chinese`: years and long numbers digit by digit,
   money, percent, units, times, ranges, and 两 for a 2 before common measure words.
3. Numbers become words by num2words, in Mandarin by cn2an; not by espeak-ng, whose reading cannot
   be had as the words that a reference needs. Without a table: whole numbers where num2words knows
   the language; elsewhere digits stay, and espeak-ng says them.

What can be read in several ways is left to the plainest: "1500" is a cardinal unless a word before
it makes it a year, "3/4" and ISO dates are their numbers one by one. A number of more than
`LONGEST` digits names something and counts nothing, and stays.
"""

import re
import unicodedata

from num2words import num2words

from adaptts.corpora.reading import chinese
from adaptts.corpora.reading.conventions import ENGLISH, FRENCH, GERMAN
from adaptts.corpora.reading.numbers import COUNTING, WHOLE, Reader

_READERS = {"en": Reader("en", ENGLISH), "de": Reader("de", GERMAN), "fr": Reader("fr", FRENCH)}
_LONGEST_ELSEWHERE = 5  # digits: not every language has words for more

_MARKS = str.maketrans(
    {
        **dict.fromkeys("“”„‟«»「」『』《》〈〉", '"'),
        **dict.fromkeys("‘’‚‛", "'"),
        **dict.fromkeys("‐‑‒", "-"),
        **dict.fromkeys("―─", "—"),
        **dict.fromkeys("（【〔", " ("),
        **dict.fromkeys("）】〕", ") "),
        **dict.fromkeys("，、", ", "),
        **{"。": ". ", "；": "; ", "：": ": ", "？": "? ", "！": "! ", "−": "-"},
    }
)
_ELLIPSIS = re.compile(r"(?:…|\.{3,})+")
_FRACTION = re.compile(r"(?<=\d)(?=[½¼¾])")  # NFKC would make 31⁄2 of 3½


def read_out(text: str, language: str) -> str:
    """`text` with words for all that is said otherwise than it is written; spaces are single.

    `language` is espeak-ng's name of it. Words alone come back as they are.
    """
    base = language.split("-")[0]
    text = _FRACTION.sub(" ", _ELLIPSIS.sub(", ", text)).translate(_MARKS)
    text = unicodedata.normalize("NFKC", text)
    if language == chinese.LANGUAGE or base in _READERS:
        # Soft hyphens and the like. Other scripts need their joiners.
        text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    if language == chinese.LANGUAGE:
        text = chinese.read(text)
    elif base in _READERS:
        text = _READERS[base].read(text)
    elif base in COUNTING:
        text = WHOLE.sub(lambda found: _count(found.group(), base), text)
    return " ".join(text.split())


def _count(digits: str, base: str) -> str:
    return num2words(int(digits), lang=base) if len(digits) <= _LONGEST_ELSEWHERE else digits
