import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import miniatures
import pytest
from miniatures import left_out, prepare, record

from adaptts.corpora import libritts
from adaptts.corpora.manifest import ManifestError

PEOPLE = """;ID  |SEX| SUBSET           |MINUTES| NAME
84   | F | dev-clean        |  8.02 | Christie Nowak
4017 | M | train-clean-100  | 25.04 | |CBW|Simon
"""
UTTERANCES = {
    ("dev-clean", "84_121123_000007_000001"): "Maximilian.",
    ("dev-clean", "84_121123_000008_000000"): "Villefort rose, half ashamed.",
    ("train-clean-100", "4017_190319_000001_000000"): "Mister Sparling’s tent.",
}


def make(folder: Path, top: str) -> Path:
    """The unpacked corpus: two speakers in two parts."""
    for (part, name), text in UTTERANCES.items():
        speaker, chapter, *_ = name.split("_")
        place = folder / top / part / speaker / chapter
        record(place / f"{name}.wav", 24000)
        miniatures.write(place / f"{name}.normalized.txt", text)
        miniatures.write(place / f"{name}.original.txt", f"{text} 1.")
        miniatures.write(place / f"{speaker}_{chapter}.trans.tsv", f"{name}\t{text}\t{text}\n")
    return folder / top


@pytest.fixture
def libritts_mirror(tmp_path, monkeypatch) -> Path:
    copy = make(tmp_path / "made", "LibriTTS")
    miniatures.write(copy / "SPEAKERS.txt", PEOPLE)
    digests = {}
    for part in ("dev-clean", "train-clean-100"):
        members = {f"LibriTTS/{name}": copy / name for name in ("SPEAKERS.txt", part)}
        digest = miniatures.pack(tmp_path / "mirror" / f"{part}.tar.gz", members)
        digests[part] = f"sha256:{digest}"
    edition = replace(libritts.LIBRITTS, checksums=digests)
    monkeypatch.setattr(libritts, "LIBRITTS", edition)
    return tmp_path / "mirror"


@pytest.fixture
def restored_mirror(tmp_path, monkeypatch) -> Path:
    copy = make(tmp_path / "made", "LibriTTS_R")
    for part in ("dev-clean", "train-clean-100"):
        archive = tmp_path / "mirror" / f"{part.replace('-', '_')}.tar.gz"
        miniatures.pack(archive, {f"LibriTTS_R/{part}": copy / part})
    people = "READER\tGENDER\tSUBSET\tNAME\n84\tF\tdev-clean\tChristie\n4017\tM\ttrain\tSimon\n"
    miniatures.write(copy / "speakers.tsv", people)
    docs = {"LibriTTS_R/speakers.tsv": copy / "speakers.tsv"}
    miniatures.pack(tmp_path / "mirror" / "doc.tar.gz", docs)
    failed = "libritts_r_failed_speech_restoration_examples"
    miniatures.write(
        copy / failed / "dev-clean_bad_sample_list.txt",
        "./dev-clean/84/121123/84_121123_000008_000000.wav\n",
    )
    miniatures.write(copy / failed / "train-clean-100_bad_sample_list.txt", "")
    miniatures.pack(tmp_path / "mirror" / f"{failed}.tar.gz", {failed: copy / failed})
    monkeypatch.setattr(
        libritts,
        "LIBRITTS_R",
        replace(libritts.LIBRITTS_R, checksums=dict.fromkeys(libritts.PARTS, "")),
    )
    return tmp_path / "mirror"


PARTS = ["train-clean-100", "dev-clean"]


def test_the_parts_archives_become_a_corpus(libritts_mirror, tmp_path):
    corpus = prepare("libritts", tmp_path / "corpus", subsets=PARTS, mirror=str(libritts_mirror))
    miniatures.check(corpus, "libritts", subsets=PARTS, mirror=str(libritts_mirror))
    assert corpus.table["utterance"].tolist() == [name for _, name in UTTERANCES]
    assert corpus.table["text"].tolist() == list(UTTERANCES.values())
    assert corpus.table["speaker"].tolist() == ["84", "84", "4017"]
    assert corpus.table["sex"].tolist() == ["female", "female", "male"]
    assert corpus.table["subset"].tolist() == ["dev-clean", "dev-clean", "train-clean-100"]
    assert corpus.info.exclusions == []


def test_the_archives_are_downloaded_from_a_mirror_on_a_server(libritts_mirror, tmp_path):
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args) -> None:
            pass

    serve = partial(Handler, directory=str(libritts_mirror))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        mirror = f"http://127.0.0.1:{server.server_port}"
        corpus = prepare("libritts", tmp_path / "corpus", subsets=PARTS, mirror=mirror)
        server.shutdown()
        thread.join()
    assert len(corpus.table) == len(UTTERANCES)
    downloaded = {path.name for path in (tmp_path / "downloads").iterdir() if path.is_file()}
    assert downloaded == {"dev-clean.tar.gz", "train-clean-100.tar.gz"}


def test_what_is_unpacked_is_used_without_its_archives(libritts_mirror, tmp_path):
    first = prepare("libritts", tmp_path / "corpus", subsets=PARTS, mirror=str(libritts_mirror))
    for archive in libritts_mirror.iterdir():
        archive.unlink()
    again = prepare("libritts", tmp_path / "again", subsets=PARTS, mirror=str(libritts_mirror))
    assert again.table.equals(first.table)


def test_a_copy_gives_the_same(libritts_mirror, tmp_path):
    expected = prepare("libritts", tmp_path / "corpus", subsets=PARTS, mirror=str(libritts_mirror))
    path = str(tmp_path / "made" / "LibriTTS")
    assert prepare("libritts", tmp_path / "c", subsets=PARTS, path=path).table.equals(
        expected.table
    )


def test_failed_restorations_are_left_out(restored_mirror, tmp_path):
    corpus = prepare("libritts_r", tmp_path / "corpus", subsets=PARTS, mirror=str(restored_mirror))
    miniatures.check(corpus, "libritts_r", subsets=PARTS, mirror=str(restored_mirror))
    assert left_out(corpus) == {
        "84_121123_000008_000000": "its restoration failed, by the authors' list"
    }
    assert corpus.table["sex"].tolist() == ["female", "male"]


def test_a_part_that_a_copy_lacks_is_told(tmp_path):
    copy = make(tmp_path / "made", "LibriTTS")
    with pytest.raises(ManifestError, match="have no folder test-other; unpack that part"):
        prepare("libritts", tmp_path / "corpus", subsets=["test-other"], path=str(copy))


def test_an_unknown_part_is_told(tmp_path):
    with pytest.raises(
        ManifestError, match=r"corpus\.subsets names \['train-clean'\]; .*dev-clean"
    ):
        prepare("libritts", tmp_path / "corpus", subsets=["train-clean"], path=str(tmp_path))


def test_a_recording_without_text_is_told(tmp_path):
    copy = make(tmp_path / "made", "LibriTTS")
    (text,) = copy.glob("train-clean-100/*/*/*.normalized.txt")
    text.unlink()
    with pytest.raises(ManifestError, match=r"000000\.normalized\.txt cannot be read: is missing"):
        prepare("libritts", tmp_path / "corpus", subsets=PARTS, path=str(copy))


@pytest.mark.parametrize("edition", [libritts.LIBRITTS, libritts.LIBRITTS_R], ids=lambda e: e.name)
def test_every_part_has_an_archive_and_a_checksum_of_its_own(edition):
    packed = edition.archives(list(libritts.PARTS))
    digests = {each.checksum for each in packed if each.checksum}
    assert len(digests) == len(libritts.PARTS) == len(packed) - len(edition.extras)
