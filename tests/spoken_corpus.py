"""Small corpora said by the embedded synthesiser, whose phones and times are exact."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from adaptts.corpora import manifest
from adaptts.corpora.manifest import Manifest
from adaptts.corpora.readers import READERS
from adaptts.params import CorpusParams, FeatureParams

SPEAKERS = ("m8", "paul", "f3", "linda")
SAMPLING_RATE = 16000
FEATURES = FeatureParams(
    n_fft=1024,
    hop_samples=256,
    mels=80,
    mel_min_hz=0.0,
    mel_max_hz=8000.0,
    f0_min_hz=60.0,
    f0_max_hz=500.0,
    mel_cepstrum_order=24,
    frame_period_ms=5.0,
    alignment_pooled_iterations=0,
    alignment_iterations=8,
)


def make_corpus(
    folder: Path, utterances_per_speaker: int, speakers: Sequence[str] = SPEAKERS
) -> Manifest:
    corpus = CorpusParams(
        reader="synthetic",
        sampling_rate=SAMPLING_RATE,
        seed=1,
        utterances_per_speaker=utterances_per_speaker,
        speakers=list(speakers),
    )
    READERS["synthetic"].prepare(corpus, folder, folder / "downloads")
    return manifest.read(folder)


def forget_phones(corpus: Manifest, folder: Path) -> None:
    """Write to `folder` a corpus with the recordings of `corpus`, but of unknown phones."""
    (folder / "audio").symlink_to(corpus.folder / "audio")
    manifest.write(folder, corpus.table, replace(corpus.info, exact_phones=False), grammar="")
