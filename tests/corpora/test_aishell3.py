from pathlib import Path

import miniatures
import pytest
from miniatures import left_out, prepare, record

from adaptts.corpora import aishell3
from adaptts.corpora.manifest import ManifestError

PEOPLE = "# 218 speakers\nSSB0005\tB\tfemale\tnorth\nSSB0693\tA\tmale\tsouth\n"
TRAIN = (
    "SSB00050001.wav\t广 guang3 州 zhou1\n"
    "SSB00050002.wav\t五 wu3 百 bai3\n"
    "SSB00050003.wav\t一 yi1 点 儿 dianr3\n"
)
TEST = "SSB06930002.wav\t武 wu3 术 shu4\nSSB99990001.wav\t国 guo2\n"


@pytest.fixture
def copy(tmp_path) -> Path:
    """The unpacked corpus: a speaker without entry, a line that does not pair up, a gap."""
    folder = tmp_path / "made"
    miniatures.write(folder / "spk-info.txt", PEOPLE)
    miniatures.write(folder / "train" / "content.txt", TRAIN)
    miniatures.write(folder / "test" / "content.txt", TEST)
    for part, name in (
        ("train", "SSB00050001"),
        ("train", "SSB00050003"),
        ("test", "SSB06930002"),
        ("test", "SSB99990001"),
    ):
        record(folder / part / "wav" / name[:7] / f"{name}.wav", 44100)
    return folder


@pytest.mark.parametrize("top", ["", "data_aishell3/"])
def test_the_archive_becomes_a_corpus(copy, tmp_path, top):
    members = {f"{top}{path.name}": path for path in sorted(copy.iterdir())}
    miniatures.pack(tmp_path / "mirror" / aishell3.ARCHIVE.name, members)
    corpus = prepare(
        "aishell3", tmp_path / "corpus", language="cmn", mirror=str(tmp_path / "mirror")
    )
    miniatures.check(corpus, "aishell3", language="cmn", mirror=str(tmp_path / "mirror"))
    assert corpus.table["text"].tolist() == ["广州", "武术", "国"]
    assert corpus.table["speaker"].tolist() == ["SSB0005", "SSB0693", "SSB9999"]
    assert corpus.table["sex"].tolist() == ["female", "male", "unknown"]
    assert corpus.table["accent"].tolist() == ["north", "south", "unknown"]
    assert corpus.table["subset"].tolist() == ["train", "test", "test"]
    assert left_out(corpus) == {
        "SSB00050002": "there is no SSB00050002.wav",
        "SSB00050003": "its characters and pinyin do not pair up",
    }


def test_another_language_is_refused(copy, tmp_path):
    with pytest.raises(ManifestError, match="corpus.language must be cmn, got 'en-us'"):
        prepare("aishell3", tmp_path / "corpus", path=str(copy))


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"lacks train/content\.txt: it is not AISHELL-3"):
        prepare("aishell3", tmp_path / "corpus", language="cmn", path=str(tmp_path))
