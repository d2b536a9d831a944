"""Texts as phones: names by espeak-ng's rules, numbers by the corpus' inventory."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import espeakng_loader
import pandas as pd
from phonemizer.backend import EspeakBackend
from phonemizer.backend.espeak.wrapper import EspeakWrapper
from phonemizer.logger import get_logger
from phonemizer.separator import Separator

from adaptts.corpora.manifest import SILENCE
from adaptts.features.store import PADDING

# Utterance → the names of its phones, silences included.
Transcripts = dict[str, list[str]]

# Readers pause here: after punctuation that ends a clause, and around dashes.
_PAUSE = re.compile(r"(?<=[.,;:!?…])\s+|\s*[—–]\s*|\s+-+\s+")
_SEPARATOR = Separator(phone=" ", word="|", syllable="")
# Unicode categories of characters that must sound: letters, numbers, symbols, unassigned ones.
# Marks, punctuation, spaces and modifiers only change what stands beside them.
_SOUNDING = {"Lu", "Ll", "Lt", "Lo", "Nd", "Nl", "No", "Sc", "Sm", "So", "Co", "Cn"}


class PronunciationError(ValueError):
    """A text has no pronunciation; the message names utterance and characters."""


def exact_transcripts(phones: pd.DataFrame) -> Transcripts:
    """The transcripts of a manifest whose phones are known."""
    return phones.groupby("utterance", sort=False)["phone"].agg(list).to_dict()


def pronounce(texts: Mapping[str, str], language: str) -> Transcripts:
    """Transcripts of the `texts` (utterance → text) by espeak-ng's rules for `language`.

    The phones are IPA without stress. Silence stands at both ends and wherever punctuation asks for
    a pause. Raises `PronunciationError` for characters or texts that espeak-ng leaves unsaid, and
    for an unknown language.
    """
    backend = _backend(language)
    _check_characters(texts, backend, language)
    clauses = {utterance: _clauses(text) for utterance, text in texts.items()}
    spoken = iter(_phonemise(backend, [c for parts in clauses.values() for c in parts]))
    transcripts = {}
    for utterance, parts in clauses.items():
        phones = [SILENCE]
        for sounds in filter(None, [next(spoken) for _ in parts]):
            phones += [*sounds, SILENCE]
        if len(phones) == 1:
            raise PronunciationError(
                f"utterance {utterance}: espeak-ng says nothing to {texts[utterance]!r} in "
                f"{language}; mend the text, leave it out, or change corpus.language"
            )
        transcripts[utterance] = phones
    return transcripts


def inventory_of(transcripts: Iterable[Sequence[str]]) -> list[str]:
    """Padding, silence, and every other phone in alphabetical order: a phone's place is its id."""
    names = set().union(*transcripts) - {SILENCE}
    return [PADDING, SILENCE, *sorted(names)]


def _backend(language: str) -> EspeakBackend:
    EspeakWrapper.set_library(espeakng_loader.get_library_path())
    EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    languages = sorted(EspeakBackend.supported_languages())
    if language not in languages:
        raise PronunciationError(
            f"corpus.language {language!r} is none of espeak-ng's: {', '.join(languages)}"
        )
    return EspeakBackend(
        language,
        # No pattern: espeak-ng itself knows what the point of "Mr." and the comma of "1,000" mean.
        punctuation_marks=re.compile(r"(?!)"),
        language_switch="remove-flags",
        words_mismatch="ignore",
        logger=get_logger("quiet"),
    )


def _clauses(text: str) -> list[str]:
    """The parts of `text` between pauses, without those of nothing but punctuation."""
    return [" ".join(part.split()) for part in _PAUSE.split(text) if any(map(_sounds, part))]


def _sounds(character: str) -> bool:
    return unicodedata.category(character) in _SOUNDING


def _phonemise(backend: EspeakBackend, clauses: Sequence[str]) -> list[list[str]]:
    lines = backend.phonemize(list(clauses), separator=_SEPARATOR, strip=True)
    return [line.replace(_SEPARATOR.word, " ").split() for line in lines]


def _check_characters(texts: Mapping[str, str], backend: EspeakBackend, language: str) -> None:
    """Raise `PronunciationError` if espeak-ng drops a character that should sound."""
    characters = sorted(filter(_sounds, set().union(*texts.values())))
    sounds = _phonemise(backend, characters)
    silent = {c for c, phones in zip(characters, sounds, strict=True) if not phones}
    for utterance, text in texts.items():
        found = sorted(silent.intersection(text))
        if found:
            raise PronunciationError(
                f"utterance {utterance}: espeak-ng has no sound for {found} of {text!r} in "
                f"{language}; spell it out in the text, leave the utterance out, or change "
                "corpus.language"
            )
