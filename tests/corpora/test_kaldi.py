from pathlib import Path

import miniatures
import pytest
from miniatures import left_out, prepare, record

from adaptts.corpora.manifest import ManifestError


@pytest.fixture
def data(tmp_path) -> Path:
    """A data folder with a relative and an absolute path."""
    folder = tmp_path / "data"
    record(folder / "wavs" / "one.wav", 16000)
    record(tmp_path / "elsewhere" / "two.flac", 16000)
    miniatures.write(
        folder / "wav.scp", f"anna-one wavs/one.wav\nbert/two {tmp_path}/elsewhere/two.flac\n"
    )
    miniatures.write(folder / "text", "anna-one HELLO  THERE\nbert/two GOOD MORNING\n")
    miniatures.write(folder / "utt2spk", "anna-one anna\nbert/two bert\n")
    return folder


def change(data: Path, name: str, old: str, new: str) -> None:
    text = (data / name).read_text("utf-8")
    assert old in text
    miniatures.write(data / name, text.replace(old, new))


def test_a_data_folder_becomes_a_corpus(data, tmp_path):
    miniatures.write(data / "spk2gender", "anna f\nbert m\n")
    corpus = prepare("kaldi", tmp_path / "corpus", path=str(data))
    miniatures.check(corpus, "kaldi", path=str(data))
    table = corpus.table.set_index("utterance")
    assert table["text"].to_dict() == {"anna-one": "HELLO THERE", "bert-two": "GOOD MORNING"}
    assert table["speaker"].tolist() == ["anna", "bert"]
    assert table["sex"].tolist() == ["female", "male"]


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("text", "anna-one", "anna-three", "anna-one is not in text"),
        ("utt2spk", "bert/two bert\n", "", "bert/two is not in utt2spk"),
        ("text", "bert/two", "anna-one", "line 2: 'anna-one' stands on line 1 too; remove one"),
        ("wav.scp", "wavs/one.wav", "sox x.wav -t wav - |", "line 1: .* a command, which is not"),
        ("wav.scp", "wavs/one.wav", "wavs\\one.wav", "line 1: path .* must have / between"),
        ("wav.scp", "wavs/one.wav", "wavs/none.wav", r"none\.wav cannot be read .* no such file"),
        ("utt2spk", "anna-one anna", "anna-one anna/b", "speaker 'anna/b' must be 1 to 60 of"),
        ("text", "HELLO  THERE", "", "wav.scp, line 1: there is no word in the text ''"),
    ],
)
def test_what_is_broken_is_told(data, tmp_path, name, old, new, message):
    change(data, name, old, new)
    with pytest.raises(ManifestError, match=message):
        prepare("kaldi", tmp_path / "corpus", path=str(data))


def test_broken_rows_are_left_out_where_that_is_asked_for(data, tmp_path):
    change(data, "wav.scp", "wavs/one.wav", "sox x.wav -t wav - |")
    corpus = prepare("kaldi", tmp_path / "corpus", path=str(data), tolerate=True)
    assert corpus.table["utterance"].tolist() == ["bert-two"]
    assert "is a command" in left_out(corpus)["anna-one"]


def test_keys_that_become_one_name_are_told(data, tmp_path):
    for name, value in (("wav.scp", "wavs/one.wav"), ("text", "HI"), ("utt2spk", "bert")):
        with (data / name).open("a") as file:
            file.write(f"bert-two {value}\n")
    with pytest.raises(ManifestError, match=r"line 3: becomes the utterance 'bert-two', as .*2 d"):
        prepare("kaldi", tmp_path / "corpus", path=str(data))


def test_segments_and_missing_files_are_told(data, tmp_path):
    (data / "text").unlink()
    with pytest.raises(ManifestError, match="text cannot be read: is missing"):
        prepare("kaldi", tmp_path / "corpus", path=str(data))
    miniatures.write(data / "segments", "a anna-one 0.0 1.0\n")
    (tmp_path / "corpus").rmdir()
    with pytest.raises(ManifestError, match="has segments: cut them into files"):
        prepare("kaldi", tmp_path / "corpus", path=str(data))
