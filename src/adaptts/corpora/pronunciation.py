"""Texts as phones: which a language has for them, and what of them has none.

Mandarin is said by `mandarin`; any other language by espeak-ng's rules, through phonemizer. Both
get the text as `reading.read_out` puts it. Phones bear marks of stress (ˈ and ˌ, before the vowel)
and of tone (a digit at the end); whoever does not want them removes them.
"""

import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

import espeakng_loader
import pandas as pd

from adaptts.corpora import mandarin
from adaptts.corpora.reading import read_out

if TYPE_CHECKING:
    from phonemizer.backend import EspeakBackend

STRESS, SECONDARY_STRESS = "ˈ", "ˌ"
PINYIN = "pinyin"  # a manifest's column: Mandarin as its transcribers heard it

# Readers pause here: after punctuation that ends a clause, and around dashes.
_PAUSE = re.compile(r"(?<=[.,;:!?…])\s+|\s*[—–]\s*|\s+-+\s+")
_WORD = "|"  # between words, in a line of phonemizer's
# Unicode categories of characters that must sound: letters, numbers, symbols, unassigned ones.
# Marks, punctuation, spaces and modifiers only change what stands beside them.
_SOUNDING = {"Lu", "Ll", "Lt", "Lo", "Nd", "Nl", "No", "Sc", "Sm", "So", "Co", "Cn"}
# espeak-ng drops hyphens and apostrophes with the marks of stress; so do we, with or without them.
_JOINTS = str.maketrans("", "", "'-")
_FLAG = re.compile(r"\((.+?)\)")  # espeak-ng's: from here on in that language
# No language that has letters of these scripts says both of a pair alike. Others call them all
# "Chinese letter".
_STRANGERS = ("龘鱻", "あテ")
# Their tones are digits behind vowels, but for 3, which espeak-ng takes for its own name of ɜ.
_TONAL = ("vi", "yue", "hak", "th", "my")


class PronunciationError(ValueError):
    """A text has no pronunciation, or a language no rules; the message names it."""


@dataclass(frozen=True)
class Transcription:
    """What became of some texts."""

    phones: dict[str, list[list[str]]]  # utterance → the phones of each clause, none empty
    problems: dict[str, str]  # utterance → why it cannot be said


@dataclass(frozen=True)
class Guess:
    """A word that is said, but perhaps not as its reader said it."""

    word: str
    how: str
    phones: str
    utterances: tuple[str, ...]


class Phonemiser(Protocol):
    """Says one language."""

    name: str  # for messages

    def unsaid(self, texts: Mapping[str, str]) -> dict[str, list[str]]:
        """Utterance → what of its text has no sound, for those with something."""
        ...

    def say(self, clauses: Sequence[str]) -> list[list[str]]:
        """The phones of each clause."""
        ...


def transcribe(texts: Mapping[str, str], language: str) -> Transcription:
    """The phones of the `texts` (utterance → text), for all that `language` can say.

    Raises `PronunciationError` for a language that has no rules.
    """
    phonemiser = phonemiser_of(language)
    read = {utterance: read_out(text, language) for utterance, text in texts.items()}
    problems = {
        utterance: f"{phonemiser.name} has no sound for {found} of {texts[utterance]!r} in "
        f"{language}"
        for utterance, found in phonemiser.unsaid(read).items()
    }
    clauses = {name: _clauses(text) for name, text in read.items() if name not in problems}
    spoken = iter(phonemiser.say([clause for parts in clauses.values() for clause in parts]))
    phones = {
        name: [said for _ in parts if (said := next(spoken))] for name, parts in clauses.items()
    }
    for name in [name for name, said in phones.items() if not said]:
        del phones[name]
        problems[name] = f"{phonemiser.name} says nothing to {texts[name]!r} in {language}"
    return Transcription(phones, problems)


def texts_of(table: pd.DataFrame, language: str) -> tuple[dict[str, str], str]:
    """What is to be said of a table with the columns utterance and text, and in which language.

    In Mandarin the column pinyin, where there is one, goes before the text.
    """
    known = language == mandarin.LANGUAGE and PINYIN in table
    texts = dict(zip(table["utterance"], table[PINYIN if known else "text"], strict=True))
    return texts, mandarin.PINYIN if known else language


def guesses(texts: Mapping[str, str], language: str) -> list[Guess]:
    """The words of the `texts` that espeak-ng spells out or says in another language."""
    if language in (mandarin.LANGUAGE, mandarin.PINYIN):
        return []
    found = defaultdict(list)
    for utterance, text in texts.items():
        words = "".join(c if _sounds(c) or unicodedata.category(c)[0] == "M" or c in "'’" else " "
                        for c in read_out(text, language))  # fmt: skip
        for word in dict.fromkeys(word.strip("'’") for word in words.split()):
            if word:
                found[word].append(utterance)
    judged = _EspeakRules(language).judge(list(found))
    return [Guess(word, how, phones, tuple(found[word])) for word, how, phones in judged]


def phonemiser_of(language: str) -> Phonemiser:
    """Who says `language`. Raises `PronunciationError` if nobody does."""
    if language in (mandarin.LANGUAGE, mandarin.PINYIN):
        return _Mandarin(language)
    return _EspeakRules(language)


class _Mandarin:
    """Chinese characters, or pinyin with tone numbers."""

    name = "Mandarin"

    def __init__(self, language: str) -> None:
        self._written = language == mandarin.PINYIN

    def unsaid(self, texts: Mapping[str, str]) -> dict[str, list[str]]:
        unknown = {name: self._transcribe(text)[1] for name, text in texts.items()}
        return {name: sorted(set(found)) for name, found in unknown.items() if found}

    def say(self, clauses: Sequence[str]) -> list[list[str]]:
        return [self._transcribe(clause)[0] for clause in clauses]

    def _transcribe(self, text: str) -> tuple[list[str], list[str]]:
        text = "".join(c if _sounds(c) else " " for c in text)
        return mandarin.transcribe(text.split() if self._written else mandarin.syllables_of(text))


class _EspeakRules:
    """espeak-ng's rules for one of its languages."""

    name = "espeak-ng"

    def __init__(self, language: str) -> None:
        self._language = language
        self._tonal = language.split("-")[0] in _TONAL
        self._backend = _backend(language)

    def unsaid(self, texts: Mapping[str, str]) -> dict[str, list[str]]:
        characters = sorted(filter(_sounds, set().union(*texts.values())))
        sounds = dict(zip(characters, self.say(characters), strict=True))
        names = self._names_of_scripts()
        silent = {c for c, said in sounds.items() if not said or said in names}
        unsaid = {utterance: sorted(silent.intersection(text)) for utterance, text in texts.items()}
        return {utterance: found for utterance, found in unsaid.items() if found}

    def say(self, clauses: Sequence[str]) -> list[list[str]]:
        return [_phones(_FLAG.sub("", line), self._tonal) for line in self._lines(clauses)]

    def judge(self, words: Sequence[str]) -> list[tuple[str, str, str]]:
        """Word, how and phones, of those that are spelt out or said in another language."""
        own = {self._language, self._language.split("-")[0]}
        letters = sorted(set("".join(words)))
        names = dict(zip(letters, map(_bare, self._lines(letters)), strict=True))
        judged = []
        for word, line in zip(words, self._lines(words), strict=True):
            said = _bare(line)
            others = sorted(set(_FLAG.findall(line)) - own)
            if len(word) > 1 and said and said == "".join(names[letter] for letter in word):
                judged.append((word, "letter by letter", line))
            elif others:
                judged.append((word, f"as {', '.join(others)}", line))
        return [(word, how, " ".join(_phones(_FLAG.sub("", line), self._tonal)))
                for word, how, line in judged]  # fmt: skip

    def _names_of_scripts(self) -> list[list[str]]:
        pairs = [self.say(pair) for pair in _STRANGERS]
        return [first for first, second in pairs if first == second]

    def _lines(self, clauses: Sequence[str]) -> list[str]:
        from phonemizer.separator import Separator

        separator = Separator(phone=" ", word=_WORD, syllable="")
        return self._backend.phonemize(list(clauses), separator=separator, strip=True)


def _phones(line: str, tonal: bool) -> list[str]:
    """The phones of a line of phonemizer's."""
    phones = line.replace(_WORD, " ").translate(_JOINTS).split()
    if tonal:
        phones = [f"{phone[:-1]}3" if len(phone) > 1 and phone[-1] == "ɜ" else phone
                  for phone in phones]  # fmt: skip
    # Interned: a corpus has millions of phones, but few names.
    return [sys.intern(phone) for phone in phones if phone.strip(STRESS + SECONDARY_STRESS)]


def _bare(line: str) -> str:
    """The sounds of a line alone. English links letters that end in r to what follows by an ɹ."""
    return re.sub(r"[ |ˈˌ'ɹ-]", "", _FLAG.sub("", line))


# phonemizer takes half a second to import, which the stages without texts need not wait for.
@cache
def _languages() -> tuple[str, ...]:
    from phonemizer.backend import EspeakBackend
    from phonemizer.backend.espeak.wrapper import EspeakWrapper

    EspeakWrapper.set_library(espeakng_loader.get_library_path())
    EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    return tuple(sorted(EspeakBackend.supported_languages()))


def _backend(language: str) -> "EspeakBackend":
    from phonemizer.backend import EspeakBackend
    from phonemizer.logger import get_logger

    if language not in _languages():
        raise PronunciationError(
            f"corpus.language {language!r} is none of espeak-ng's: {', '.join(_languages())}"
        )
    return EspeakBackend(
        language,
        # No pattern: espeak-ng itself knows what the point of "Mr." and the comma of "1,000" mean.
        punctuation_marks=re.compile(r"(?!)"),
        with_stress=True,
        language_switch="keep-flags",
        words_mismatch="ignore",
        logger=get_logger("quiet"),
    )


def _clauses(text: str) -> list[str]:
    """The parts of `text` between pauses, without those of nothing but punctuation."""
    return [" ".join(part.split()) for part in _PAUSE.split(text) if any(map(_sounds, part))]


def _sounds(character: str) -> bool:
    return unicodedata.category(character) in _SOUNDING
