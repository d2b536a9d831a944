"""From a corpus folder to a feature folder: every utterance analysed, once."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from adaptts.corpora import audio, manifest
from adaptts.corpora.manifest import Manifest
from adaptts.features import mel, processes, prosody, store, text
from adaptts.params import FeatureParams

# Utterances that a worker takes at a time: enough to make handing over cheap, few enough to keep
# all workers busy to the end.
BATCH_UTTERANCES = 16

# A recording whose largest sample is smaller, a few steps of 16 bits, holds no speech.
LEAST_PEAK = 1e-4


class RecordingError(ValueError):
    """A recording cannot be analysed; the message names the utterance."""


@dataclass(frozen=True)
class Analysis:
    """Where recordings are read, how they are analysed, and where their features are written."""

    corpus: Path
    folder: Path
    sampling_rate: int  # Hz
    params: FeatureParams
    shapes: store.Shapes  # of the arrays in the folder


def extract(corpus: Path, params: FeatureParams, folder: Path, workers: int) -> None:
    """Write the features of the corpus folder `corpus` into the empty folder `folder`.

    `workers` processes analyse side by side; their number changes no bit of the result. Raises
    `ValueError`, naming the utterance, for a recording or a text that cannot be used.
    """
    recordings = manifest.read(corpus)
    transcripts = text.exact_transcripts(recordings.phones)
    inventory = text.inventory_of(transcripts.values())
    index = _index(recordings, transcripts, params)
    durations = _exact_durations(recordings, index, params)
    shapes = store.shapes(params, index)
    store.create_arrays(folder, shapes)
    arrays = store.open_arrays(folder, shapes, "r+")
    places = {phone: place for place, phone in enumerate(inventory)}
    arrays["phones"][:] = [places[p] for u in index["utterance"] for p in transcripts[u]]
    arrays["durations"][:] = np.concatenate(durations)
    analysis = Analysis(corpus, folder, recordings.info.sampling_rate, params, shapes)
    _analyse_all(analysis, index, workers)
    store.write_tables(
        folder,
        index,
        params,
        recordings.info.sampling_rate,
        inventory,
        store.sum_by_speaker(index, arrays["mel"], arrays["f0"]),
    )


def read_recording(path: Path, utterance: str) -> NDArray[np.float64]:
    """The samples of a mono recording, full scale ±1.

    Raises `RecordingError` if it is missing, empty, not finite, or silent throughout.
    """
    try:
        waveform = audio.read(path).samples[:, 0]
    except audio.AudioError as error:
        raise RecordingError(f"utterance {utterance}: {error}") from None
    if not np.isfinite(waveform).all():
        raise RecordingError(f"utterance {utterance}: {path} holds samples that are not numbers")
    peak = np.abs(waveform).max(initial=0.0)
    if peak < LEAST_PEAK:
        raise RecordingError(
            f"utterance {utterance}: {path} is empty or silent, its peak is {peak:.1e} and must "
            f"be {LEAST_PEAK:.0e} or more; leave it out"
        )
    return waveform


def _index(
    recordings: Manifest, transcripts: text.Transcripts, params: FeatureParams
) -> pd.DataFrame:
    """The manifest's table with the sizes and offsets of each utterance's features."""
    rate = recordings.info.sampling_rate
    samples = np.rint(recordings.table["seconds"].to_numpy() * rate).astype(np.int64).tolist()
    return store.with_offsets(
        recordings.table.assign(
            frames=[mel.frame_count(count, params) for count in samples],
            phones=[len(transcripts[utterance]) for utterance in recordings.table["utterance"]],
            cepstrum_frames=[prosody.frame_count(count, rate, params) for count in samples],
        )
    )


def _exact_durations(
    recordings: Manifest, index: pd.DataFrame, params: FeatureParams
) -> list[NDArray[np.int64]]:
    ends = recordings.phones.groupby("utterance", sort=False)["end_seconds"].agg(np.array)
    frames_per_second = recordings.info.sampling_rate / params.hop_samples
    return [
        text.exact_durations(utterance, ends[utterance], frames, frames_per_second)
        for utterance, frames in zip(index["utterance"], index["frames"], strict=True)
    ]


def _analyse_all(analysis: Analysis, index: pd.DataFrame, workers: int) -> None:
    rows = index.to_dict("records")
    batches = [rows[i : i + BATCH_UTTERANCES] for i in range(0, len(rows), BATCH_UTTERANCES)]
    with tqdm(total=len(rows), desc="features", unit="utterance", disable=None) as progress:
        for count in processes.in_order(partial(_analyse, analysis), batches, workers):
            progress.update(count)


def _analyse(analysis: Analysis, rows: list[dict]) -> int:
    """Write the acoustic features of the utterances `rows` of the index; return their number."""
    arrays = store.open_arrays(analysis.folder, analysis.shapes, "r+")
    for row in rows:
        waveform = read_recording(analysis.corpus / row["path"], row["utterance"])
        try:
            features = _acoustic_features(waveform, analysis.sampling_rate, analysis.params)
        except ValueError as error:
            raise RecordingError(f"utterance {row['utterance']}: {error}") from None
        for name, values in features.items():
            layout = store.LAYOUTS[name]
            start = row[layout.offset]
            arrays[name][start : start + row[layout.count]] = values
    return len(rows)


def _acoustic_features(
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
