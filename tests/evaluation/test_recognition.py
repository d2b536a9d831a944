import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptts.evaluation.instruments import record
from adaptts.evaluation.recognition import METRICS, Listener, score

GRAMMAR = "#JSGF V1.0;\ngrammar test;\npublic <utterance> = {};\n"

sentences = st.lists(st.sampled_from(["one", "two", "three"]), min_size=1, max_size=6).map(" ".join)


@given(sentences, sentences | st.just(""))
@settings(max_examples=60)
def test_errors_are_counted_as_jiwer_counts(text: str, hypothesis: str) -> None:
    counted = score(text, hypothesis)
    assert counted.word_errors / counted.words == pytest.approx(jiwer.wer(text, hypothesis))
    assert counted.character_errors / counted.characters == pytest.approx(
        jiwer.cer(text, hypothesis)
    )
    assert counted.words == len(text.split())
    assert counted.characters == len(text)


def test_corpus_rates_come_from_the_counts() -> None:
    pairs = [("one two three", "one too three"), ("four", ""), ("five six", "five six seven")]
    counts = [score(*pair) for pair in pairs]
    texts, hypotheses = zip(*pairs, strict=True)
    rate = sum(each.word_errors for each in counts) / sum(each.words for each in counts)
    assert rate == pytest.approx(jiwer.wer([*texts], [*hypotheses]))


def test_an_empty_hypothesis_deletes_every_word() -> None:
    counted = score("two cheap toys", "")
    assert (counted.word_errors, counted.words) == (3, 3)
    assert (counted.character_errors, counted.characters) == (14, 14)


def test_texts_without_words_are_refused() -> None:
    with pytest.raises(ValueError, match="without words"):
        score(" ", "two")


def test_chinese_is_counted_by_character() -> None:
    counted = score("我 有 三 本 书", "我 有 山 本")
    assert (counted.word_errors, counted.words) == (2, 5)
    assert (counted.character_errors, counted.characters) == (2, 5)


@dataclass(frozen=True)
class Told:
    """A recogniser that hears what it is told to, whatever is said."""

    answer: Callable[[], str]

    def objection(self, words: str) -> str:
        return "too rude" if "damn" in words else ""

    def hear(self, waveform: np.ndarray, sampling_rate: int, utterance: str) -> str:
        return self.answer()


def measure(listener: Listener, text: str) -> dict[str, tuple[float, str]]:
    measures = listener.measure(np.zeros(800), 16000, "u", text)
    return {each.metric: (each.value, each.note) for each in measures}


def test_each_recogniser_has_measures_of_its_own() -> None:
    listener = Listener("en", {"ctc": Told(lambda: "two toys"), "whisper": Told(lambda: "2 boys.")})
    found = measure(listener, "Two toys")
    assert [*found] == [*METRICS, *[f"{metric}_whisper" for metric in METRICS]]
    assert found["wer"] == (0, "two toys")
    # Hypotheses are put in words as texts are.
    assert found["wer_whisper"] == (50, "two boys")
    assert found["character_errors_whisper"][0] == 1


def fail() -> str:
    raise RuntimeError("out of breath")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("two toys", "the recogniser failed: out of breath"),
        ("?!", "the text has no word"),
        ("Damn it", "too rude"),
    ],
)
def test_what_is_not_heard_is_missing_with_the_reason_beside_what_is(text, reason) -> None:
    listener = Listener("en", {"sphinx": Told(lambda: "two toys"), "ctc": Told(fail)})
    found = measure(listener, text)
    assert all(np.isnan(value) and note == reason for name, (value, note) in found.items()
               if name.endswith("_ctc"))  # fmt: skip
    assert np.isnan(found["wer"][0]) == (text != "two toys")


def write_corpus(folder: Path, language: str, grammar: str) -> Path:
    (folder / "corpus.json").write_text(json.dumps({"language": language}))
    (folder / "grammar.jsgf").write_text(grammar)
    return folder


def test_the_hypothesis_stands_beside_the_rate(corpus, store, listener) -> None:
    utterance = store.index.index[0]
    waveform = record(corpus, store, utterance)
    text = store.index.loc[utterance, "text"]
    measures = listener.measure(waveform, 16000, utterance, text)
    assert [each.metric for each in measures] == list(METRICS)
    rate = next(each for each in measures if each.metric == "wer")
    assert rate.value == 100 * jiwer.wer(text, rate.note)


def test_an_empty_hypothesis_is_a_result(listener) -> None:
    measures = listener.measure(np.zeros(8000), 16000, "u", "two toys")
    assert {each.metric: each.value for each in measures} == {
        "word_errors": 2,
        "words": 2,
        "character_errors": 8,
        "characters": 8,
        "wer": 100,
        "cer": 100,
    }


def test_other_languages_are_missing_with_the_reason(tmp_path: Path, evaluation) -> None:
    listener = Listener.open(
        write_corpus(tmp_path, "de", GRAMMAR.format("hallo")), tmp_path, evaluation
    )
    measures = listener.measure(np.zeros(8000), 16000, "u", "hallo")
    assert np.isnan([each.value for each in measures]).all()
    assert {each.note for each in measures} == {"the recogniser knows English, the corpus is in de"}


def test_unknown_words_are_missing_and_named(tmp_path: Path, evaluation) -> None:
    grammar = GRAMMAR.format("hello world | hello blorpz")
    listener = Listener.open(write_corpus(tmp_path, "en-us", grammar), tmp_path, evaluation)
    measures = listener.measure(np.zeros(8000), 16000, "u", "hello blorpz")
    assert np.isnan([each.value for each in measures]).all()
    assert {each.note for each in measures} == {"the recogniser has no pronunciation of blorpz"}


def test_broken_sounds_are_missing_with_the_reason(listener) -> None:
    measures = listener.measure(np.array([np.inf]), 16000, "u", "two toys")
    assert np.isnan([each.value for each in measures]).all()
    assert {each.note for each in measures} == {"the sound holds samples that are not finite"}
