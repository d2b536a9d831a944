from pathlib import Path

import numpy as np
import pytest

from adaptts.evaluation.instruments import record
from adaptts.evaluation.recognisers.sphinx import Sphinx, without, words_of
from adaptts.evaluation.recognition import score

GRAMMAR = "#JSGF V1.0;\ngrammar test;\npublic <utterance> = {};\n"


@pytest.fixture(scope="module")
def recogniser(corpus: Path) -> Sphinx:
    return Sphinx((corpus / "grammar.jsgf").read_text(encoding="utf-8"), 2e-3)


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


def test_words_without_pronunciation_are_unspeakable() -> None:
    grammar = GRAMMAR.format("hello world | hello blorpz | (nine | quuxq) hello")
    assert words_of(grammar) == {"hello", "world", "blorpz", "nine", "quuxq"}
    recogniser = Sphinx(grammar, 2e-3)
    assert recogniser.unknown == {"blorpz", "quuxq"}
    assert recogniser.objection("hello quuxq blorpz").endswith("no pronunciation of blorpz, quuxq")
    assert not recogniser.objection("hello world")
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
        Sphinx(grammar, 2e-3)
