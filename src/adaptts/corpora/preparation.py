"""What is done to a recording before a corpus has it: its rate, its ends and its level."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from adaptts.corpora import audio, inspection, loudness, trimming
from adaptts.corpora.audio import PEAK, Recording, Waveform
from adaptts.corpora.content import content_hash
from adaptts.corpora.transcripts import Source
from adaptts.params import CorpusParams

CEILING = 0.98  # no peak rises above it, whatever loudness is asked for


@dataclass(frozen=True)
class Prepared:
    """A recording at the corpus' rate, without the ends that are cut off, at its own level."""

    waveform: Waveform  # the mean of the channels, [samples]
    recording: Recording  # as it stands
    content: str  # its hash, before anything is done to it
    cut_seconds: tuple[float, float] = (0.0, 0.0)  # before, after

    def block_powers(self, params: CorpusParams) -> np.ndarray:
        return loudness.block_powers(self.waveform, params.sampling_rate)


@dataclass(frozen=True)
class Level:
    """By what a recording is multiplied, and why."""

    gain: float
    lufs: float | None = None  # what was measured, of the utterance or of its speaker
    note: str | None = None


def settings(params: CorpusParams) -> dict[str, Any]:
    """Those of the parameters that a recording's samples hang on: what is used below."""
    values = asdict(params)
    return {name: values[name] for name in ("sampling_rate", "resampler", "trim", "loudness")}


def prepare(source: Source, params: CorpusParams) -> Prepared:
    """Read, resample and trim a recording. Raises `AudioError` where it cannot be used."""
    waveform, recording = inspection.read(source)
    content = content_hash(waveform)
    rate = params.sampling_rate
    resampled = audio.resample(waveform, recording.sampling_rate, rate, params.resampler)
    if params.trim is None:
        return Prepared(resampled, recording, content)
    start, end = trimming.speech_span(resampled, rate, params.trim)
    cut_seconds = (start / rate, (len(resampled) - end) / rate)
    return Prepared(resampled[start:end], recording, content, cut_seconds)


def level(prepared: Prepared, params: CorpusParams, speaker_lufs: float | None) -> Level:
    """The level of an utterance; `speaker_lufs` is its speaker's loudness, where that counts.

    An utterance whose peak would rise above CEILING is louder than can be written: it alone gets
    less, as a whole, and a note.
    """
    largest = float(np.abs(prepared.waveform).max())
    if params.loudness is None:
        return Level(PEAK / largest)
    lufs = speaker_lufs
    if lufs is None:
        lufs = loudness.integrated(prepared.block_powers(params))
    gain = 10 ** ((params.loudness.lufs - lufs) / 20)
    if gain * largest <= CEILING:
        return Level(gain, lufs)
    lowered = 20 * np.log10(gain * largest / CEILING)
    note = f"{lowered:.1f} dB below corpus.loudness, where its peak would be above full scale"
    return Level(CEILING / largest, lufs, note)


def loudness_together(powers: Iterable[np.ndarray]) -> float:
    """The loudness of several recordings as one programme, from the powers of their blocks."""
    return loudness.integrated(np.concatenate([*powers]))
