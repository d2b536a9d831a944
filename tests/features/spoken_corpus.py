"""Small corpora said by the embedded synthesiser, whose phones and times are exact."""

from dataclasses import replace
from pathlib import Path

from adaptts.corpora import READERS, manifest
from adaptts.corpora.manifest import Manifest
from adaptts.params import CorpusParams

SPEAKERS = ["m8", "paul", "f3", "linda"]
SAMPLING_RATE = 16000


def make_corpus(folder: Path, utterances_per_speaker: int) -> Manifest:
    corpus = CorpusParams(
        reader="synthetic",
        sampling_rate=SAMPLING_RATE,
        seed=1,
        utterances_per_speaker=utterances_per_speaker,
        speakers=SPEAKERS,
    )
    READERS["synthetic"].prepare(corpus, folder, folder / "downloads")
    return manifest.read(folder)


def forget_phones(corpus: Manifest, folder: Path) -> None:
    """Write to `folder` a corpus with the recordings of `corpus`, but of unknown phones."""
    (folder / "audio").symlink_to(corpus.folder / "audio")
    manifest.write(folder, corpus.table, replace(corpus.info, exact_phones=False), grammar="")
