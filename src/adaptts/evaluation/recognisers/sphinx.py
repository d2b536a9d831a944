"""PocketSphinx with its American English model, which ships with it, and the corpus' grammar."""

import re
import zlib
from collections.abc import Set

import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Decoder

from adaptts.corpora.audio import resample
from adaptts.evaluation.level import scale_to_peak
from adaptts.evaluation.recognisers.recogniser import DeafError, Setting

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


class Sphinx:
    """Hears sentences of one grammar."""

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

    def objection(self, words: str) -> str:
        """Words that the pronunciation dictionary lacks cannot be heard."""
        unknown = sorted(self.unknown.intersection(words.split()))
        return f"the recogniser has no pronunciation of {', '.join(unknown)}" if unknown else ""

    def hear(self, waveform: NDArray[np.floating], sampling_rate: int, utterance: str) -> str:
        """Return the likeliest sentence, or "" where none of the grammar fits.

        `waveform` is [samples] at any level. The name `utterance` seeds the noise, so every arm is
        heard through the same. Raises `RuntimeError` where the engine fails.
        """
        samples = self._prepare(waveform.astype(np.float64), sampling_rate, utterance)
        # The noise tracker and the cepstral mean would otherwise remember earlier utterances.
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._decoder.process_raw(samples.tobytes(), no_search=False, full_utt=True)
        self._decoder.end_utt()
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


def open_recogniser(setting: Setting) -> Sphinx:
    """Open it with the corpus' grammar. Raises `DeafError` for other languages than English."""
    if setting.language.split("-")[0] != MODEL_LANGUAGE:
        raise DeafError(f"the recogniser knows English, the corpus is in {setting.language}")
    grammar = (setting.corpus / "grammar.jsgf").read_text(encoding="utf-8")
    return Sphinx(grammar, setting.params.noise_floor)


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
