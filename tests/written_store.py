"""Feature folders with values that a test makes up."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import load_file

from adaptts.features import store
from adaptts.features.store import LAYOUTS, PHONES, SHARDS, SPOKEN, WRITTEN, FeatureStore
from adaptts.params import FeatureParams


def write_values(
    folder: Path,
    values: Mapping[str, Mapping[str, np.ndarray]],
    index: pd.DataFrame,
    params: FeatureParams,
    sampling_rate: int,
    inventory: list[str],
) -> None:
    """Write the features of `index`, given the values of each array by utterance."""
    shards = folder / SHARDS
    shards.mkdir(parents=True)
    keys = {}
    for name, table in index.groupby("shard", sort=False):
        arrays = {
            array: np.concatenate([values[array][utterance] for utterance in table["utterance"]])
            for array in SPOKEN
        }
        keys[str(name)] = f"parameters-{name}"
        store.write_shard(store.shard_path(shards, str(name)), arrays, keys[str(name)])
    written = {array: [values[array][utterance] for utterance in index["utterance"]]
               for array in WRITTEN}  # fmt: skip
    store.write_tables(folder, index, params, sampling_rate, inventory, written, keys)


def overwrite(folder: Path, utterance: str, array: str, value: float) -> Path:
    """Put a value wherever an array holds something of an utterance; returns the file."""
    row = FeatureStore.open(folder).index.loc[utterance]
    layout = LAYOUTS[array]
    path = folder / PHONES if array in WRITTEN else store.shard_path(folder / SHARDS, row["shard"])
    arrays = load_file(path)
    start = int(row[layout.offset])
    arrays[array][start : start + int(row[layout.count])] = value
    with safe_open(path, framework="numpy") as file:
        key = (file.metadata() or {}).get(store.KEY, "")
    store.write_shard(path, arrays, key)
    return path
