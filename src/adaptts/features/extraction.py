"""From a corpus folder to a feature folder: every utterance analysed, once."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adaptts.corpora import manifest
from adaptts.corpora.manifest import Manifest
from adaptts.features import alignment, durations, inventory, mel, prosody, shards, store, text
from adaptts.features.acoustics import Analysis
from adaptts.features.processes import Workers
from adaptts.features.shards import Done, Earlier
from adaptts.params import FeatureParams


def extract(
    corpus: Path,
    params: FeatureParams,
    folder: Path,
    workers: int,
    earlier: Earlier | None = None,
) -> list[Done]:
    """Write the features of the corpus folder `corpus` into the empty folder `folder`.

    Shards that lie ready in `earlier` are not made again; those that are kept there move to
    `folder` at the end. Returns what became of each shard. `workers` processes work side by side;
    neither their number nor what is reused changes a bit of the result. Raises `ValueError`, naming
    the utterance, for a recording or a text that cannot be used.
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
    exact = _exact_durations(recordings, index, params)
    finished = folder / store.SHARDS
    earlier = earlier or Earlier(finished, {})
    with Workers(workers) as pool:
        done = shards.make_all(Analysis(corpus, rate, params), index, earlier, pool)
        lengths = exact or align_texts(earlier.kept, index, phones, params, pool, len(names))
    if earlier.kept != finished:
        finished.mkdir()
        for each in done:
            shutil.move(store.shard_path(earlier.kept, each.name), finished)
    keys = {each.name: each.key for each in done}
    written = {"phones": phones, "durations": lengths}
    store.write_tables(folder, index, params, rate, names, written, keys)
    speakers = dict(zip(index["utterance"], index["speaker"], strict=True))
    inventory.write(inventory.count(names, transcripts, speakers), folder)
    return done


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
            shard=shards.assign(recordings.table),
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
        durations.from_times(
            utterance, ends[utterance], frames, frames_per_second, mel.first_centre(params)
        )
        for utterance, frames in zip(index["utterance"], index["frames"], strict=True)
    ]


def align_texts(
    kept: Path,
    index: pd.DataFrame,
    phones: list[NDArray[np.int64]],
    params: FeatureParams,
    workers: Workers,
    inventory_size: int,
) -> list[NDArray[np.int64]]:
    """Mel frames of each phone of the utterances in `index`, aligned; shards lie in `kept`."""
    scripts = [
        alignment.Script(
            row["utterance"],
            row["speaker"],
            store.shard_path(kept, row["shard"]),
            row["frame_offset"],
            row["frames"],
            own,
        )
        for row, own in zip(index.to_dict("records"), phones, strict=True)
    ]
    return alignment.align(
        scripts,
        inventory_size,
        params.alignment_iterations,
        workers,
        params.alignment_pooled_iterations,
    )
