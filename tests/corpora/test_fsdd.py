import hashlib
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from adaptts.corpora import archives, audio, fsdd, manifest, recorded
from adaptts.corpora.manifest import ManifestError
from adaptts.corpora.readers import READERS
from adaptts.params import CorpusParams

# The published archive, where whoever runs the tests keeps it beside the repository.
MIRROR = Path(__file__).parents[3] / "shared" / "corpora"


def ask(**changes) -> CorpusParams:
    return CorpusParams(**{"reader": "fsdd", "sampling_rate": 16000, "seed": 1, **changes})


@pytest.fixture(scope="module")
def miniature(tmp_path_factory) -> tuple[archives.Archive, Path]:
    """An archive like the published one: two speakers, ten digits, three takes; and its folder."""
    folder = tmp_path_factory.mktemp("miniature")
    published = fsdd.archive()
    generator = np.random.default_rng(0)
    hashes = {}
    with tarfile.open(folder / published.name, "w:gz") as tar:
        for speaker, level in (("theo", 0.01), ("jackson", 0.9)):
            for digit in range(10):
                for take in range(3):
                    path = folder / f"{digit}_{speaker}_{take}.wav"
                    noise = level * generator.uniform(-1, 1, 4000)
                    soundfile.write(path, noise, 8000, subtype="PCM_16")
                    tar.add(path, published.prefix + path.name)
                    hashes[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    digest = archives.Digest(
        archives.total_hash(hashes), {name: full[:16] for name, full in sorted(hashes.items())}
    )
    return replace(published, digest=digest), folder


def prepare_from(source, params: CorpusParams, folder: Path, downloads: Path) -> None:
    folder.mkdir(exist_ok=True)
    reader = recorded.Reader(lambda params, downloads: fsdd.find_in(source, params, downloads))
    reader.prepare(params, folder, downloads)


def prepare(miniature, tmp_path: Path, **changes) -> manifest.Manifest:
    source, mirror = miniature
    (tmp_path / "corpus").mkdir(parents=True)
    params = ask(mirror=str(mirror), **changes)
    prepare_from(source, params, tmp_path / "corpus", tmp_path / "downloads")
    return manifest.read(tmp_path / "corpus")


def test_recordings_become_a_corpus(miniature, tmp_path):
    corpus = prepare(miniature, tmp_path)
    assert len(corpus.table) == 60
    assert corpus.groups == ["sex", "accent", "word", "take"]
    row = corpus.table.set_index("utterance").loc["7_theo_2"]
    assert row.drop(["seconds", "content_hash"]).to_dict() == {
        "speaker": "theo",
        "text": "seven",
        "path": "audio/theo/7_theo_2.wav",
        "sex": "male",
        "accent": "US",
        "word": "seven",
        "take": "2",
    }
    # 0.5 s of recording and two edges.
    assert row["seconds"] == pytest.approx(0.5 + 2 * audio.EDGE_SECONDS)
    assert corpus.info.licence == "CC BY-SA 4.0"


def test_levels_do_not_tell_speakers_apart(miniature, tmp_path):
    corpus = prepare(miniature, tmp_path)
    peaks = [
        np.abs(audio.read_mono(corpus.folder / path, 16000)).max() for path in corpus.table["path"]
    ]
    assert max(peaks) - min(peaks) < 10 * audio.FLOOR


def test_a_subset_is_even_over_digits_and_drawn_by_the_seed(miniature, tmp_path):
    drawn = []
    for seed in (1, 2):
        corpus = prepare(miniature, tmp_path / str(seed), utterances_per_speaker=13, seed=seed)
        counts = corpus.table.groupby(["speaker", "word"]).size()
        assert set(counts) == {1, 2}
        assert set(corpus.table.groupby("speaker").size()) == {13}
        drawn.append(set(corpus.table["utterance"]))
    assert drawn[0] != drawn[1]


def test_a_subset_holds_the_smaller_ones_whoever_else_is_asked_for(miniature, tmp_path):
    small = prepare(
        miniature, tmp_path / "small", utterances_per_speaker=4, speakers=["jackson"]
    ).table["utterance"]
    large = prepare(miniature, tmp_path / "large", utterances_per_speaker=14).table["utterance"]
    assert set(small) < set(large)


def test_unknown_speakers_are_refused(miniature, tmp_path):
    with pytest.raises(ManifestError, match=r"\['george'\].*jackson, theo"):
        prepare(miniature, tmp_path, speakers=["george"])


def test_the_mirror_may_be_named_by_the_environment(miniature, tmp_path, monkeypatch):
    source, mirror = miniature
    monkeypatch.setenv("ADAPTTS_MIRROR", str(mirror))
    prepare_from(source, ask(), tmp_path / "corpus", tmp_path / "downloads")
    assert len(manifest.read(tmp_path / "corpus").table) == 60


def test_a_copy_gives_the_same_and_is_verified(miniature, tmp_path):
    source, mirror = miniature
    expected = prepare(miniature, tmp_path / "expected")
    (tmp_path / "copy").mkdir()
    subprocess.run(["tar", "-xf", mirror / source.name, "-C", tmp_path / "copy"], check=True)
    prepare_from(source, ask(path=str(tmp_path / "copy")), tmp_path / "corpus", tmp_path / "d")
    assert manifest.read(tmp_path / "corpus").table.equals(expected.table)
    next((tmp_path / "copy").rglob("*.wav")).write_bytes(b"")
    with pytest.raises(ManifestError, match=r"is not FSDD 1\.0\.10; name a copy of that"):
        prepare_from(source, ask(path=str(tmp_path / "copy")), tmp_path / "again", tmp_path / "d")


def test_a_forged_recording_is_named(miniature, tmp_path):
    source, mirror = miniature
    files = {**source.digest.files, "3_theo_1.wav": "0" * 16}
    forged = replace(source, digest=archives.Digest(source.digest.total, files))
    with pytest.raises(ManifestError, match=r"3_theo_1\.wav is not as published"):
        prepare_from(forged, ask(mirror=str(mirror)), tmp_path / "corpus", tmp_path / "d")
    assert not (tmp_path / "d" / "free-spoken-digit-dataset-1.0.10").exists()


def test_the_listing_names_every_take_of_every_digit_and_speaker():
    expected = {
        f"{digit}_{speaker}_{take}.wav"
        for digit in range(10)
        for speaker in fsdd.ACCENTS
        for take in range(fsdd.TAKES)
    }
    assert set(fsdd.archive().digest.files) == expected


@pytest.mark.skipif(
    not (MIRROR / fsdd.archive().name).is_file(), reason="the published archive is not here"
)
def test_the_published_archive_is_accepted(tmp_path):
    READERS["fsdd"].prepare(
        ask(mirror=str(MIRROR), utterances_per_speaker=20), tmp_path / "corpus", tmp_path / "d"
    )
    table = manifest.read(tmp_path / "corpus").table
    assert set(table.groupby(["speaker", "word"]).size()) == {2}
    assert len(table) == 120
