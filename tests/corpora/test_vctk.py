import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from adaptts.corpora import archives, doctor, manifest, vctk
from adaptts.corpora.manifest import ManifestError
from adaptts.corpora.readers import READERS
from adaptts.params import CorpusParams

SPEAKERS = """ID  AGE  GENDER  ACCENTS  REGION COMMENTS
p225  23  F    English    Southern  England
p280  25  F    Unknown    France (mic2 files unavailable)
p315  18  M    American   New England (Text and mic2 files unavailable)
p362  29  F    American
s5    20  M    NorthernIrish  Belfast
"""
TEXTS = {
    "p225": ["Please call Stella.", "Ask her to bring\n these things."],
    "p280": ["Please call Stella."],
    "p362": ["Please call Stella.", "Six spoons of fresh snow peas."],
    "s5": ["Please call Stella."],
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A miniature of the unpacked corpus, with the gaps that it has."""
    folder = tmp_path_factory.mktemp("vctk")
    (folder / "speaker-info.txt").write_text(SPEAKERS, encoding="utf-8")
    generator = np.random.default_rng(0)
    for speaker in ("p225", "p280", "p315", "p362", "s5"):
        recordings = folder / "wav48_silence_trimmed" / speaker
        recordings.mkdir(parents=True)
        for number, text in enumerate(TEXTS.get(speaker, [""]), start=1):
            name = f"{speaker}_{number:03d}"
            mics = (
                ["mic1"] if speaker in ("p280", "p315") or name == "p362_002" else ["mic1", "mic2"]
            )
            for mic in mics:
                noise = generator.uniform(-0.5, 0.5, 4800 * (1 + (mic == "mic2")))
                soundfile.write(recordings / f"{name}_{mic}.flac", noise, 48000)
            if speaker in TEXTS:
                (folder / "txt" / speaker).mkdir(parents=True, exist_ok=True)
                (folder / "txt" / speaker / f"{name}.txt").write_text(f"{text}\n", "utf-8")
    return folder


def pack(copy: Path, folder: Path, top: str = "") -> Path:
    path = folder / vctk.ARCHIVE.name
    with zipfile.ZipFile(path, "w") as archive:
        for member in sorted(copy.rglob("*")):
            archive.write(member, top + member.relative_to(copy).as_posix())
    return path


def prepare(target: Path, **changes) -> manifest.Manifest:
    target.mkdir()
    params = CorpusParams(**{"reader": "vctk", "sampling_rate": 16000, "seed": 1, **changes})
    READERS["vctk"].prepare(params, target, target.parent / "downloads")
    return manifest.read(target)


def test_a_copy_becomes_a_corpus_without_its_gaps(copy, tmp_path):
    corpus = prepare(tmp_path / "corpus", path=str(copy))
    assert corpus.table["utterance"].tolist() == ["p225_001", "p225_002", "p362_001", "s5_001"]
    assert corpus.groups == ["sex", "accent"]
    row = corpus.table.set_index("utterance").drop(columns="content_hash").loc["p225_002"]
    assert row.to_dict() == {
        "speaker": "p225",
        "text": "Ask her to bring these things.",
        "path": "audio/p225/p225_002.wav",
        "seconds": 0.3,  # 0.2 s of the second microphone, and the edges
        "sex": "female",
        "accent": "English",
    }
    left_out = {remark.utterance: remark.reason for remark in corpus.info.exclusions}
    assert left_out == {
        "p280_001": "there is no p280_001_mic2.flac",
        "p315": "there are no texts of p315",
        "p362_002": "there is no p362_002_mic2.flac",
    }


@pytest.mark.parametrize("top", ["", "VCTK-Corpus-0.92/"])
@pytest.mark.parametrize("named", ["path", "mirror"])
def test_the_archive_gives_the_same_corpus_as_its_copy(copy, tmp_path, top, named, monkeypatch):
    expected = prepare(tmp_path / "expected", path=str(copy))
    archive = pack(copy, tmp_path, top)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(vctk, "ARCHIVE", replace(vctk.ARCHIVE, checksum=f"sha256:{digest}"))
    where = archive if named == "path" else archive.parent
    found = prepare(tmp_path / "corpus", **{named: str(where)})
    files = [path.relative_to(found.folder) for path in found.folder.rglob("*") if path.is_file()]
    assert len(files) == 4 + len(found.table)
    for path in files:
        assert (found.folder / path).read_bytes() == (expected.folder / path).read_bytes()


def test_speakers_and_numbers_of_utterances_are_chosen(copy, tmp_path):
    corpus = prepare(
        tmp_path / "corpus", path=str(copy), speakers=["s5", "p225"], utterances_per_speaker=1
    )
    assert corpus.table["speaker"].tolist() == ["p225", "s5"]


def test_something_else_is_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"lacks wav48_silence_trimmed: .*corpus\.path"):
        prepare(tmp_path / "corpus", path=str(tmp_path))


def test_another_archive_of_that_name_in_the_mirror_is_refused(copy, tmp_path):
    pack(copy, tmp_path)
    with pytest.raises(archives.ArchiveError, match=r"0\.92\.zip is not as published: its sha256"):
        prepare(tmp_path / "corpus", mirror=str(tmp_path))


def test_an_archive_cut_short_is_refused(copy, tmp_path):
    path = pack(copy, tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(archives.ArchiveError, match=r"0\.92\.zip is truncated, damaged or no zip"):
        prepare(tmp_path / "corpus", path=str(path))


def test_a_damaged_recording_in_an_archive_is_named(copy, tmp_path):
    path = pack(copy, tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(b"fLaC", data.index(b"p225_001_mic2.flac")) + 2000] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ManifestError, match=r"p225_001_mic2\.flac cannot be read.*CRC"):
        prepare(tmp_path / "corpus", path=str(path))


def test_a_row_of_speakers_that_cannot_be_read_is_named(copy, tmp_path):
    (tmp_path / "txt").symlink_to(copy / "txt")
    (tmp_path / "wav48_silence_trimmed").symlink_to(copy / "wav48_silence_trimmed")
    (tmp_path / "speaker-info.txt").write_text(f"{SPEAKERS}p999  23\n", encoding="utf-8")
    with pytest.raises(ManifestError, match=r"speaker-info\.txt: 'p999  23' must tell ID, AGE"):
        prepare(tmp_path / "corpus", path=str(tmp_path))


def test_where_there_is_no_path_nor_archive_the_mirror_is_named(tmp_path):
    with pytest.raises(archives.ArchiveError, match=r"mirror .* has no VCTK-Corpus-0\.92\.zip"):
        prepare(tmp_path / "corpus", mirror=str(tmp_path))


@pytest.mark.parametrize("packed", [False, True])
def test_the_check_tells_its_gaps_and_takes_no_first_microphone_for_a_find(copy, tmp_path, packed):
    path = pack(copy, tmp_path) if packed else copy
    params = CorpusParams(reader="vctk", sampling_rate=16000, seed=1, path=str(path))
    report = doctor.examine(vctk.find(params, tmp_path), params, "speaker", needed=1)
    gaps = {finding.utterance for finding in report.findings if finding.kind == "gap"}
    assert gaps == {"p280_001", "p315", "p362_002"}
    assert not any(finding.kind == "extra" for finding in report.findings)
