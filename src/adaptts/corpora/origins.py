"""What each recording of a corpus was made from, so that the next run need not make it again.

`origins.json` stands beside the manifest. For each recording it has a key, a hash of the source's
bytes and of all else but the code that its samples hang on, and what was told of it. A recording of
the same key, made by the same code, is bit by bit what would be made now.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FILE = "origins.json"
_DIGITS = 32  # of a key: 128 bits

# The bytes of a file that this code has written into the corpus folder in its last run, by its path
# there, or None where there is no such file or not a whole one.
Former = Callable[[str], bytes | None]


@dataclass(frozen=True)
class Brought:
    """What became of one recording."""

    seconds: float = 0.0
    content: str = ""  # see content.content_hash
    notes: tuple[str, ...] = ()
    problem: str | None = None
    prepared: dict[str, float | None] = field(default_factory=dict)  # a row of preparation.csv


@dataclass(frozen=True)
class Last:
    """The last run's recordings."""

    former: Former
    entries: Mapping[str, Any]  # of origins.json, by path

    def take(self, path: str, key: str, folder: Path) -> Brought | None:
        """Put the recording at `path` into the corpus folder, or None if it is to be made."""
        entry = self.entries.get(path)
        if entry is None or entry["key"] != key:
            return None
        recording = self.former(path)
        if recording is None:
            return None
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(recording)
        return Brought(**{**entry["brought"], "notes": tuple(entry["brought"]["notes"])})


def nothing(path: str) -> None:
    """A `Former` for the first run."""
    del path


def key_of(*parts: Any) -> str:
    """A hash of values that JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def read(former: Former) -> Last:
    """What the last run has left, if anything."""
    text = former(FILE)
    return Last(former, json.loads(text) if text else {})


def write(folder: Path, keys: Mapping[str, str], brought: Mapping[str, Brought]) -> None:
    """Write origins.json, of keys and recordings by path; those with problems are left out."""
    entries = {
        path: {"key": keys[path], "brought": asdict(each)}
        for path, each in brought.items()
        if each.problem is None
    }
    lines = ",\n".join(f"{json.dumps(path)}: {json.dumps(each)}" for path, each in entries.items())
    (folder / FILE).write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
