"""Miniatures of published corpora: their layout, with recordings of noise."""

import hashlib
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from adaptts.corpora import doctor, manifest
from adaptts.corpora.manifest import Manifest
from adaptts.corpora.readers import READERS, RECORDED
from adaptts.params import CorpusParams


def record(path: Path, rate: int, seconds: float = 0.3, seed: int = 0, level: float = 0.5) -> None:
    """Write a recording of noise, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = level * np.random.default_rng(seed).uniform(-1, 1, round(seconds * rate))
    soundfile.write(path, noise, rate)


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))


def pack(archive: Path, members: Mapping[str, Path]) -> str:
    """Write a tar file of `members` (name in it → file or folder); returns its SHA-256."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    kind = archive.suffix.removeprefix(".").replace("tgz", "gz")
    with tarfile.open(archive, f"w:{kind}") as tar:
        for name, path in members.items():
            if path.exists():
                tar.add(path, name)
    return hashlib.sha256(archive.read_bytes()).hexdigest()


def prepare(reader: str, target: Path, **changes) -> Manifest:
    """Make the corpus in `target`, with downloads/ beside it, and read it."""
    target.mkdir()
    params = CorpusParams(**{"reader": reader, "sampling_rate": 16000, "seed": 1, **changes})
    READERS[reader].prepare(params, target, target.parent / "downloads")
    return manifest.read(target)


def left_out(corpus: Manifest) -> dict[str, str]:
    return {remark.utterance: remark.reason for remark in corpus.info.exclusions}


def check(corpus: Manifest, reader: str, **changes) -> doctor.Report:
    """What the doctor says of the miniature that `prepare` made a whole corpus of."""
    params = CorpusParams(**{"reader": reader, "sampling_rate": 16000, "seed": 1, **changes})
    found = RECORDED[reader](params, corpus.folder.parent / "downloads")
    report = doctor.examine(found, params, "speaker", needed=1)
    # The two agree on what there is, on what the corpus is published without, and on what its
    # language cannot say.
    kinds = {kind: {each.utterance for each in report.findings if each.kind == kind}
             for kind in ("gap", "unsaid")}  # fmt: skip
    assert set(report.table.index) - kinds["unsaid"] == set(corpus.table["utterance"])
    assert kinds["gap"] | kinds["unsaid"] == left_out(corpus).keys()
    return report
