"""From a corpus folder to a feature folder: every utterance analysed, once."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from adaptts.corpora import manifest
from adaptts.corpora.manifest import Manifest
from adaptts.features import (
    acoustics,
    alignment,
    durations,
    inventory,
    mel,
    prosody,
    store,
    text,
)
from adaptts.features.acoustics import Analysis
from adaptts.features.processes import Workers
from adaptts.params import FeatureParams

# Utterances that a worker takes at a time: enough to make handing over cheap, few enough to keep
# all workers busy to the end.
BATCH_UTTERANCES = 16


def extract(corpus: Path, params: FeatureParams, folder: Path, workers: int) -> None:
    """Write the features of the corpus folder `corpus` into the empty folder `folder`.

    `workers` processes work side by side; their number changes no bit of the result. Raises
    `ValueError`, naming the utterance, for a recording or a text that cannot be used.
    """
    recordings = manifest.read(corpus)
    rate = recordings.info.sampling_rate
    transcripts = _transcripts(recordings, params)
    names = inventory.inventory_of(transcripts.values())
    places = {phone: place for place, phone in enumerate(names)}
    phones = [
        np.array([places[phone] for phone in transcripts[utterance]])
        for utterance in recordings.table["utterance"]
    ]
    index = _index(recordings, phones, params)
    # Before the long work begins.
    for utterance, count, frames in zip(
        index["utterance"], index["phones"], index["frames"], strict=True
    ):
        durations.check_frames(utterance, count, frames)
    shapes = store.shapes(params, index)
    store.create_arrays(folder, shapes)
    with Workers(workers) as pool:
        exact = _exact_durations(recordings, index, params)
        _analyse(Analysis(corpus, folder, rate, params, shapes), index, pool)
        lengths = exact or _aligned_durations(folder, index, phones, params, pool, len(names))
    arrays = store.open_arrays(folder, shapes, "r+")
    arrays["phones"][:] = np.concatenate(phones)
    arrays["durations"][:] = np.concatenate(lengths)
    store.write_tables(folder, index, params, rate, names)
    speakers = dict(zip(index["utterance"], index["speaker"], strict=True))
    inventory.write(inventory.count(names, transcripts, speakers), folder)


def _transcripts(recordings: Manifest, params: FeatureParams) -> text.Transcripts:
    if recordings.phones is not None:
        return text.exact_transcripts(recordings.phones, params)
    return text.pronounce(recordings.table, recordings.info.language, params)


def _index(
    recordings: Manifest, phones: list[NDArray[np.int64]], params: FeatureParams
) -> pd.DataFrame:
    """The manifest's table with the sizes and offsets of each utterance's features."""
    rate = recordings.info.sampling_rate
    samples = np.rint(recordings.table["seconds"].to_numpy() * rate).astype(np.int64).tolist()
    return store.with_offsets(
        recordings.table.assign(
            frames=[mel.frame_count(count, params) for count in samples],
            phones=[len(own) for own in phones],
            cepstrum_frames=[prosody.frame_count(count, rate, params) for count in samples],
        )
    )


def _exact_durations(
    recordings: Manifest, index: pd.DataFrame, params: FeatureParams
) -> list[NDArray[np.int64]] | None:
    if recordings.phones is None:
        return None
    ends = recordings.phones.groupby("utterance", sort=False)["end_seconds"].agg(np.array)
    frames_per_second = recordings.info.sampling_rate / params.hop_samples
    return [
        durations.from_times(utterance, ends[utterance], frames, frames_per_second)
        for utterance, frames in zip(index["utterance"], index["frames"], strict=True)
    ]


def _analyse(analysis: Analysis, index: pd.DataFrame, workers: Workers) -> None:
    rows = index.to_dict("records")
    batches = [rows[i : i + BATCH_UTTERANCES] for i in range(0, len(rows), BATCH_UTTERANCES)]
    with tqdm(total=len(rows), desc="features", unit="utterance", disable=None) as progress:
        for count in workers.in_order(partial(acoustics.analyse, analysis), batches):
            progress.update(count)


def _aligned_durations(
    folder: Path,
    index: pd.DataFrame,
    phones: list[NDArray[np.int64]],
    params: FeatureParams,
    workers: Workers,
    inventory_size: int,
) -> list[NDArray[np.int64]]:
    scripts = [
        alignment.Script(row["utterance"], row["speaker"], row["frame_offset"], row["frames"], own)
        for row, own in zip(index.to_dict("records"), phones, strict=True)
    ]
    return alignment.align(
        folder / "mel.npy", scripts, inventory_size, params.alignment_iterations, workers
    )
