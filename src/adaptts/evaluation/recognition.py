"""Word and character errors of an automatic recogniser that knows the corpus' grammar.

The recogniser is PocketSphinx with its American English model, which ships with it. Its figures on
recordings and on copy-synthesis stand beside every other one: they are what it costs to be heard
by this recogniser at all.
"""

import json
import re
import zlib
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import jiwer
import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Decoder

from adaptts.corpora.audio import resample
from adaptts.evaluation.level import scale_to_peak
from adaptts.evaluation.measure import Measure, NotMeasurableError, missing

METRICS = ("word_errors", "words", "character_errors", "characters", "wer", "cer")

MODEL_RATE = 16000  # Hz, of the recordings that the model was trained on
MODEL_LANGUAGE = "en"
# Of noise before and after: the decoder needs some silence to start and to end in, but the mean
# that it subtracts from the cepstra is taken over all of it.
PADDING_SECONDS = 0.1
# Gaussians evaluated for a frame; the engine's default of 4 trades errors for speed.
GAUSSIANS = 8

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
# In a rule's expansion: names of rules, tags and weights in one piece, and words.
_TOKEN = re.compile(r"<[^>]*>|\{[^}]*\}|/[^/]*/|[^\s|()\[\]*+]+")


@dataclass(frozen=True)
class Score:
    """Errors of one hypothesis against what should have been said, by least edit distance."""

    hypothesis: str
    word_errors: int  # substitutions, deletions and insertions
    words: int  # of the reference
    character_errors: int
    characters: int  # of the reference, spaces between words included


def score(text: str, hypothesis: str) -> Score:
    """Count the errors of `hypothesis` against `text`, both in lower-case words.

    An empty hypothesis is a result like any other: every word is deleted. Raises `ValueError` if
    `text` has no word.
    """
    if not text.strip():
        raise ValueError("a text without words cannot be recognised; leave the utterance out")
    words = jiwer.process_words(text, hypothesis)
    characters = jiwer.process_characters(text, hypothesis)
    return Score(
        hypothesis=hypothesis,
        word_errors=words.substitutions + words.deletions + words.insertions,
        words=words.substitutions + words.deletions + words.hits,
        character_errors=characters.substitutions + characters.deletions + characters.insertions,
        characters=characters.substitutions + characters.deletions + characters.hits,
    )


class Recogniser:
    """Hears sentences of one grammar. Each is heard afresh: their order changes nothing."""

    def __init__(self, grammar: str, noise_floor: float) -> None:
        """`grammar` is JSGF with one public rule, in lower-case words.

        `noise_floor` is the standard deviation of the noise that is added to a sound of peak 0.6:
        the acoustic model has never heard digital silence. Words that the pronunciation dictionary
        lacks make every alternative that needs them unspeakable; `unknown` holds them. Raises
        `ValueError` where the grammar is malformed.
        """
        self._noise_floor = noise_floor
        # The engine writes its errors to the standard error stream; they are raised here.
        self._decoder = Decoder(samprate=MODEL_RATE, lm=None, topn=GAUSSIANS, loglevel="FATAL")
        self.unknown = {word for word in words_of(grammar) if not self._decoder.lookup_word(word)}
        try:
            self._decoder.add_jsgf_string("corpus", without(grammar, self.unknown))
            self._decoder.activate_search("corpus")
        except (RuntimeError, ValueError) as error:
            raise ValueError(
                f"the corpus' grammar must be JSGF with one public rule: {error}; mend grammar.jsgf"
            ) from None

    def hear(self, waveform: NDArray[np.floating], sampling_rate: int, utterance: str) -> str:
        """Return the likeliest sentence, or "" where none of the grammar fits.

        `waveform` is [samples] at any level. The name `utterance` seeds the noise, so every arm is
        heard through the same. Raises `NotMeasurableError` where samples are not finite or the
        engine fails.
        """
        if not np.isfinite(waveform).all():
            raise NotMeasurableError("the sound holds samples that are not finite")
        samples = self._prepare(waveform.astype(np.float64), sampling_rate, utterance)
        # The noise tracker and the cepstral mean would otherwise remember earlier utterances.
        self._decoder.reinit_feat()
        try:
            self._decoder.start_utt()
            self._decoder.process_raw(samples.tobytes(), no_search=False, full_utt=True)
            self._decoder.end_utt()
        except RuntimeError as error:
            raise NotMeasurableError(f"the recogniser failed: {error}") from None
        found = self._decoder.hyp()
        return found.hypstr if found else ""

    def _prepare(
        self, waveform: NDArray[np.float64], sampling_rate: int, utterance: str
    ) -> NDArray[np.int16]:
        heard = scale_to_peak(resample(waveform, sampling_rate, MODEL_RATE))
        heard = np.pad(heard, round(PADDING_SECONDS * MODEL_RATE))
        generator = np.random.default_rng(zlib.crc32(utterance.encode()))
        heard = heard + generator.normal(scale=self._noise_floor, size=len(heard))
        return np.clip(np.rint(heard * 32767), -32768, 32767).astype(np.int16)


@dataclass(frozen=True)
class Listener:
    """Takes a corpus' measures of recognition, or says why there are none."""

    recogniser: Recogniser | None
    reason: str = ""  # why there is no recogniser

    @classmethod
    def open(cls, corpus: Path, noise_floor: float) -> Self:
        """Listen by the grammar of the folder `corpus`; `noise_floor` as for `Recogniser`."""
        language = json.loads((corpus / "corpus.json").read_text(encoding="utf-8"))["language"]
        if language.split("-")[0] != MODEL_LANGUAGE:
            return cls(None, f"the recogniser knows English, the corpus is in {language}")
        grammar = (corpus / "grammar.jsgf").read_text(encoding="utf-8")
        return cls(Recogniser(grammar, noise_floor))

    def measure(
        self, waveform: NDArray[np.floating], sampling_rate: int, utterance: str, text: str
    ) -> list[Measure]:
        """The values of `METRICS` for `waveform` [samples], which should say `text`.

        `text` is in lower-case words. The hypothesis is the note of `wer`.
        """
        if self.recogniser is None:
            return missing(METRICS, self.reason)
        unknown = sorted(self.recogniser.unknown.intersection(text.split()))
        if unknown:
            reason = f"the recogniser has no pronunciation of {', '.join(unknown)}"
            return missing(METRICS, reason)
        try:
            hypothesis = self.recogniser.hear(waveform, sampling_rate, utterance)
        except NotMeasurableError as error:
            return missing(METRICS, str(error))
        return _measures(score(text, hypothesis))


def _measures(counted: Score) -> list[Measure]:
    return [
        Measure("word_errors", counted.word_errors),
        Measure("words", counted.words),
        Measure("character_errors", counted.character_errors),
        Measure("characters", counted.characters),
        Measure("wer", 100 * counted.word_errors / counted.words, counted.hypothesis),
        Measure("cer", 100 * counted.character_errors / counted.characters),
    ]


def words_of(grammar: str) -> set[str]:
    """The words that the rules of a JSGF grammar can expand to."""
    tokens = (token for _, _, body in _rules(grammar) for token in _TOKEN.findall(body))
    return {token for token in tokens if token[0] not in "<{/"}


def without(grammar: str, words: Set[str]) -> str:
    """`grammar` with `words` replaced by <VOID>, which makes what holds them unspeakable."""

    def replace(token: re.Match) -> str:
        return "<VOID>" if token.group() in words else token.group()

    return ";".join(name + sign + _TOKEN.sub(replace, body) for name, sign, body in _rules(grammar))


def _rules(grammar: str) -> list[tuple[str, str, str]]:
    """Each rule's name, its sign "=" and its expansion; declarations have neither sign nor body."""
    return [rule.partition("=") for rule in _COMMENT.sub(" ", grammar).split(";")]
