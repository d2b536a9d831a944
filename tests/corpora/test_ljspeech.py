import miniatures
import pytest
from miniatures import prepare, record

from adaptts.corpora.manifest import ManifestError


def make(folder, *lines: str, end: str = "\n"):
    miniatures.write(folder / "metadata.csv", end.join(lines) + end)
    for line in lines:
        record(folder / "wavs" / f"{line.split('|')[0]}.wav", 22050)
    return folder


def test_a_folder_of_speakers_becomes_a_corpus(tmp_path):
    make(
        tmp_path / "mine" / "anna",
        'LJ001-0001|He said "go" in 1834.|He said "go" in eighteen thirty-four.',
        "LJ001-0002|Plain.|",
    )
    make(tmp_path / "mine" / "bert", "\ufeffLJ001-0001|Two columns.", end="\r\n")
    record(tmp_path / "mine" / "bert" / "wavs" / "LJ001-0001.wav", 22050)
    corpus = prepare("ljspeech", tmp_path / "corpus", path=str(tmp_path / "mine"))
    miniatures.check(corpus, "ljspeech", path=str(tmp_path / "mine"))
    table = corpus.table.set_index("utterance")
    assert table["text"].to_dict() == {
        "anna-LJ001-0001": 'He said "go" in eighteen thirty-four.',
        "anna-LJ001-0002": "Plain.",
        "bert-LJ001-0001": "Two columns.",
    }
    assert table["speaker"].tolist() == ["anna", "anna", "bert"]


def test_one_folder_is_one_speaker(tmp_path):
    make(tmp_path / "carl", "a|Hello.")
    corpus = prepare("ljspeech", tmp_path / "corpus", path=str(tmp_path / "carl"))
    assert corpus.table["utterance"].tolist() == ["carl-a"]


def test_a_speaker_whose_folder_cannot_name_one_is_told(tmp_path):
    make(tmp_path / "mine" / "Anna Lee", "a|Hello.")
    with pytest.raises(ManifestError, match="speaker 'Anna Lee' must be 1 to 60 of .* rename"):
        prepare("ljspeech", tmp_path / "corpus", path=str(tmp_path / "mine"))


@pytest.mark.parametrize("line", ["a", "a|b|c|d", "../a|Hello.", "a\\b|Hello."])
def test_a_line_of_another_form_is_told(tmp_path, line):
    miniatures.write(tmp_path / "anna" / "metadata.csv", f"good|Hello.\n{line}\n")
    with pytest.raises(ManifestError, match=r"metadata\.csv, line 2: .* must be id\|text"):
        prepare("ljspeech", tmp_path / "corpus", path=str(tmp_path / "anna"))


def test_a_folder_without_metadata_is_told(tmp_path):
    with pytest.raises(ManifestError, match=r"has no metadata\.csv, nor has any folder in it"):
        prepare("ljspeech", tmp_path / "corpus", path=str(tmp_path))
