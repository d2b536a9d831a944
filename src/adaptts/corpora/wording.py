"""Texts as the words that are said: the one form in which texts and hypotheses are compared.

Error rates depend on it, so here is all of it, in this order, for both sides alike:

1. Unicode NFKC: full-width letters, ligatures and superscripts become plain characters.
2. Numbers become words where num2words knows the language: in English with thousands' commas,
   decimals, ordinals ("2nd"), "%" and "&"; in others whole numbers, as the parts of "3,5" are. A
   year is read as a cardinal. Elsewhere, as in Chinese, digits stay as they are written.
3. Lower case; punctuation dropped, save apostrophes within a word; hyphens part words
   (`manifest.normalise_text`).
4. Each Han character and each kana is a word: these scripts write no spaces between words, so
   that their word error rate is their character error rate.
"""

import re
import unicodedata

from num2words import CONVERTER_CLASSES, num2words

from adaptts.corpora.manifest import normalise_text

# Han with its extensions and compatibility forms, and kana with the mark of long vowels.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_CHARACTER = re.compile(f"([{_UNSPACED}])")
_GAP = re.compile(f"(?<=[{_UNSPACED}]) | (?=[{_UNSPACED}])")
# num2words 0.5.14 fails on many Amharic numbers.
_COUNTING = CONVERTER_CLASSES.keys() - {"am"}
# In English: 1,234 and 3.5 and 2nd.
_NUMBER = re.compile(r"\b(\d{1,3}(?:,\d{3})+|\d+)(\.\d+|st|nd|rd|th)?\b", re.ASCII)
_ENGLISH_SIGNS = {"%": " percent ", "&": " and "}
# Digits. Longer ones name something and count nothing, and not every language has words for them.
_LONGEST_ENGLISH, _LONGEST = 12, 5


def spoken_words(text: str, language: str) -> str:
    """`text` as lower-case words with one space between them; "" if it has none.

    `language` is espeak-ng's name of it. What the function has returned it does not change.
    """
    base = language.split("-")[0]
    text = unicodedata.normalize("NFKC", text)
    if base == "en":
        for sign, word in _ENGLISH_SIGNS.items():
            text = text.replace(sign, word)
        text = _NUMBER.sub(_say_english, text)
    words = words_of(text)
    if base in _COUNTING:
        words = words_of(" ".join(_say(word, base) for word in words))
    return " ".join(words)


def written(words: str) -> str:
    """`words` as they are written: without the spaces around Han characters and kana."""
    return _GAP.sub("", words)


def words_of(text: str) -> list[str]:
    """The words as they are written, by rules 3 and 4 alone."""
    return _CHARACTER.sub(r" \1 ", normalise_text(text)).split()


def _say_english(found: re.Match) -> str:
    whole, rest = found.group(1).replace(",", ""), found.group(2) or ""
    if len(whole) > _LONGEST_ENGLISH:
        return found.group()
    if rest.startswith("."):
        return num2words(whole + rest)
    return num2words(int(whole), to="ordinal" if rest else "cardinal")


def _say(word: str, base: str) -> str:
    """A whole number in words; any other word as it is."""
    longest = _LONGEST_ENGLISH if base == "en" else _LONGEST
    plain = word.isascii() and word.isdigit() and len(word) <= longest
    return num2words(int(word), lang=base) if plain else word
