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
    "SSB00050003.wav\t一 yi4 点 儿 dianr3\n"
    "SSB00050004.wav\t女 nv3 儿 er2 五\n"
    "SSB00050005.wav\t小 xiao3 X ekesi1\n"
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
        ("train", "SSB00050004"),
        ("train", "SSB00050005"),
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
        "aishell3",
        tmp_path / "corpus",
        language="cmn",
        mirror=str(tmp_path / "mirror"),
        tolerate=True,
    )
    miniatures.check(corpus, "aishell3", language="cmn", mirror=str(tmp_path / "mirror"))
    assert corpus.table["text"].tolist() == ["广州", "一点儿", "武术", "国"]
    assert corpus.table["pinyin"].tolist() == ["guang3 zhou1", "yi4 dianr3", "wu3 shu4", "guo2"]
    assert corpus.table["speaker"].tolist() == ["SSB0005", "SSB0005", "SSB0693", "SSB9999"]
    assert corpus.table["sex"].tolist() == ["female", "female", "male", "unknown"]
    assert corpus.table["accent"].tolist() == ["north", "north", "south", "unknown"]
    assert corpus.table["subset"].tolist() == ["train", "train", "test", "test"]
    assert left_out(corpus) == {
        "SSB00050002": "there is no SSB00050002.wav",
        "SSB00050004": "its characters and pinyin do not pair up",
        "SSB00050005": "train/content.txt, line 5: Mandarin has no sound for ['ekesi1'] of "
        "'xiao3 ekesi1' in cmn-latn-pinyin",
    }


def test_another_language_is_refused(copy, tmp_path):
    with pytest.raises(ManifestError, match="corpus.language must be cmn, got 'en-us'"):
        prepare("aishell3", tmp_path / "corpus", path=str(copy))


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"lacks train/content\.txt: it is not AISHELL-3"):
        prepare("aishell3", tmp_path / "corpus", language="cmn", path=str(tmp_path))
