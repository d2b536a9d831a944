"""The analysis of the recordings, shard by shard: what was analysed once is not analysed again.

A shard is up to half an hour of one speaker's recordings. Its key is made of hashes of these and of
the parameters: a file with that key, made by the same code, holds what an analysis would give.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from tqdm import tqdm

from adaptts.features import acoustics, store
from adaptts.features.acoustics import Analysis
from adaptts.features.processes import Workers
from adaptts.features.store import Arrays, OtherKeyError, StoreError

# Enough that the largest corpora have few files, and little enough for a worker's memory: half an
# hour takes some 80 MB.
SHARD_SECONDS = 1800.0
KEY_PARTS = ("parameters", "recordings")

Origin = Literal["reused", "kept", "analysed"]
ORIGINS: dict[Origin, str] = {
    "reused": "reused from the last run",
    "kept": "kept of an interrupted run",
    "analysed": "analysed",
}
NAMED = 3  # of shards in a message


@dataclass(frozen=True)
class Shard:
    """Utterances of one speaker that lie in one file."""

    name: str
    rows: Sequence[Mapping[str, Any]]  # of the index


@dataclass(frozen=True)
class Done:
    """A shard that lies finished where shards are kept."""

    name: str
    key: str
    origin: Origin
    utterances: int
    reason: str = "new"  # why it was analysed


@dataclass(frozen=True)
class Earlier:
    """Where shards that this code has made before may be."""

    kept: Path  # a folder: those of an interrupted run; this run's are put there too
    former: Mapping[str, Path]  # those of the last run that ended, by name


def assign(table: pd.DataFrame) -> list[str]:
    """The shard of each utterance of the manifest.

    A speaker's utterances fill shards of up to `SHARD_SECONDS` in the manifest's order, so that
    who else speaks moves none of them.
    """
    fill: dict[str, tuple[int, float]] = {}
    names = []
    for speaker, seconds in zip(table["speaker"], table["seconds"], strict=True):
        number, before = fill.get(speaker, (0, 0.0))
        if before and before + seconds > SHARD_SECONDS:
            number, before = number + 1, 0.0
        fill[speaker] = (number, before + seconds)
        names.append(f"{speaker}-{number:03d}")
    return names


def make_all(
    analysis: Analysis, index: pd.DataFrame, earlier: Earlier, workers: Workers
) -> list[Done]:
    """Have every shard of the index in the folder `earlier.kept`.

    Raises `RecordingError` for a recording that cannot be used; finished shards stay.
    """
    earlier.kept.mkdir(parents=True, exist_ok=True)
    shards = [
        Shard(str(name), table.to_dict("records"))
        for name, table in index.groupby("shard", sort=False)
    ]
    # Long ones first: no process should begin one when all others are done.
    shards.sort(key=lambda shard: -sum(row["frames"] for row in shard.rows))
    done = []
    with tqdm(total=len(index), desc="features", unit="utterance", disable=None) as progress:
        for each in workers.in_order(partial(_make, analysis, earlier), shards):
            progress.update(each.utterances)
            done.append(each)
    return done


def summarise(done: Sequence[Done]) -> str:
    """What was reused and what was not, and why, in one line."""
    by_origin = {origin: [each for each in done if each.origin == origin] for origin in ORIGINS}
    counts = ", ".join(
        f"{len(found)} {words}"
        for words, found in zip(ORIGINS.values(), by_origin.values(), strict=True)
        if found
    )
    reasons: dict[str, list[str]] = {}
    for each in by_origin["analysed"]:
        reasons.setdefault(each.reason, []).append(each.name)
    whys = "; ".join(f"{_list(names)}: {reason}" for reason, names in reasons.items())
    return f"{len(done)} shards: {counts}" + (f" ({whys})" if whys else "")


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _make(analysis: Analysis, earlier: Earlier, shard: Shard) -> Done:
    """Find or analyse a shard."""
    key = _key(analysis, shard)
    done = Done(shard.name, key, "analysed", len(shard.rows))
    target = store.shard_path(earlier.kept, shard.name)
    former = earlier.former.get(shard.name)
    if target.exists() and not _fault(target, analysis, shard, key):
        return replace(done, origin="kept")
    if former is not None and former.exists():
        fault = _fault(former, analysis, shard, key)
        if not fault:
            _copy(former, target)
            return replace(done, origin="reused")
        done = replace(done, reason=fault)
    store.write_shard(target, acoustics.analyse(analysis, shard.rows), key)
    return done


def _fault(path: Path, analysis: Analysis, shard: Shard, key: str) -> str:
    """Why the file cannot stand for the shard; nothing if it can."""
    counts = pd.DataFrame(shard.rows)
    try:
        arrays = Arrays(path, store.shapes(store.SPOKEN, analysis.params, counts), key)
        for row in shard.rows:
            for name, layout in store.SPOKEN.items():
                start = row[layout.offset]
                arrays.read(name, slice(start, start + row[layout.count]), row["utterance"])
    except OtherKeyError as error:
        parts = zip(KEY_PARTS, error.found.split("-"), key.split("-"), strict=False)
        return "other " + " and ".join(part for part, old, new in parts if old != new)
    except StoreError as error:
        return f"damaged: {error}"
    return ""


def _copy(source: Path, target: Path) -> None:
    partial = target.with_name(target.name + ".partial")
    shutil.copyfile(source, partial)
    partial.replace(target)


def _key(analysis: Analysis, shard: Shard) -> str:
    """A hash for each of `KEY_PARTS`."""
    settings = {"sampling_rate": analysis.sampling_rate, **asdict(analysis.params)}
    # How phones are aligned changes nothing here.
    settings = {name: value for name, value in settings.items() if "alignment" not in name}
    recordings = hashlib.sha256()
    for row in shard.rows:
        path = analysis.corpus / row["path"]
        try:
            content = path.read_bytes()
        except OSError as error:
            raise acoustics.RecordingError(
                f"utterance {row['utterance']}: {path} cannot be read as audio: {error}; make the "
                "corpus anew"
            ) from None
        recordings.update(hashlib.sha256(content).digest())
    parameters = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    return f"{parameters.hexdigest()[:16]}-{recordings.hexdigest()[:32]}"
