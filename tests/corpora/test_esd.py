from pathlib import Path

import miniatures
import pytest
from miniatures import left_out, prepare, record

from adaptts.corpora import esd
from adaptts.corpora.manifest import ManifestError
from adaptts.episodes.split import draw_episodes
from adaptts.params import EpisodeParams, SplitParams

# Where each emotion's sentences begin.
FIRST = {"Neutral": 1, "Angry": 351, "Happy": 701, "Sad": 1051, "Surprise": 1401}
ENGLISH = ("The nine the eggs, I keep.", "Let the glass globe be.")
MANDARIN = ("打远一看，它们的确很是美丽。", "他对谁都那么友好。")


def make(folder: Path, speaker: str, encoding: str, texts=ENGLISH, separator="\t", part="train"):
    """A speaker's folder: two sentences in five emotions."""
    lines = []
    for emotion, first in FIRST.items():
        for place, text in enumerate(texts):
            name = f"{speaker}_{first + place:06d}"
            lines.append(f"{name}{separator}{text}{separator}{emotion}\r\n")
            record(folder / speaker / emotion / part / f"{name}.wav", 16000)
    miniatures.write(folder / speaker / f"{speaker}.txt", "".join(lines) + "\r\n", encoding)


def test_a_copy_becomes_a_corpus(tmp_path):
    make(tmp_path / "Emotion Speech Dataset", "0011", "utf-8")
    make(tmp_path / "Emotion Speech Dataset", "0001", "gb2312", MANDARIN)
    corpus = prepare("esd", tmp_path / "corpus", path=str(tmp_path))
    miniatures.check(corpus, "esd", path=str(tmp_path))
    assert set(corpus.table["speaker"]) == {"0011"}
    assert corpus.table.groupby("emotion").size().to_dict() == dict.fromkeys(
        ("angry", "happy", "neutral", "sad", "surprise"), 2
    )
    row = corpus.table.set_index("utterance").loc["0011_001402"]
    assert (row["text"], row["emotion"], row["sex"]) == (ENGLISH[1], "surprise", "male")
    assert "licence to be signed" in corpus.info.licence


@pytest.mark.parametrize(
    ("speaker", "encoding", "text"),
    [
        ("0011", "utf-8-sig", "Café, I keep."),
        ("0012", "utf-16", "Café, I keep."),
        ("0013", "utf-16-le", "The nine the eggs."),
        ("0016", "cp1252", "It’s the café."),
        ("0001", "gb2312", MANDARIN[0]),
        ("0003", "utf-16", MANDARIN[0]),
        ("0010", "utf-16-le", MANDARIN[0]),
    ],
)
def test_transcripts_are_read_in_whatever_encoding(tmp_path, speaker, encoding, text):
    make(tmp_path / "esd", speaker, encoding, (text,))
    if speaker > "0010":
        make(tmp_path / "esd", "0011", encoding, (text,))
    else:
        make(tmp_path / "esd", "0001", encoding, (text,))
    language = "en-us" if speaker > "0010" else "cmn"
    corpus = prepare("esd", tmp_path / "corpus", path=str(tmp_path / "esd"), language=language)
    assert set(corpus.table["text"]) == {text}


def test_spaces_for_tabs_and_folders_without_parts_are_read(tmp_path):
    make(tmp_path / "esd", "0011", "utf-8", separator=" ", part=".")
    corpus = prepare("esd", tmp_path / "corpus", path=str(tmp_path / "esd"))
    assert set(corpus.table["text"]) == set(ENGLISH)
    assert len(corpus.table) == 10


def test_what_is_spelt_otherwise_in_one_emotion_is_left_out(tmp_path):
    make(tmp_path / "esd", "0011", "utf-8")
    path = tmp_path / "esd" / "0011" / "0011.txt"
    text = path.read_text("utf-8")
    line = f"0011_000352\t{ENGLISH[1]}"
    assert line in text
    path.write_text(text.replace(line, "0011_000352\tLet the glass globe bee."), "utf-8")
    corpus = prepare("esd", tmp_path / "corpus", path=str(tmp_path / "esd"))
    assert left_out(corpus) == {"0011_000352": "its text differs from that in other emotions"}
    assert len(corpus.table) == 9


def test_recordings_without_text_and_texts_without_recording_are_left_out(tmp_path):
    make(tmp_path / "esd", "0011", "utf-8")
    record(tmp_path / "esd" / "0011" / "Sad" / "test" / "0011_001333.wav", 16000)
    corpus = prepare("esd", tmp_path / "corpus", path=str(tmp_path / "esd"))
    assert "0011_001333" in left_out(corpus)


def test_without_a_copy_the_error_says_what_is_needed(tmp_path):
    with pytest.raises(ManifestError, match=r"corpus\.path must be a folder for the reader esd"):
        prepare("esd", tmp_path / "corpus")
    (tmp_path / "corpus").rmdir()
    with pytest.raises(ManifestError, match="lacks 0011: it is not ESD in this language"):
        prepare("esd", tmp_path / "corpus", path=str(tmp_path))


def test_all_twenty_speakers_are_known():
    known = [f"{number:04d}" for number in range(25) if esd._SPEAKER.fullmatch(f"{number:04d}")]
    assert known == [f"{number:04d}" for number in range(1, 21)]
    assert set(known) >= esd.MEN


def test_no_sentence_of_a_query_is_trained_on_in_another_emotion(tmp_path):
    texts = tuple(f"Sentence number {word}." for word in ("one", "two", "three", "four", "five"))
    for speaker in ("0011", "0012", "0013"):
        make(tmp_path / "esd", speaker, "utf-8", texts)
    path = tmp_path / "esd" / "0013" / "0013.txt"
    path.write_text(
        path.read_text("utf-8").replace("_000351\tSentence", "_000351\tSentance"), "utf-8"
    )
    corpus = prepare("esd", tmp_path / "corpus", path=str(tmp_path / "esd"))
    split = SplitParams(test=["0011"], validation=["0012"])
    episodes = EpisodeParams(shots=[1, 2], queries=2, draws=1, text_disjoint=True, seed=1)
    drawn = draw_episodes(corpus.table, split, episodes).merge(corpus.table, on="utterance")
    sentence = drawn["utterance"].str[-6:].astype(int).sub(1) % esd.SENTENCES
    queries = set(sentence[drawn["role"] == "query"])
    assert queries
    assert queries.isdisjoint(sentence[drawn["role"] == "train"])
