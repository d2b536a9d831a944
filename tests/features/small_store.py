"""A feature store of four short utterances, with random values."""

from pathlib import Path

import numpy as np
import pandas as pd
from written_store import write_values

from adaptts.features import store
from adaptts.features.store import FeatureStore
from adaptts.params import FeatureParams

PARAMS = FeatureParams(
    n_fft=64,
    hop_samples=16,
    mels=3,
    mel_min_hz=0.0,
    mel_max_hz=4000.0,
    f0_min_hz=60.0,
    f0_max_hz=400.0,
    mel_cepstrum_order=2,
    frame_period_ms=5.0,
    alignment_pooled_iterations=0,
    alignment_iterations=2,
)
INDEX = store.with_offsets(
    pd.DataFrame(
        {
            "utterance": ["a-1", "b-1", "a-2", "c-1"],
            "speaker": ["a", "b", "a", "c"],
            "text": ["x", "y", "z", "NA"],
            "frames": [4, 6, 5, 3],
            "phones": [2, 3, 2, 1],
            "cepstrum_frames": [9, 8, 7, 6],
            "shard": ["a-000", "b-000", "a-000", "c-000"],
        }
    )
)

# Array → utterance → values.
Values = dict[str, dict[str, np.ndarray]]


def random_values(seed: int = 0) -> Values:
    generator = np.random.default_rng(seed)
    values: Values = {}
    for name, layout in store.LAYOUTS.items():
        values[name] = {}
        for row in INDEX.to_dict("records"):
            counts = {layout.count: [row[layout.count]]}
            shape = store.shapes({name: layout}, PARAMS, counts)[name]
            own = (
                generator.normal(size=shape) if "mel" in name else generator.uniform(1, 300, shape)
            )
            values[name][row["utterance"]] = own.astype(layout.dtype)
    values["f0"]["b-1"][::3] = 0
    return values


def write(folder: Path, values: Values) -> FeatureStore:
    write_values(folder, values, INDEX, PARAMS, 8000, ["<pad>", "sil", "ə"])
    return FeatureStore.open(folder)
