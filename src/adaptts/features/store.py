"""The features on disk: shards of recordings' features, the phones of all, and an index.

index.parquet               one row per utterance, in the manifest's order: where it lies
shards/<speaker>-000.safetensors  what is analysed in a speaker's recordings, end to end:
    mel                     [frames, mels] float32, natural logarithm of the mel magnitudes
    f0                      [frames] float32, Hz at the mel's frames, 0 where unvoiced
    mel_cepstra             [cepstrum frames, order + 1] float32, c0 first
    world_f0                [cepstrum frames] float32, Hz, 0 where unvoiced
phones.safetensors          of the whole corpus, end to end:
    phones                  [phones] int16, places in the inventory
    durations               [phones] int16, mel frames of each phone
inventory.json              the phones; 0 is padding and occurs in no utterance
inventory.csv               how often each phone is said: see `inventory`
features.json               sampling rate and parameters of the analysis; each shard's key

A shard holds nothing that depends on other recordings than its own. Its key tells of which it was
made, with what parameters, and stands in the file's header as well.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from adaptts import params
from adaptts.params import FeatureParams

PADDING = "<pad>"

REMEDY = "make the features anew: run the stage features"
SHARDS = "shards"  # their folder
PHONES = "phones.safetensors"
KEY = "key"  # of a shard, in its header


@dataclass(frozen=True)
class Layout:
    """Where an array keeps an utterance: rows `offset` to `offset + count`."""

    offset: str  # columns of the index
    count: str
    dtype: type[np.generic]


# Of the recordings, in shards; and of the texts, in one file.
SPOKEN = {
    "mel": Layout("frame_offset", "frames", np.float32),
    "f0": Layout("frame_offset", "frames", np.float32),
    "mel_cepstra": Layout("cepstrum_offset", "cepstrum_frames", np.float32),
    "world_f0": Layout("cepstrum_offset", "cepstrum_frames", np.float32),
}
WRITTEN = {
    "phones": Layout("phone_offset", "phones", np.int16),
    "durations": Layout("phone_offset", "phones", np.int16),
}
LAYOUTS = {**SPOKEN, **WRITTEN}

# Array → shape.
Shapes = Mapping[str, tuple[int, ...]]


class StoreError(ValueError):
    """A feature file is missing, truncated or at odds with the index; the message names it."""


class OtherKeyError(StoreError):
    """A shard is one of other recordings or parameters; the message names the file."""

    def __init__(self, path: Path, found: str, key: str) -> None:
        super().__init__(
            f"{path} is of other recordings or parameters than features.json says: its key is "
            f"{found!r}, not {key!r}; {REMEDY}"
        )
        self.found = found


class Arrays:
    """The arrays of one file, memory-mapped: what is not asked for stays on the disk."""

    def __init__(self, path: Path, shapes: Shapes, key: str | None = None) -> None:
        """Raises `StoreError` unless the file is whole, has the key if there is one, and holds
        arrays of these shapes.
        """
        self.path = path
        try:
            file = safe_open(path, framework="numpy")
            self._slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            found = (file.metadata() or {}).get(KEY, "")
        except (OSError, SafetensorError) as error:
            raise StoreError(f"{path} is missing or cut short ({error}); {REMEDY}") from None
        if key is not None and found != key:
            raise OtherKeyError(path, found, key)
        for name, shape in shapes.items():
            code = {np.float32: "F32", np.int16: "I16"}[LAYOUTS[name].dtype]
            own = self._slices.get(name)
            form = "nothing" if own is None else f"{own.get_dtype()} {tuple(own.get_shape())}"
            if form != f"{code} {shape}":
                raise StoreError(
                    f"{path} must hold {name} {code} {shape} by the index, got {form}; {REMEDY}"
                )

    def read(self, name: str, rows: slice, utterance: str) -> np.ndarray:
        """A copy of some rows. Raises `StoreError` where they are not finite."""
        values = self._slices[name][rows]
        if not np.isfinite(values).all():
            raise StoreError(f"{self.path} holds NaN or infinity in {name} of {utterance}; remove "
                             f"it and {REMEDY}")  # fmt: skip
        return values


@dataclass(frozen=True)
class Place:
    """Where an utterance lies."""

    shard: str
    rows: Mapping[str, slice]  # by offset column


@dataclass(frozen=True)
class FeatureStore:
    """Features of a corpus, memory-mapped. Make it with `open`."""

    index: pd.DataFrame  # indexed by utterance
    params: FeatureParams
    sampling_rate: int  # Hz
    inventory: list[str]  # the phone of each value of `phones`
    _written: Arrays
    _shards: Mapping[str, Arrays]
    _places: Mapping[str, Place]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map the features in `folder`.

        Raises `StoreError` if a file is missing, unreadable, of another size than by the index, or
        of other features.
        """
        index = _read_table(folder / "index.parquet").set_index("utterance")
        settings = _read_json(folder / "features.json")
        if (
            not isinstance(settings, dict)
            or {"features", "sampling_rate", "keys"} - settings.keys()
        ):
            raise StoreError(f"{folder / 'features.json'} lacks what it must hold; {REMEDY}")
        feature_params = params.parse(FeatureParams, settings["features"], "features")
        keys: dict[str, str] = settings["keys"]
        tables = {str(name): table for name, table in index.groupby("shard", sort=False)}
        if tables.keys() != keys.keys():
            raise StoreError(
                f"{folder / 'features.json'} and index.parquet name different shards; {REMEDY}"
            )
        return cls(
            index=index,
            params=feature_params,
            sampling_rate=settings["sampling_rate"],
            inventory=_read_json(folder / "inventory.json"),
            _written=Arrays(folder / PHONES, shapes(WRITTEN, feature_params, index)),
            _shards={
                name: Arrays(
                    shard_path(folder / SHARDS, name),
                    shapes(SPOKEN, feature_params, table),
                    keys[name],
                )
                for name, table in tables.items()
            },
            _places=_places(index),
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
        place = self._places.get(utterance)
        if place is None:
            raise KeyError(f"utterance {utterance!r} is not in the feature index")
        arrays = self._written if array in WRITTEN else self._shards[place.shard]
        return arrays.read(array, place.rows[LAYOUTS[array].offset], utterance)


def with_offsets(index: pd.DataFrame) -> pd.DataFrame:
    """Add the offset columns to an index that has counts and shards: utterances lie end to end."""
    places = {}
    for layout in LAYOUTS.values():
        counts = index[layout.count]
        within = counts.groupby(index["shard"]) if layout in SPOKEN.values() else counts
        places[layout.offset] = (within.cumsum() - counts).astype(np.int64)
    return index.assign(**places)


def shapes(layouts: Mapping[str, Layout], feature_params: FeatureParams, index: Any) -> Shapes:
    """The shape of each array of `layouts`, to hold all utterances of `index`.

    `index` has the columns of the counts, as a table or as a mapping of sequences.
    """
    widths = {
        "mel": (feature_params.mels,),
        "mel_cepstra": (feature_params.mel_cepstrum_order + 1,),
    }
    return {
        name: (int(np.sum(index[layout.count])), *widths.get(name, ()))
        for name, layout in layouts.items()
    }


def shard_path(shards: Path, name: str) -> Path:
    """The file of a shard in a folder of shards."""
    return shards / f"{name}.safetensors"


def write_shard(path: Path, arrays: Mapping[str, np.ndarray], key: str) -> None:
    """Write a shard, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    save_file(dict(arrays), partial, {KEY: key})
    partial.replace(path)


def write_tables(
    folder: Path,
    index: pd.DataFrame,
    feature_params: FeatureParams,
    sampling_rate: int,
    inventory: list[str],
    written: Mapping[str, Sequence[np.ndarray]],
    keys: Mapping[str, str],
) -> None:
    """Write all but the shards.

    `index` holds its key as a column; `written` each array of `WRITTEN` by utterance, in the
    index's order; `keys` the key of each shard.
    """
    index.to_parquet(folder / "index.parquet", index=False)
    arrays = {n: np.concatenate(parts).astype(LAYOUTS[n].dtype) for n, parts in written.items()}
    save_file(arrays, folder / PHONES)
    _write_json(folder / "inventory.json", inventory)
    settings = {
        "sampling_rate": sampling_rate,
        "features": asdict(feature_params),
        "keys": {shard: keys[shard] for shard in index["shard"].unique()},
    }
    _write_json(folder / "features.json", settings)


def _places(index: pd.DataFrame) -> dict[str, Place]:
    layouts = {layout.offset: layout.count for layout in LAYOUTS.values()}
    columns = [index[name].tolist() for pair in layouts.items() for name in pair]
    return {
        utterance: Place(
            shard,
            {
                offset: slice(start, start + count)
                for offset, start, count in zip(layouts, values[::2], values[1::2], strict=True)
            },
        )
        for utterance, shard, *values in zip(index.index, index["shard"], *columns, strict=True)
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
