"""The features on disk: a few large arrays with all utterances end to end, and an index.

index.parquet               one row per utterance, in the manifest's order: where it lies
mel.npy                     [frames, mels] float32, natural logarithm of the mel magnitudes
f0.npy                      [frames] float32, Hz at the mel's frames, 0 where unvoiced
phones.npy                  [phones] int16, places in the inventory
durations.npy               [phones] int16, mel frames of each phone
mel_cepstra.npy             [cepstrum frames, order + 1] float32, c0 first
world_f0.npy                [cepstrum frames] float32, Hz, 0 where unvoiced
inventory.json              the phones; 0 is padding and occurs in no utterance
inventory.csv               how often each phone is said: see `inventory`
features.json               sampling rate and parameters of the analysis
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adaptts import params
from adaptts.params import FeatureParams

PADDING = "<pad>"

REMEDY = "make the features anew: run the stage features"


@dataclass(frozen=True)
class Layout:
    """Where an array file keeps an utterance: rows `offset` to `offset + count`."""

    offset: str  # columns of the index
    count: str
    dtype: type[np.generic]


LAYOUTS = {
    "mel": Layout("frame_offset", "frames", np.float32),
    "f0": Layout("frame_offset", "frames", np.float32),
    "phones": Layout("phone_offset", "phones", np.int16),
    "durations": Layout("phone_offset", "phones", np.int16),
    "mel_cepstra": Layout("cepstrum_offset", "cepstrum_frames", np.float32),
    "world_f0": Layout("cepstrum_offset", "cepstrum_frames", np.float32),
}


# Array → shape.
Shapes = Mapping[str, tuple[int, ...]]


class StoreError(ValueError):
    """A feature file is missing, truncated or at odds with the index; the message names it."""


@dataclass(frozen=True)
class FeatureStore:
    """Features of a corpus, memory-mapped and read-only. Make it with `open`."""

    index: pd.DataFrame  # indexed by utterance
    params: FeatureParams
    sampling_rate: int  # Hz
    inventory: list[str]  # the phone of each value of `phones`
    _arrays: Mapping[str, np.ndarray]
    _rows: Mapping[str, Mapping[str, slice]]  # by offset column, then utterance

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map the features in `folder`.

        Raises `StoreError` if a file is missing, unreadable, or of another size than by the index.
        """
        index = _read_table(folder / "index.parquet").set_index("utterance")
        settings = _read_json(folder / "features.json")
        if not isinstance(settings, dict) or {"features", "sampling_rate"} - settings.keys():
            raise StoreError(f"{folder / 'features.json'} lacks what it must hold; {REMEDY}")
        feature_params = params.parse(FeatureParams, settings["features"], "features")
        arrays = open_arrays(folder, shapes(feature_params, index), "r")
        return cls(
            index=index,
            params=feature_params,
            sampling_rate=settings["sampling_rate"],
            inventory=_read_json(folder / "inventory.json"),
            _arrays=arrays,
            _rows={layout.offset: _rows_by_utterance(index, layout) for layout in LAYOUTS.values()},
        )

    def mel(self, utterance: str) -> NDArray[np.float32]:
        """Natural-log mel magnitudes, [frames, mels]."""
        return self._of("mel", utterance)

    def f0(self, utterance: str) -> NDArray[np.float32]:
        """F0 in Hz at the mel's frames, 0 where unvoiced, [frames]."""
        return self._of("f0", utterance)

    def phones(self, utterance: str) -> NDArray[np.int16]:
        """Places of the phones in the inventory, [phones]."""
        return self._of("phones", utterance)

    def durations(self, utterance: str) -> NDArray[np.int16]:
        """Mel frames of each phone, each at least 1, in sum the utterance's frames, [phones]."""
        return self._of("durations", utterance)

    def mel_cepstra(self, utterance: str) -> NDArray[np.float32]:
        """Mel-cepstra of WORLD's envelope each `frame_period_ms`, [cepstrum frames, order + 1]."""
        return self._of("mel_cepstra", utterance)

    def world_f0(self, utterance: str) -> NDArray[np.float32]:
        """F0 in Hz every `frame_period_ms`, 0 where unvoiced, [cepstrum frames]."""
        return self._of("world_f0", utterance)

    def _of(self, array: str, utterance: str) -> np.ndarray:
        rows = self._rows[LAYOUTS[array].offset]
        if utterance not in rows:
            raise KeyError(f"utterance {utterance!r} is not in the feature index")
        values = self._arrays[array][rows[utterance]]
        if not np.isfinite(values).all():
            raise StoreError(f"{array}.npy holds NaN or infinity in {utterance}; {REMEDY}")
        return values


def with_offsets(index: pd.DataFrame) -> pd.DataFrame:
    """Add the offset columns to an index that has counts: utterances lie end to end."""
    counts = {layout.offset: layout.count for layout in LAYOUTS.values()}
    return index.assign(
        **{
            offset: index[count].cumsum().shift(fill_value=0).astype(np.int64)
            for offset, count in counts.items()
        }
    )


def write_tables(
    folder: Path,
    index: pd.DataFrame,
    feature_params: FeatureParams,
    sampling_rate: int,
    inventory: list[str],
) -> None:
    """Write all but the arrays; `index` holds its key as a column."""
    index.to_parquet(folder / "index.parquet", index=False)
    settings = {"sampling_rate": sampling_rate, "features": asdict(feature_params)}
    _write_json(folder / "inventory.json", inventory)
    _write_json(folder / "features.json", settings)


def create_arrays(folder: Path, array_shapes: Shapes) -> None:
    """Write the array files, full of zeros. Raises `OSError` if the disk cannot hold them."""
    for name, shape in array_shapes.items():
        path = folder / f"{name}.npy"
        np.lib.format.open_memmap(path, mode="w+", dtype=LAYOUTS[name].dtype, shape=shape).flush()
        # The file has holes as yet. A full disk should be an error here, and not the death of
        # whoever writes into a hole later.
        if hasattr(os, "posix_fallocate"):
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def open_arrays(
    folder: Path, array_shapes: Shapes, mode: Literal["r", "r+"]
) -> dict[str, np.ndarray]:
    """Map the array files. Raises `StoreError` if one is missing or not of its shape."""
    arrays = {}
    for name, shape in array_shapes.items():
        path = folder / f"{name}.npy"
        try:
            array = np.load(path, mmap_mode=mode, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise StoreError(f"{path} is missing or cut short ({error}); {REMEDY}") from None
        dtype = np.dtype(LAYOUTS[name].dtype)
        if array.shape != shape or array.dtype != dtype:
            raise StoreError(
                f"{path} must hold {dtype} {shape} by the index, "
                f"got {array.dtype} {array.shape}; {REMEDY}"
            )
        arrays[name] = array
    return arrays


def shapes(feature_params: FeatureParams, index: pd.DataFrame) -> Shapes:
    """The shape of each array, to hold all utterances of `index`."""
    widths = {
        "mel": (feature_params.mels,),
        "mel_cepstra": (feature_params.mel_cepstrum_order + 1,),
    }
    return {
        name: (int(index[layout.count].to_numpy().sum()), *widths.get(name, ()))
        for name, layout in LAYOUTS.items()
    }


def _rows_by_utterance(index: pd.DataFrame, layout: Layout) -> dict[str, slice]:
    starts, counts = index[layout.offset].tolist(), index[layout.count].tolist()
    return {
        utterance: slice(start, start + count)
        for utterance, start, count in zip(index.index, starts, counts, strict=True)
    }


def _read_table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise StoreError(f"{path} is missing or cut short ({error}); {REMEDY}") from None


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} is missing or cut short ({error}); {REMEDY}") from None


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
