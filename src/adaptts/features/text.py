"""Texts as phones, with the stress and tone that the parameters ask for."""

import re
import sys

import pandas as pd

from adaptts.corpora import manifest, pronunciation
from adaptts.corpora.manifest import SILENCE
from adaptts.corpora.pronunciation import PronunciationError
from adaptts.params import FeatureParams

# Utterance → the names of its phones, silences included.
Transcripts = dict[str, list[str]]

_STRESS = re.compile(f"[{pronunciation.STRESS}{pronunciation.SECONDARY_STRESS}]")
_TONE = re.compile(r"(?<=.)[0-9]$")


def exact_transcripts(phones: pd.DataFrame, params: FeatureParams) -> Transcripts:
    """The transcripts of a manifest whose phones are known.

    Raises `PronunciationError` where stress is to be kept: such phones come without.
    """
    if params.stress == "keep":
        raise PronunciationError(
            "features.stress is keep, but this corpus brings phones of its own, which bear no "
            "stress; set features.stress: drop"
        )
    return phones.groupby("utterance", sort=False)["phone"].agg(list).to_dict()


def pronounce(table: pd.DataFrame, language: str, params: FeatureParams) -> Transcripts:
    """Transcripts of the texts in a manifest's `table` by the rules of `language`.

    Silence stands at both ends and wherever punctuation asks for a pause. Raises a `ValueError`
    that names every text that cannot be said, and for an unknown language.
    """
    said = pronunciation.transcribe(*pronunciation.texts_of(table, language))
    manifest.fail(
        [f"utterance {utterance}: {problem}" for utterance, problem in said.problems.items()],
        f"{len(said.problems)} texts cannot be said; spell them out, leave them out by "
        "corpus.exclude or corpus.tolerate: true, or change corpus.language",
    )
    return {
        utterance: [SILENCE, *(phone for clause in clauses for phone in _spoken(clause, params))]
        for utterance, clauses in said.phones.items()
    }


def _spoken(clause: list[str], params: FeatureParams) -> list[str]:
    """A clause's phones and the silence behind it."""
    if params.stress == "drop":
        clause = [sys.intern(_STRESS.sub("", phone)) for phone in clause]
    if params.tone == "drop":
        clause = [sys.intern(_TONE.sub("", phone)) for phone in clause]
    return [*clause, SILENCE]
