import json

import miniatures
import pytest
from miniatures import prepare, record

from adaptts.corpora.manifest import ManifestError


def test_a_folder_with_splits_becomes_a_corpus(tmp_path):
    for split, name in (("train", "one"), ("train", "two"), ("test", "one")):
        record(tmp_path / "set" / split / f"{name}.wav", 16000)
    miniatures.write(
        tmp_path / "set" / "train" / "metadata.csv",
        '\ufefffile_name,transcription,speaker_id,mood,a b\r\none.wav,"Hello, you",anna,calm,x'
        "\r\ntwo.wav,Bye,anna,,x\r\n",
    )
    entry = {"file_name": "one.wav", "text": "Good", "speaker_id": 7, "mood": "glad", "age": 30}
    miniatures.write(tmp_path / "set" / "test" / "metadata.jsonl", json.dumps(entry))
    corpus = prepare("audiofolder", tmp_path / "corpus", path=str(tmp_path / "set"))
    miniatures.check(corpus, "audiofolder", path=str(tmp_path / "set"))
    table = corpus.table.set_index("utterance")
    assert table["text"].to_dict() == {
        "test-one": "Good",
        "train-one": "Hello, you",
        "train-two": "Bye",
    }
    assert table["speaker"].tolist() == ["7", "anna", "anna"]
    assert corpus.groups == ["mood"]  # not every row has an age
    assert table["mood"].tolist() == ["glad", "calm", ""]


def test_metadata_at_the_top_names_files_in_folders(tmp_path):
    record(tmp_path / "set" / "audio" / "a b.wav", 16000)
    miniatures.write(
        tmp_path / "set" / "metadata.csv", "file_name,sentence,client_id\naudio/a b.wav,Hello,x1\n"
    )
    corpus = prepare("audiofolder", tmp_path / "corpus", path=str(tmp_path / "set"))
    assert corpus.table["utterance"].tolist() == ["audio-a_b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file_name,text\na.wav,Hello\n", "line 2: has none of speaker, speaker_id, client_id"),
        ("file_name,speaker\na.wav,anna\n", "line 2: has none of text, sentence"),
        ("text,speaker\nHello,anna\n", "line 2: has none of file_name"),
        ("file_name,text,speaker\n../a.wav,Hello,anna\n", "must be relative, .* stay within"),
        ("file_name,text,speaker\nb\\a.wav,Hello,anna\n", "with / between folders"),
        ("file_name,text,speaker\na.wav,Hello,anna lee\n", "speaker 'anna lee' must be 1 to 60"),
        ("file_name,text,speaker\na.wav,Hello,anna\na.wav,Hi,anna\n", "becomes the utterance 'a'"),
        ('file_name,text,speaker\na.wav,"Hello,anna\n', "cannot be read: unexpected end of data"),
    ],
)
def test_what_is_broken_is_told(tmp_path, text, message):
    record(tmp_path / "set" / "a.wav", 16000)
    miniatures.write(tmp_path / "set" / "metadata.csv", text)
    with pytest.raises(ManifestError, match=message):
        prepare("audiofolder", tmp_path / "corpus", path=str(tmp_path / "set"))


def test_saved_tables_are_told_from_audio_folders(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train-00000-of-00001.parquet").write_bytes(b"PAR1")
    with pytest.raises(ManifestError, match="it is no audio folder; export the data set as one"):
        prepare("audiofolder", tmp_path / "corpus", path=str(tmp_path / "set"))
