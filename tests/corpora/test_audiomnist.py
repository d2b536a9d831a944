import json
from pathlib import Path

import miniatures
import pytest
from miniatures import left_out, prepare, record

from adaptts.corpora import audiomnist
from adaptts.corpora.manifest import ManifestError

PEOPLE = {
    "01": {"accent": "german", "age": 30, "gender": "male", "native speaker": "no"},
    "32": {"accent": "Egyptian_American?", "age": "23", "gender": "male", "native speaker": "no"},
    "36": {"accent": "German", "age": "1234", "gender": "female", "native speaker": "no"},
}


@pytest.fixture
def copy(tmp_path) -> Path:
    """The repository's tree: three speakers, with the copies that speaker 36 is known for."""
    top = tmp_path / "made" / f"AudioMNIST-{audiomnist.COMMIT}"
    miniatures.write(top / "data" / "audioMNIST_meta.txt", json.dumps(PEOPLE, indent=4))
    miniatures.write(top / "data" / "36" / "notes.txt", "3_19 and 3_28 were copied")
    miniatures.write(top / "README.md", "not wanted")
    for speaker in PEOPLE:
        for digit, take in ((0, 0), (0, 10), (0, 2), (3, 19), (3, 20)):
            record(top / "data" / speaker / f"{digit}_{speaker}_{take}.wav", 48000)
    return top


def test_the_archive_becomes_a_corpus(copy, tmp_path):
    miniatures.pack(tmp_path / "mirror" / audiomnist.ARCHIVE.name, {copy.name: copy})
    corpus = prepare("audiomnist", tmp_path / "corpus", mirror=str(tmp_path / "mirror"))
    miniatures.check(corpus, "audiomnist", mirror=str(tmp_path / "mirror"))
    assert corpus.table["utterance"].tolist()[:5] == [
        "0_01_0",
        "0_01_2",
        "0_01_10",
        "3_01_19",
        "3_01_20",
    ]
    accents = corpus.table.groupby("speaker")["accent"].first().to_dict()
    assert accents == {"01": "German", "32": "Egyptian_american", "36": "German"}
    assert corpus.table["text"].tolist()[:5] == ["zero", "zero", "zero", "three", "three"]
    assert left_out(corpus) == {"3_36_20": "a copy of 3_36_19"}
    assert "zero" in (corpus.folder / "grammar.jsgf").read_text("utf-8")


def test_a_copy_is_used(copy, tmp_path):
    assert len(prepare("audiomnist", tmp_path / "corpus", path=str(copy)).table) == 14


def test_a_subset_holds_all_digits(copy, tmp_path):
    table = prepare(
        "audiomnist", tmp_path / "corpus", path=str(copy), utterances_per_speaker=2
    ).table
    assert set(table.groupby("speaker")["word"].nunique()) == {2}


def test_people_who_are_not_described_are_told(copy, tmp_path):
    miniatures.write(copy / "data" / "audioMNIST_meta.txt", '{"01": {"accent": "German"}}')
    with pytest.raises(ManifestError, match=r"audioMNIST_meta\.txt must tell of each speaker"):
        prepare("audiomnist", tmp_path / "corpus", path=str(copy))
