from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from spoken_corpus import forget_phones

from adaptts.corpora import audio, manifest
from adaptts.features import extraction, mel, normalisation, prosody
from adaptts.features.store import FeatureStore


def extract(corpus: Path, params, folder: Path, workers: int = 1) -> FeatureStore:
    folder.mkdir()
    extraction.extract(corpus, params, folder, workers)
    return FeatureStore.open(folder)


def contents(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def textual(corpus, tmp_path_factory) -> Path:
    """The corpus as one whose phones nobody knows."""
    folder = tmp_path_factory.mktemp("textual")
    forget_phones(corpus, folder)
    return folder


@pytest.fixture(scope="module")
def serial(tmp_path_factory) -> Path:
    """Where features made by one process are."""
    return tmp_path_factory.mktemp("serial")


@pytest.fixture(scope="module")
def features(corpus, params, serial) -> FeatureStore:
    return extract(corpus.folder, params, serial / "exact")


@pytest.fixture(scope="module")
def aligned(textual, params, serial) -> FeatureStore:
    return extract(textual, params, serial / "aligned")


def test_the_index_is_the_manifest_with_places(features, corpus):
    columns = corpus.table.columns.drop("utterance")
    assert features.index.index.tolist() == corpus.table["utterance"].tolist()
    for column in columns:
        assert features.index[column].tolist() == corpus.table[column].tolist()
    assert features.index.columns.drop(columns).tolist() == [
        "frames",
        "phones",
        "cepstrum_frames",
        "shard",
        "frame_offset",
        "cepstrum_offset",
        "phone_offset",
    ]


def test_every_utterance_has_its_own_features(features, corpus, params):
    for row in corpus.table.to_dict("records"):
        name = row["utterance"]
        waveform = audio.read_mono(corpus.folder / row["path"], 16000)
        analysis = prosody.analyse(waveform, 16000, params)
        log_mel = mel.log_mel(waveform, 16000, params)
        np.testing.assert_array_equal(features.mel(name), log_mel)
        np.testing.assert_array_equal(features.world_f0(name), analysis.f0_hz.astype(np.float32))
        np.testing.assert_allclose(
            features.mel_cepstra(name),
            prosody.mel_cepstrum(analysis.envelope, 16000, params),
            atol=1e-5,
        )
        assert features.f0(name).shape == (len(log_mel),)


def test_exact_phones_keep_their_names_and_times(features, corpus):
    for utterance, phones in corpus.phones.groupby("utterance"):
        named = [features.inventory[phone] for phone in features.phones(utterance)]
        assert named == phones["phone"].tolist()
        ends = np.cumsum(features.durations(utterance)) * 0.016
        # The centre of the next phone's first frame lies within a frame behind the boundary, save
        # where a short phone borrowed one.
        off = ends[:-1] - phones["end_seconds"].to_numpy()[:-1]
        assert np.median(off) == pytest.approx(0.008, abs=0.006)
        assert np.abs(off).max() < 0.033


@pytest.mark.parametrize("kind", ["features", "aligned"])
def test_durations_fill_every_utterance(kind, request):
    found = request.getfixturevalue(kind)
    for utterance, frames in found.index["frames"].items():
        durations = found.durations(utterance)
        assert durations.sum() == frames == len(found.mel(utterance))
        assert durations.min() >= 1
        assert found.phones(utterance).min() >= 1
        assert len(found.phones(utterance)) == len(durations)


def test_texts_are_pronounced_where_phones_are_unknown(aligned):
    assert aligned.inventory[:2] == ["<pad>", "sil"]
    for utterance in aligned.index.index:
        named = [aligned.inventory[phone] for phone in aligned.phones(utterance)]
        assert (named[0], named[-1]) == ("sil", "sil")


@pytest.mark.usefixtures("features", "aligned")
def test_the_number_of_workers_changes_no_bit(corpus, textual, serial, params, tmp_path):
    for source, name in [(corpus.folder, "exact"), (textual, "aligned")]:
        extract(source, params, tmp_path / name, workers=2)
        assert contents(tmp_path / name) == contents(serial / name)


def damaged(corpus, folder: Path, samples: np.ndarray) -> str:
    """Replace the second recording; return the utterance's name."""
    forget_phones(corpus, folder)
    (folder / "audio").unlink()
    for recording in corpus.table["path"]:
        (folder / recording).parent.mkdir(parents=True, exist_ok=True)
        (folder / recording).symlink_to(corpus.folder / recording)
    victim = corpus.table.iloc[1]
    (folder / victim["path"]).unlink()
    soundfile.write(folder / victim["path"], samples, 16000, subtype="PCM_16")
    table = corpus.table.copy()
    table.loc[1, "seconds"] = len(samples) / 16000
    manifest.write(folder, table, replace(corpus.info, exact_phones=False), grammar="")
    return victim["utterance"]


@pytest.mark.parametrize(
    ("samples", "problem"),
    [
        (np.zeros(16000), "is empty or silent"),
        (np.full(2000, 0.1), r"has 8 mel frames for \d+ phones"),
    ],
)
def test_a_recording_that_cannot_be_used_is_named(corpus, params, tmp_path, samples, problem):
    name = damaged(corpus, tmp_path, samples)
    with pytest.raises(ValueError, match=rf"utterance {name}.*{problem}"):
        extract(tmp_path, params, tmp_path / "features")


def test_an_utterance_without_pitch_is_kept(corpus, params, tmp_path):
    hiss = np.diff(np.random.default_rng(0).normal(scale=0.01, size=32004), n=4)
    name = damaged(corpus, tmp_path, hiss)
    found = extract(tmp_path, params, tmp_path / "features")
    assert not found.f0(name).any()
    assert np.isfinite(found.mel_cepstra(name)).all()
    assert np.isfinite(normalisation.measure(found, found.index.index).log_f0_mean)
