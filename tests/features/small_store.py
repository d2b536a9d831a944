"""A feature store of four short utterances, with random values."""

from pathlib import Path

import numpy as np
import pandas as pd

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
        }
    )
)


def random_arrays(seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    arrays = {}
    for name, shape in store.shapes(PARAMS, INDEX).items():
        values = generator.normal(size=shape) if "mel" in name else generator.uniform(1, 300, shape)
        arrays[name] = values.astype(store.LAYOUTS[name].dtype)
    arrays["f0"][::3] = 0
    return arrays


def write(folder: Path, arrays: dict[str, np.ndarray]) -> FeatureStore:
    folder.mkdir(exist_ok=True)
    shapes = store.shapes(PARAMS, INDEX)
    store.create_arrays(folder, shapes)
    for name, array in store.open_arrays(folder, shapes, "r+").items():
        array[:] = arrays[name]
    store.write_tables(folder, INDEX, PARAMS, 8000, ["<pad>", "sil", "ə"])
    return FeatureStore.open(folder)
