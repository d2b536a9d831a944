"""From recordings to arrays: what worker processes do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adaptts.corpora import audio
from adaptts.features import mel, prosody, store
from adaptts.params import FeatureParams

# A recording whose largest sample is smaller, a few steps of 16 bits, holds no speech.
LEAST_PEAK = 1e-4


class RecordingError(ValueError):
    """A recording cannot be analysed; the message names the utterance."""


@dataclass(frozen=True)
class Analysis:
    """Where recordings are read, and how they are analysed."""

    corpus: Path
    sampling_rate: int  # Hz
    params: FeatureParams


def analyse(analysis: Analysis, rows: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Mel, F0 and mel-cepstra of the utterances `rows` of the index, end to end.

    Raises `RecordingError` for a recording that cannot be used.
    """
    arrays = {}
    for name, shape in store.shapes(store.SPOKEN, analysis.params, pd.DataFrame(rows)).items():
        arrays[name] = np.empty(shape, store.SPOKEN[name].dtype)
    for row in rows:
        waveform = read_recording(analysis.corpus / row["path"], row["utterance"])
        try:
            features = _features(waveform, analysis.sampling_rate, analysis.params)
        except ValueError as error:
            raise RecordingError(f"utterance {row['utterance']}: {error}") from None
        for name, values in features.items():
            layout = store.LAYOUTS[name]
            start = row[layout.offset]
            arrays[name][start : start + row[layout.count]] = values
    return arrays


def read_recording(path: Path, utterance: str) -> NDArray[np.float64]:
    """The samples of a mono recording, full scale ±1.

    Raises `RecordingError` if it is missing, empty, not finite, or silent throughout.
    """
    try:
        waveform = audio.read(path).samples[:, 0]
    except audio.AudioError as error:
        raise RecordingError(f"utterance {utterance}: {error}; make the corpus anew") from None
    if not np.isfinite(waveform).all():
        raise RecordingError(
            f"utterance {utterance}: {path} holds samples that are not finite numbers; leave it out"
        )
    peak = np.abs(waveform).max(initial=0.0)
    if peak < LEAST_PEAK:
        raise RecordingError(
            f"utterance {utterance}: {path} is empty or silent: its peak is {peak:.1e} and must be "
            f"{LEAST_PEAK:.0e} or more; leave it out"
        )
    return waveform


def _features(
    waveform: NDArray[np.float64], rate: int, params: FeatureParams
) -> dict[str, np.ndarray]:
    log_mel = mel.log_mel(waveform, rate, params)
    world = prosody.analyse(waveform, rate, params)
    return {
        "mel": log_mel,
        "f0": prosody.at_mel_frames(world.f0_hz, len(log_mel), rate, params),
        "mel_cepstra": prosody.mel_cepstrum(world.envelope, rate, params),
        "world_f0": world.f0_hz,
    }
