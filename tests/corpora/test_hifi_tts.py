import json
from pathlib import Path

import miniatures
import pytest
from miniatures import left_out, prepare, record

from adaptts.corpora import hifi_tts
from adaptts.corpora.manifest import ManifestError

ENTRIES = {
    "92_manifest_clean_train.json": [("92_clean/12345/emma_01_austen_0001", "Emma Woodhouse,")],
    "92_manifest_clean_dev.json": [("92_clean/12345/emma_02_austen_0001", "She was seated.")],
    "11614_manifest_other_test.json": [
        ("11614_other/10547/thousandnights8_04_burton_0000", "The thousand nights."),
        ("11614_other/10547/thousandnights8_04_burton_0001", "And one night."),
    ],
}


def entry(path: str, text: str) -> str:
    plain = text.lower().strip(".,")
    values = {"audio_filepath": path, "duration": 0.3, "text": plain, "text_normalized": text}
    return json.dumps(values) + "\n"


@pytest.fixture
def copy(tmp_path) -> Path:
    """The unpacked corpus, two readers; one recording is missing."""
    folder = tmp_path / "made" / "hi_fi_tts_v0"
    for listing, rows in ENTRIES.items():
        lines = [entry(f"audio/{path}.flac", text) for path, text in rows]
        miniatures.write(folder / listing, "".join(lines))
        record(folder / "audio" / f"{rows[0][0]}.flac", 44100)
    miniatures.write(folder / "readers_books_clean.txt", "92 | emma")
    return folder


def test_the_archive_becomes_a_corpus(copy, tmp_path):
    miniatures.pack(tmp_path / "mirror" / hifi_tts.ARCHIVE.name, {"hi_fi_tts_v0": copy})
    corpus = prepare("hifi_tts", tmp_path / "corpus", mirror=str(tmp_path / "mirror"))
    miniatures.check(corpus, "hifi_tts", mirror=str(tmp_path / "mirror"))
    table = corpus.table.set_index("utterance")
    assert table.index.tolist() == [
        "11614_other-10547-thousandnights8_04_burton_0000",
        "92_clean-12345-emma_02_austen_0001",
        "92_clean-12345-emma_01_austen_0001",
    ]
    assert table["text"].tolist() == ["The thousand nights.", "She was seated.", "Emma Woodhouse,"]
    assert table["speaker"].tolist() == ["11614", "92", "92"]
    assert table["sex"].tolist() == ["female", "female", "female"]
    assert table["quality"].tolist() == ["other", "clean", "clean"]
    assert left_out(corpus) == {
        "11614_other-10547-thousandnights8_04_burton_0001": (
            "there is no thousandnights8_04_burton_0001.flac"
        )
    }


def test_a_copy_is_used(copy, tmp_path):
    assert len(prepare("hifi_tts", tmp_path / "corpus", path=str(copy)).table) == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"92_manifest_clean_train\.json, line 1: must be JSON with audio_filepath"),
        ('{"audio_filepath": "a.flac"}', "text_normalized"),
        (entry("../../etc/a.flac", "Out."), "must be relative, .* and stay within"),
    ],
)
def test_a_listing_of_another_form_is_told(copy, tmp_path, line, message):
    miniatures.write(copy / "92_manifest_clean_train.json", line)
    with pytest.raises(ManifestError, match=message):
        prepare("hifi_tts", tmp_path / "corpus", path=str(copy))
