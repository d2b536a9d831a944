"""Whatever is wrong with recordings is told at once, or listed where that is asked for."""

import resource
import struct
import tempfile
from pathlib import Path

import miniatures
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from miniatures import left_out, prepare, record

from adaptts.corpora.manifest import ManifestError

RATE = 16000


def header(path: Path, seconds: float, held: float | None = None) -> None:
    """A WAV file that says it lasts so long; on the disk it takes no room."""
    size = round(seconds * RATE) * 2
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE * 2, 2, 16)
    riff = struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE")
    path.write_bytes(riff + form + struct.pack("<4sI", b"data", size))
    with path.open("r+b") as file:
        file.truncate(44 + (size if held is None else round(held * RATE) * 2))


def three_hours(path: Path) -> None:
    header(path, 3 * 3600.0)


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def header_only(path: Path) -> None:
    header(path, 0.0)


def cut_short(path: Path) -> None:
    header(path, 2.0, held=1.0)


def loop(path: Path) -> None:
    path.symlink_to(path)


BAD = {
    three_hours: "bad.wav lasts 10800 s; an utterance lasts at most 120 s: cut it into utterances",
    nothing: "bad.wav has 0 bytes",
    header_only: "bad.wav is empty: a header without samples",
    cut_short: "bad.wav is cut short: 32044 of 64044 bytes",
    loop: "bad.wav cannot be read as audio",
}


@pytest.fixture
def source(tmp_path) -> Path:
    """Two recordings, of which bad.wav is to be made."""
    folder = tmp_path / "mine"
    record(folder / "good.wav", RATE)
    text = "path,speaker,text\ngood.wav,anna,Hello\nbad.wav,anna,Bye\n"
    miniatures.write(folder / "metadata.csv", text)
    return folder


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_a_bad_recording_is_told(source, tmp_path, make):
    make(source / "bad.wav")
    with pytest.raises(ManifestError) as error:
        prepare("folder", tmp_path / "corpus", path=str(source))
    assert BAD[make] in str(error.value)
    assert list((tmp_path / "corpus").iterdir()) == []  # nothing was begun


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_a_bad_recording_is_left_out_and_listed_where_that_is_asked_for(source, tmp_path, make):
    make(source / "bad.wav")
    corpus = prepare("folder", tmp_path / "corpus", path=str(source), tolerate=True)
    assert corpus.table["utterance"].tolist() == ["good"]
    assert BAD[make] in left_out(corpus)["bad"]


def test_hours_of_recording_are_not_read_into_memory(source, tmp_path):
    three_hours(source / "bad.wav")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    prepare("folder", tmp_path / "corpus", path=str(source), tolerate=True)
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 345_000  # as 16-bit samples; as floats it would be four times as much


def test_where_nothing_is_left_that_is_told(source, tmp_path):
    (source / "good.wav").write_bytes(b"")
    nothing(source / "bad.wav")
    with pytest.raises(ManifestError, match="has no recording that can be used; mend the copy"):
        prepare("folder", tmp_path / "corpus", path=str(source), tolerate=True)


@pytest.mark.parametrize(
    ("encoding", "refused"),
    [("utf-8", False), ("utf-8-sig", False), ("latin-1", True), ("utf-16", True), ("cp1252", True)],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_transcripts_are_utf_8_with_any_line_ends(tmp_path, encoding, refused, end):
    lines = ["path,speaker,text", "good.wav,anna,Grüße", ""]
    record(tmp_path / "mine" / "good.wav", RATE)
    miniatures.write(tmp_path / "mine" / "metadata.csv", end.join(lines), encoding)
    if refused:
        with pytest.raises(ManifestError, match=r"metadata\.csv, line \d: is not text in UTF-8"):
            prepare("folder", tmp_path / "corpus", path=str(tmp_path / "mine"), language="de")
    else:
        corpus = prepare("folder", tmp_path / "corpus", path=str(tmp_path / "mine"))
        assert corpus.table["text"].tolist() == ["Grüße"]


def test_an_utterances_own_text_that_is_not_utf_8_is_told_or_left_out(tmp_path):
    copy = tmp_path / "vctk"
    miniatures.write(copy / "speaker-info.txt", "ID AGE GENDER ACCENTS\np225 23 F English\n")
    for number, encoding in ((1, "utf-8"), (2, "latin-1")):
        name = f"p225_{number:03d}"
        record(copy / "wav48_silence_trimmed" / "p225" / f"{name}_mic2.flac", 48000)
        miniatures.write(copy / "txt" / "p225" / f"{name}.txt", "A café.\n", encoding)
    with pytest.raises(ManifestError, match=r"p225_002\.txt, line 1: is not text in UTF-8"):
        prepare("vctk", tmp_path / "corpus", path=str(copy))
    corpus = prepare("vctk", tmp_path / "left", path=str(copy), tolerate=True)
    assert corpus.table["utterance"].tolist() == ["p225_001"]
    assert "is not text in UTF-8" in left_out(corpus)["p225_002"]


SIGNS = ['"', ",", "|", "\n", "\r", "\t", "\\", "/", ".", "\0", "\u2028", "\ufeff", "é", "{", "a"]
TROUBLE = st.text(st.sampled_from(SIGNS) | st.characters(), max_size=8)
FORMS = {
    "folder": {"metadata.csv": "path,speaker,text\ngood.wav,anna,Hello\n"},
    "audiofolder": {
        "metadata.jsonl": '{"file_name": "good.wav", "speaker": "anna", "text": "Hello"}\n'
    },
    "kaldi": {
        "wav.scp": "one good.wav\n",
        "text": "one Hello\n",
        "utt2spk": "one anna\n",
        "spk2gender": "anna f\n",
    },
    "ljspeech": {"metadata.csv": "good|Hello|Hello\n"},
}
EXCLUDE = "utterance,reason\n"


@settings(max_examples=60, deadline=None)
@given(data=st.data(), reader=st.sampled_from([*FORMS]), form=st.sampled_from(["utf-8", "utf-16"]))
def test_whatever_stands_in_a_users_files_there_is_a_corpus_or_a_clear_error(data, reader, form):
    """Something is put into one of the files, anywhere: only ManifestError may come of it."""
    files = {**FORMS[reader], "exclude.csv": EXCLUDE}
    chosen = data.draw(st.sampled_from([*files]))
    place, put = data.draw(st.integers(0, len(files[chosen]))), data.draw(TROUBLE)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "anna"
        for folder in (root, root / "wavs"):
            record(folder / "good.wav", RATE, seconds=0.15)
        for file, text in files.items():
            miniatures.write(root / file, text)
        changed = files[chosen][:place] + put + files[chosen][place:]
        (root / chosen).write_bytes(changed.encode(form, errors="surrogatepass"))
        try:
            corpus = prepare(
                reader, Path(name) / "corpus", path=str(root), exclude=str(root / "exclude.csv")
            )
        except ManifestError:
            event(f"{reader}: refused")
        else:
            event(f"{reader}: taken")
            assert len(corpus.table) == 1


def test_half_a_character_in_json_is_told_before_any_recording_is_read(tmp_path):
    record(tmp_path / "mine" / "good.wav", RATE)
    entry = '{"file_name": "good.wav", "speaker": "anna", "text": "Hello \\ud83d"}\n'
    miniatures.write(tmp_path / "mine" / "metadata.jsonl", entry)
    with pytest.raises(ManifestError, match=r"line 1: has control characters or halves of others"):
        prepare("audiofolder", tmp_path / "corpus", path=str(tmp_path / "mine"))
