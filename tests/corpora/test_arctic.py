from pathlib import Path

import miniatures
import pytest
from miniatures import left_out, prepare, record

from adaptts.corpora import arctic
from adaptts.corpora.archives import ArchiveError
from adaptts.corpora.manifest import ManifestError

TEXTS = """( arctic_a0001 "Author of the danger trail, Philip Steels, etc." )
( arctic_a0002 "Not at this particular case, Tom, apologized Whittemore." )
( arctic_a0003 "For the twentieth time that evening the two men shook hands." )
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """Two voices, unpacked; slt lacks a recording."""
    folder = tmp_path_factory.mktemp("arctic")
    for voice, takes in (("awb", (1, 2, 3)), ("slt", (1, 3))):
        top = folder / f"cmu_us_{voice}_arctic"
        miniatures.write(top / "etc" / "txt.done.data", TEXTS)
        miniatures.write(top / "etc" / "txt.done.data.orig", "( arctic_a0001")
        miniatures.write(top / "README", "not wanted")
        for take in takes:
            record(top / "wav" / f"arctic_a{take:04d}.wav", 16000, seed=take)
    return folder


@pytest.fixture
def mirror(copy, tmp_path, monkeypatch) -> Path:
    """The same as one archive for each voice, with the checksums that are looked for."""
    for voice in ("awb", "slt"):
        name = f"cmu_us_{voice}_arctic"
        archive = tmp_path / "mirror" / f"{name}.tar.bz2"
        digest = miniatures.pack(archive, {name: copy / name})
        monkeypatch.setitem(arctic.VOICES, voice, (*arctic.VOICES[voice][:2], digest))
    return tmp_path / "mirror"


def test_the_voices_archives_become_a_corpus(mirror, tmp_path):
    corpus = prepare("arctic", tmp_path / "corpus", speakers=["awb", "slt"], mirror=str(mirror))
    miniatures.check(corpus, "arctic", speakers=["awb", "slt"], mirror=str(mirror))
    assert corpus.table["utterance"].tolist() == [
        "awb_arctic_a0001",
        "awb_arctic_a0002",
        "awb_arctic_a0003",
        "slt_arctic_a0001",
        "slt_arctic_a0003",
    ]
    row = corpus.table.iloc[3]
    assert row["text"] == "Author of the danger trail, Philip Steels, etc."
    assert (row["speaker"], row["sex"], row["accent"]) == ("slt", "female", "US")
    assert row["seconds"] == pytest.approx(0.4)
    assert left_out(corpus) == {"slt_arctic_a0002": "there is no arctic_a0002.wav"}
    unpacked = tmp_path / "downloads" / "cmu_us_awb_arctic" / "cmu_us_awb_arctic"
    assert sorted(path.name for path in unpacked.iterdir()) == ["etc", "wav"]


def test_a_copy_gives_the_same_and_needs_but_the_voices_it_has(copy, mirror, tmp_path):
    expected = prepare("arctic", tmp_path / "corpus", speakers=["awb", "slt"], mirror=str(mirror))
    found = prepare("arctic", tmp_path / "copied", path=str(copy))
    assert found.table.equals(expected.table)
    for path in found.table["path"]:
        assert (found.folder / path).read_bytes() == (expected.folder / path).read_bytes()


def test_a_checksum_that_differs_is_told(copy, mirror, tmp_path):
    miniatures.pack(mirror / "cmu_us_slt_arctic.tar.bz2", {"cmu_us_slt_arctic": copy / "x"})
    with pytest.raises(ArchiveError, match=r"slt_arctic\.tar\.bz2 is not as published: its sha256"):
        prepare("arctic", tmp_path / "corpus", speakers=["slt"], mirror=str(mirror))


def test_a_voice_that_a_copy_lacks_is_told(copy, tmp_path):
    with pytest.raises(ManifestError, match="has no cmu_us_bdl_arctic; unpack its archive there"):
        prepare("arctic", tmp_path / "corpus", speakers=["bdl"], path=str(copy))


def test_a_line_of_another_form_is_told(tmp_path):
    path = tmp_path / "copy" / "cmu_us_bdl_arctic" / "etc" / "txt.done.data"
    miniatures.write(path, TEXTS + "arctic_a0004 Lord,\n")
    with pytest.raises(ManifestError, match=r"txt\.done\.data, line 4: 'arctic_a0004 Lord,' must"):
        prepare("arctic", tmp_path / "corpus", path=str(tmp_path / "copy"))


def test_half_a_copy_is_told(tmp_path):
    folder = tmp_path / "copy" / "cmu_us_bdl_arctic"
    lines = [f'( arctic_a{number:04d} "Lord." )\n' for number in range(1, 203)]
    miniatures.write(folder / "etc" / "txt.done.data", "".join(lines))
    record(folder / "wav" / "arctic_a0001.wav", 16000)
    with pytest.raises(ManifestError, match="201 of 202 recordings are missing.*incomplete"):
        prepare("arctic", tmp_path / "corpus", path=str(tmp_path / "copy"))


def test_there_are_eighteen_voices_and_their_checksums_are_sha256():
    assert len(arctic.VOICES) == 18
    assert len({digest for _, _, digest in arctic.VOICES.values()}) == 18
    assert {len(bytes.fromhex(digest)) for _, _, digest in arctic.VOICES.values()} == {32}
