import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from adaptts.corpora import doctor, manifest
from adaptts.corpora.manifest import ManifestError
from adaptts.corpora.readers import READERS, RECORDED
from adaptts.params import CorpusParams

RATE = 16000
TEXTS = ("Please call Stella.", "Six spoons of fresh snow peas.", "A big toy frog for the kids.")


def speak(text: str, seed: int, rate: int = RATE, letters_per_second: float = 12.0) -> np.ndarray:
    """Noise for as long as the text takes, between two pauses."""
    letters = len(manifest.normalise_text(text).replace(" ", ""))
    noise = np.random.default_rng(seed).uniform(
        -0.5, 0.5, round(letters / letters_per_second * rate)
    )
    return np.pad(noise, round(0.1 * rate))


class Corpus:
    """A folder of recordings that a test adds to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[list[str]] = []

    def add(self, name: str, samples: np.ndarray, text: str, speaker="anna", rate=RATE) -> None:
        soundfile.write(self.folder / f"{name}.wav", samples, rate, subtype="FLOAT")
        self.rows.append([f"{name}.wav", speaker, text])

    def params(self, **changes) -> CorpusParams:
        with (self.folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["path", "speaker", "text"], *self.rows])
        values = {"reader": "folder", "sampling_rate": RATE, "seed": 1, "path": str(self.folder)}
        return CorpusParams(**{**values, **changes})

    def examine(self, needed: int = 1, mel_max_hz: float = 0.0, **changes) -> doctor.Report:
        params = self.params(**changes)
        found = RECORDED["folder"](params, self.folder)
        return doctor.examine(found, params, "speaker", needed, mel_max_hz)


@pytest.fixture
def corpus(tmp_path) -> Corpus:
    """Two speakers without a fault, each 30 utterances."""
    (tmp_path / "mine").mkdir()
    corpus = Corpus(tmp_path / "mine")
    for seed in range(60):
        rate = 11.0 + seed % 3
        text = TEXTS[seed % 3]
        samples = speak(text, seed, letters_per_second=rate)
        corpus.add(f"good{seed}", samples, text, "anna" if seed < 30 else "bert")
    return corpus


def kinds(report: doctor.Report) -> dict[str, str]:
    return {finding.utterance: finding.kind for finding in report.findings}


def test_a_corpus_without_a_fault_has_no_findings(corpus):
    report = corpus.examine()
    assert report.findings == []
    assert report.excluded() == {}
    assert len(report.table) == 60


def test_mel_bands_above_all_that_was_recorded_are_told_of(corpus, tmp_path):
    assert corpus.examine(mel_max_hz=8000.0).findings == []
    (tmp_path / "narrow").mkdir()
    narrow = Corpus(tmp_path / "narrow")
    for seed in range(20):
        narrow.add(f"n{seed}", speak(TEXTS[0], seed, rate=8000), TEXTS[0], rate=8000)
    (finding,) = narrow.examine(mel_max_hz=8000.0).findings
    assert finding.kind == "empty_band"
    assert "nothing above 4000 Hz; lower features.mel_max_hz 8000" in finding.detail
    assert narrow.examine(mel_max_hz=4000.0).findings == []


def plant(corpus: Corpus) -> dict[str, str]:
    """Add a recording with each fault; returns the kind by which each must be found."""
    text = TEXTS[1]
    clipped = np.clip(speak(text, 100) * 4, -1, 1)
    narrow = np.repeat(speak(text, 101, rate=RATE // 8), 8)
    narrow = np.convolve(narrow, np.hanning(33) / 16, mode="same")
    narrow = np.fft.irfft(np.fft.rfft(narrow) * (np.fft.rfftfreq(len(narrow), 1 / RATE) < 900))
    corpus.add("clipped", clipped, text)
    corpus.add("narrow", narrow, text)
    corpus.add("silent", np.zeros(RATE), text)
    corpus.add("nan", np.full(RATE, np.nan), text)
    corpus.add("short", speak(text, 102)[:400], text)
    corpus.add("copy", speak(TEXTS[0], 0, letters_per_second=11.0), TEXTS[0], "bert")
    corpus.add("fast", speak(text, 103, letters_per_second=40.0), text)
    corpus.add("slow", speak(text, 104, letters_per_second=3.0), text)
    corpus.add("other_rate", speak(text, 105, rate=22050), text, rate=22050)
    corpus.add("mislabelled", speak(text, 106, rate=RATE), text, rate=48000)
    corpus.add("digits", speak(text, 107), "In 1834 there were 12 %.")
    corpus.add("script", speak(text, 108), "Six spoons of снег peas, 新.")
    corpus.add("spelt", speak(text, 112), "Six spoons of fresh BBC peas.")
    corpus.add("long", np.tile(speak(text, 109), 20), " ".join([text] * 20))
    corpus.add("wordless", speak(text, 110), "?!")
    (corpus.folder / "empty.wav").write_bytes(b"")
    corpus.rows.append(["empty.wav", "anna", text])
    corpus.rows.append(["none.wav", "anna", text])
    corpus.add("spare", speak(text, 111), text)
    corpus.rows.pop()
    return {
        "clipped": "clipped",
        "narrow": "bandwidth",
        "silent": "unusable",
        "nan": "unusable",
        "short": "unusable",
        "copy": "duplicate",
        "fast": "speaking_rate",
        "slow": "speaking_rate",
        "other_rate": "sampling_rate",
        "mislabelled": "speaking_rate",
        "digits": "characters",
        "script": "unsaid",
        "spelt": "guess",
        "long": "duration",
        "wordless": "broken_row",
        "empty": "unusable",
        "none": "unusable",
        str(corpus.folder / "spare.wav"): "extra",
    }


def test_every_planted_fault_is_found_and_nothing_else(corpus):
    planted = plant(corpus)
    report = corpus.examine()
    found = {(finding.utterance, finding.kind) for finding in report.findings}
    # A wrong header shows in the rate of the file as well, strange letters in how they are said.
    also = {("mislabelled", "sampling_rate"), ("script", "guess"), ("script", "characters")}
    assert also < found
    assert found - also == set(planted.items())


def test_what_is_listed_is_left_out_and_recorded_and_the_rest_is_usable(corpus, tmp_path):
    planted = plant(corpus)
    report = corpus.examine()
    doctor.write(report, tmp_path / "check")
    listed = pd.read_csv(tmp_path / "check" / "exclude.csv", na_filter=False)["utterance"].tolist()
    assert set(listed) == {name for name, kind in planted.items() if doctor.KINDS[kind].excludes}
    params = corpus.params(exclude=str(tmp_path / "check" / "exclude.csv"))
    (tmp_path / "corpus").mkdir()
    READERS["folder"].prepare(params, tmp_path / "corpus", tmp_path)
    made = manifest.read(tmp_path / "corpus")
    assert set(listed).isdisjoint(made.table["utterance"])
    assert len(made.table) == len(corpus.rows) - len(listed)
    reasons = {remark.utterance: remark.reason for remark in made.info.exclusions}
    assert set(reasons) == set(listed)
    assert "exclude.csv: duplicate: has the samples of good0" in reasons["copy"]
    # A second look finds nothing more to exclude.
    again = corpus.examine(exclude=str(tmp_path / "check" / "exclude.csv"))
    assert again.excluded() == {}
    assert sum(finding.kind == "gap" for finding in again.findings) == len(listed)


def test_without_the_list_the_same_corpus_is_refused(corpus, tmp_path):
    plant(corpus)
    (tmp_path / "corpus").mkdir()
    with pytest.raises(ManifestError, match="list them in corpus.exclude"):
        READERS["folder"].prepare(corpus.params(), tmp_path / "corpus", tmp_path)


def test_speakers_too_small_for_the_episodes_are_told(corpus):
    corpus.add("only", speak(TEXTS[0], 200), TEXTS[0], "carl")
    report = corpus.examine(needed=31)
    small = {f.speaker: f.detail for f in report.findings if f.kind == "small_speaker"}
    assert small == {
        "anna": "30 utterances; to be held out takes 31",
        "bert": "30 utterances; to be held out takes 31",
        "carl": "1 utterances; to be held out takes 31",
    }


@pytest.mark.parametrize("factor", [3, 1 / 3])
def test_a_speaker_whose_files_all_tell_a_wrong_rate_is_told(corpus, factor):
    """48 kHz for 16 kHz, or the other way round: each recording is like the speaker's others."""
    for seed in range(12):
        text = TEXTS[seed % 3]
        samples = speak(text, 300 + seed, rate=round(RATE / factor))
        corpus.add(f"wrong{seed}", samples, text, "carl")
    report = corpus.examine()
    told = [finding for finding in report.findings if finding.kind == "speaking_rate"]
    assert [(finding.utterance, finding.speaker) for finding in told] == [("", "carl")]
    assert told[0].detail.endswith("letters per second in most utterances; of most speakers: 12.0")
    assert report.excluded() == {}  # a rate can be mended; a speaker is not left out


def test_a_copy_in_another_format_at_another_level_is_found(corpus):
    whole = np.rint(speak(TEXTS[0], 400) * 2**15).astype(np.int32)
    soundfile.write(corpus.folder / "first.wav", whole.astype(np.int16), RATE)
    # Half as loud, with silence around it, in 24 bits.
    soundfile.write(corpus.folder / "softer.flac", np.pad(whole << 15, 500), RATE, subtype="PCM_24")
    corpus.rows += [["first.wav", "anna", TEXTS[0]], ["softer.flac", "bert", TEXTS[0]]]
    assert kinds(corpus.examine()) == {"softer": "duplicate"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("utterance,reason\nnobody,I say so\n", "names utterances that the corpus does not have"),
        ("name,reason\ngood1,x\n", "must have the columns utterance and reason"),
        ('utterance,reason\n"good1"x,y\n', "is not CSV in UTF-8"),
        ("utterance,reason\ngood1,gr\xfc\xdfe\n".encode("latin-1"), "line 2: is not text in UTF-8"),
    ],
)
def test_a_list_of_another_form_is_refused(corpus, tmp_path, text, message):
    data = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "list.csv").write_bytes(data)
    with pytest.raises(ManifestError, match=message):
        corpus.examine(exclude=str(tmp_path / "list.csv"))


def test_links_that_lead_in_a_circle_are_not_followed(corpus):
    (corpus.folder / "again").symlink_to(corpus.folder)
    (corpus.folder / "loop.wav").symlink_to(corpus.folder / "loop.wav")
    assert corpus.examine().findings == []


def test_the_summary_counts_and_the_picture_draws_every_kind(corpus, tmp_path):
    plant(corpus)
    report = corpus.examine()
    text = doctor.summarise(report)
    assert f"{len(report.table)} utterances of 2 speakers" in text
    picture = doctor.draw(report)
    for kind in doctor.KINDS:
        assert kind in text
        assert kind in picture
    doctor.write(report, tmp_path / "check")
    written = pd.read_csv(tmp_path / "check" / "check.csv")
    assert len(written) == len(report.findings)
    words = pd.read_csv(tmp_path / "check" / "words.csv").set_index("word")
    assert words.loc["BBC", ["said", "utterances"]].tolist() == ["letter by letter", "spelt"]
    assert words.loc["снег", "utterances"] == "script"


def test_every_text_that_cannot_be_said_is_named_or_left_out(corpus, tmp_path):
    corpus.add("tag", speak(TEXTS[0], 300), "Please <b> call.")
    corpus.add("han", speak(TEXTS[0], 301), "Please 新 call.")
    (tmp_path / "corpus").mkdir()
    with pytest.raises(ManifestError, match="texts cannot be said; .*corpus.tolerate") as error:
        READERS["folder"].prepare(corpus.params(), tmp_path / "corpus", tmp_path)
    named = [line.partition(" has no sound for ")[2] for line in str(error.value).splitlines()[1:]]
    assert named == [
        "['<', '>'] of 'Please <b> call.' in en-us",
        "['新'] of 'Please 新 call.' in en-us",
    ]
    READERS["folder"].prepare(corpus.params(tolerate=True), tmp_path / "corpus", tmp_path)
    made = manifest.read(tmp_path / "corpus")
    assert {remark.utterance for remark in made.info.exclusions} == {"tag", "han"}
    assert len(made.table) == 60
