"""Word and character errors of what interchangeable recognisers hear.

The first recogniser's measures have the names of METRICS; those of a further one end in its own
name, as wer_ctc does. Their figures on recordings and on copy-synthesis stand beside every other
one: they are what it costs to be heard by this recogniser at all.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import jiwer
import numpy as np
from numpy.typing import NDArray

from adaptts.corpora.wording import spoken_words, written
from adaptts.evaluation.measure import Measure, missing
from adaptts.evaluation.recognisers.recogniser import DeafError, Recogniser, Setting
from adaptts.evaluation.recognisers.registry import open_all
from adaptts.params import EvaluationParams

METRICS = ("word_errors", "words", "character_errors", "characters", "wer", "cer")


@dataclass(frozen=True)
class Score:
    """Errors of one hypothesis against what should have been said, by least edit distance."""

    hypothesis: str
    word_errors: int  # substitutions, deletions and insertions
    words: int  # of the reference
    character_errors: int
    characters: int  # of the reference, spaces included where they are written


def score(text: str, hypothesis: str) -> Score:
    """Count the errors of `hypothesis` against `text`, both as `spoken_words` makes them.

    An empty hypothesis is a result like any other: every word is deleted. Raises `ValueError` if
    `text` has no word.
    """
    if not text.strip():
        raise ValueError("a text without words cannot be recognised; leave the utterance out")
    words = jiwer.process_words(text, hypothesis)
    characters = jiwer.process_characters(written(text), written(hypothesis))
    return Score(
        hypothesis=hypothesis,
        word_errors=words.substitutions + words.deletions + words.insertions,
        words=words.substitutions + words.deletions + words.hits,
        character_errors=characters.substitutions + characters.deletions + characters.insertions,
        characters=characters.substitutions + characters.deletions + characters.hits,
    )


@dataclass(frozen=True)
class Listener:
    """Takes a corpus' measures of recognition, by each recogniser, or says why there are none."""

    language: str  # espeak-ng's name of it
    recognisers: Mapping[str, Recogniser | DeafError]  # by name; the first one is the headline's

    @classmethod
    def open(cls, corpus: Path, trained: Path, params: EvaluationParams) -> Self:
        """Open the recognisers that `params` asks for, for the corpus in the folder `corpus`.

        trained: where the stage recogniser has left what it trained. Raises `ValueError` where
        weights are missing.
        """
        language = json.loads((corpus / "corpus.json").read_text(encoding="utf-8"))["language"]
        setting = Setting(corpus, language, trained, params)
        return cls(language, open_all(setting))

    def measure(
        self, waveform: NDArray[np.floating], sampling_rate: int, utterance: str, text: str
    ) -> list[Measure]:
        """The values of `METRICS` by each recogniser for `waveform` [samples], which says `text`.

        The hypothesis is the note of `wer`.
        """
        words = spoken_words(text, self.language)
        found = []
        for name in self.recognisers:
            measures = self._measure(name, waveform, sampling_rate, utterance, words)
            found += [replace(each, metric=self._metric(each.metric, name)) for each in measures]
        return found

    def _metric(self, metric: str, recogniser: str) -> str:
        return metric if recogniser == next(iter(self.recognisers)) else f"{metric}_{recogniser}"

    def _measure(
        self, name: str, waveform: NDArray[np.floating], rate: int, utterance: str, words: str
    ) -> list[Measure]:
        recogniser = self.recognisers[name]
        if isinstance(recogniser, DeafError):
            return missing(METRICS, str(recogniser))
        if not words:
            return missing(METRICS, "the text has no word")
        if not np.isfinite(waveform).all():
            return missing(METRICS, "the sound holds samples that are not finite")
        objection = recogniser.objection(words)
        if objection:
            return missing(METRICS, objection)
        try:
            hypothesis = recogniser.hear(waveform, rate, utterance)
        except RuntimeError as error:
            return missing(METRICS, f"the recogniser failed: {error}")
        return _measures(score(words, spoken_words(hypothesis, self.language)))


def _measures(counted: Score) -> list[Measure]:
    return [
        Measure("word_errors", counted.word_errors),
        Measure("words", counted.words),
        Measure("character_errors", counted.character_errors),
        Measure("characters", counted.characters),
        Measure("wer", 100 * counted.word_errors / counted.words, counted.hypothesis),
        Measure("cer", 100 * counted.character_errors / counted.characters),
    ]
