import json
from pathlib import Path

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptts.evaluation.instruments import record
from adaptts.evaluation.measure import NotMeasurableError
from adaptts.evaluation.recognition import METRICS, Listener, Recogniser, score, without, words_of

GRAMMAR = "#JSGF V1.0;\ngrammar test;\npublic <utterance> = {};\n"

sentences = st.lists(st.sampled_from(["one", "two", "three"]), min_size=1, max_size=6).map(" ".join)


@pytest.fixture(scope="module")
def recogniser(corpus: Path) -> Recogniser:
    return Recogniser((corpus / "grammar.jsgf").read_text(encoding="utf-8"), 2e-3)


@pytest.fixture(scope="module")
def said(corpus, store) -> dict[str, np.ndarray]:
    return {utterance: record(corpus, store, utterance) for utterance in store.index.index[:8]}


def test_recordings_are_understood(recogniser, said, store) -> None:
    scores = [
        score(store.index.loc[utterance, "text"], recogniser.hear(waveform, 16000, utterance))
        for utterance, waveform in said.items()
    ]
    assert sum(each.words for each in scores) == 40
    # 2 % of words are mistaken in a larger sample; four of forty would be far beyond chance.
    assert sum(each.word_errors for each in scores) <= 3


def test_what_was_heard_before_changes_nothing(recogniser, said) -> None:
    def hear(order: list[str]) -> dict[str, str]:
        return {
            utterance: recogniser.hear(said[utterance], 16000, utterance) for utterance in order
        }

    assert hear([*said]) == hear([*said][::-1])


def test_the_level_changes_nothing(recogniser, said) -> None:
    utterance, waveform = next(iter(said.items()))
    heard = recogniser.hear(waveform, 16000, utterance)
    assert recogniser.hear(waveform / 64, 16000, utterance) == heard


def test_other_rates_are_understood(recogniser, said) -> None:
    utterance, waveform = next(iter(said.items()))
    slower = recogniser.hear(np.repeat(waveform, 2), 32000, utterance)
    assert slower == recogniser.hear(waveform, 16000, utterance)


@pytest.mark.parametrize("samples", [0, 10, 16000])
def test_silence_is_heard_as_nothing(recogniser, samples: int) -> None:
    assert recogniser.hear(np.zeros(samples), 16000, "silence") == ""


def test_what_is_not_finite_cannot_be_heard(recogniser) -> None:
    with pytest.raises(NotMeasurableError, match="not finite"):
        recogniser.hear(np.array([np.nan]), 16000, "broken")


def test_words_without_pronunciation_are_unspeakable() -> None:
    grammar = GRAMMAR.format("hello world | hello blorpz | (nine | quuxq) hello")
    assert words_of(grammar) == {"hello", "world", "blorpz", "nine", "quuxq"}
    assert Recogniser(grammar, 2e-3).unknown == {"blorpz", "quuxq"}
    assert without(grammar, {"blorpz", "quuxq"}) == GRAMMAR.format(
        "hello world | hello <VOID> | (nine | <VOID>) hello"
    )


def test_words_of_a_grammar_are_not_its_syntax() -> None:
    grammar = """#JSGF V1.0 UTF-8 en;  // public domain
grammar public;
/* one | two */
<polite> = please {politely};
public <utterance> = [<polite>] /0.5/ go* home | /2/ don't+ | public;
"""
    assert words_of(grammar) == {"please", "go", "home", "don't", "public"}


@pytest.mark.parametrize("grammar", ["", "#JSGF V1.0;\ngrammar x;\n", GRAMMAR.format("(one | ")])
def test_malformed_grammars_are_refused(grammar: str) -> None:
    with pytest.raises(ValueError, match=r"mend grammar\.jsgf"):
        Recogniser(grammar, 2e-3)


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


def write_corpus(folder: Path, language: str, grammar: str) -> Path:
    (folder / "corpus.json").write_text(json.dumps({"language": language}))
    (folder / "grammar.jsgf").write_text(grammar)
    return folder


def test_the_hypothesis_stands_beside_the_rate(corpus, store, said) -> None:
    utterance, waveform = next(iter(said.items()))
    text = store.index.loc[utterance, "text"]
    measures = Listener.open(corpus, 2e-3).measure(waveform, 16000, utterance, text)
    assert [each.metric for each in measures] == list(METRICS)
    rate = next(each for each in measures if each.metric == "wer")
    assert rate.value == 100 * jiwer.wer(text, rate.note)


def test_an_empty_hypothesis_is_a_result(corpus) -> None:
    measures = Listener.open(corpus, 2e-3).measure(np.zeros(8000), 16000, "u", "two toys")
    assert {each.metric: each.value for each in measures} == {
        "word_errors": 2,
        "words": 2,
        "character_errors": 8,
        "characters": 8,
        "wer": 100,
        "cer": 100,
    }


def test_other_languages_are_missing_with_the_reason(tmp_path: Path) -> None:
    listener = Listener.open(write_corpus(tmp_path, "de", GRAMMAR.format("hallo")), 2e-3)
    measures = listener.measure(np.zeros(8000), 16000, "u", "hallo")
    assert np.isnan([each.value for each in measures]).all()
    assert {each.note for each in measures} == {"the recogniser knows English, the corpus is in de"}


def test_unknown_words_are_missing_and_named(tmp_path: Path) -> None:
    grammar = GRAMMAR.format("hello world | hello blorpz")
    listener = Listener.open(write_corpus(tmp_path, "en-us", grammar), 2e-3)
    measures = listener.measure(np.zeros(8000), 16000, "u", "hello blorpz")
    assert np.isnan([each.value for each in measures]).all()
    assert {each.note for each in measures} == {"the recogniser has no pronunciation of blorpz"}


def test_broken_sounds_are_missing_with_the_reason(corpus) -> None:
    measures = Listener.open(corpus, 2e-3).measure(np.array([np.inf]), 16000, "u", "two toys")
    assert np.isnan([each.value for each in measures]).all()
    assert {each.note for each in measures} == {"the sound holds samples that are not finite"}
