"""In VCTK everybody reads the same two passages; in the layout of VCTK, none of it leaks."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from miniatures import prepare, record, write

from adaptts.corpora.wording import words_of
from adaptts.episodes.audit import audit_episodes
from adaptts.episodes.split import draw_episodes
from adaptts.params import EpisodeParams, SplitParams

# The elicitation paragraph of the Speech Accent Archive, and the Rainbow passage.
PASSAGES = (
    "Please call Stella.",
    "Ask her to bring these things with her from the store.",
    "Six spoons of fresh snow peas, five thick slabs of blue cheese, and maybe a snack for her "
    "brother Bob.",
    "We also need a small plastic snake and a big toy frog for the kids.",
    "When the sunlight strikes raindrops in the air, they act as a prism and form a rainbow.",
    "The rainbow is a division of white light into many beautiful colors.",
    "These take the shape of a long round arch, with its path high above, and its two ends "
    "apparently beyond the horizon.",
    "People look, but no one ever finds it.",
)
# As some transcripts have them: the same words, or nearly.
VARIANTS = (
    str,
    str.upper,
    lambda text: text.replace(",", " ,").replace("colors", "colours"),
    lambda text: text.rstrip(".").replace("fresh", "fresh, fresh"),
)
SPEAKERS = [f"p{number}" for number in range(225, 232)]
OWN = 8  # sentences that nobody else reads
SPLIT = SplitParams(test=["p225", "p226"], validation=["p227"])
PARAMS = EpisodeParams(
    shots=[1, 3], queries=4, draws=2, text_disjoint=True, seed=0, near_duplicates=0.85
)


def in_words(text: str) -> str:
    return " ".join(words_of(text))


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> pd.DataFrame:
    """The manifest of a miniature of VCTK, made by its reader."""
    copy: Path = tmp_path_factory.mktemp("vctk")
    rows = ["ID  AGE  GENDER  ACCENTS", *(f"{speaker}  23  F  English" for speaker in SPEAKERS)]
    write(copy / "speaker-info.txt", "\n".join(rows))
    for place, speaker in enumerate(SPEAKERS):
        own = [f"{speaker} alone has read {speaker}{number} here" for number in range(OWN)]
        passages = [VARIANTS[place % len(VARIANTS)](text) for text in PASSAGES]
        for number, text in enumerate([*passages, *own]):
            name = f"{speaker}_{number:03d}"
            recording = copy / "wav48_silence_trimmed" / speaker / f"{name}_mic2.flac"
            record(recording, 48000, seconds=0.15, seed=100 * place + number)
            write(copy / "txt" / speaker / f"{name}.txt", text)
    return prepare("vctk", copy.parent / "corpus", path=str(copy)).table


def texts_of(index: pd.DataFrame, drawn: pd.DataFrame) -> tuple[set[str], set[str]]:
    """The texts of queries, and of all else, in their words."""
    told = drawn.merge(index[["utterance", "text"]], on="utterance")
    asked = told["role"] == "query"
    return set(told.loc[asked, "text"].map(in_words)), set(told.loc[~asked, "text"].map(in_words))


def shared_words(first: str, second: str) -> float:
    """The share of the words that both have, whatever their order: at least the likeness."""
    one, two = first.split(), second.split()
    return 2 * sum(min(one.count(word), two.count(word)) for word in set(one)) / len(one + two)


@pytest.mark.parametrize("seed", range(6))
def test_no_query_of_a_passage_is_trained_on_or_given_as_support(index, seed) -> None:
    drawn = draw_episodes(index, SPLIT, replace(PARAMS, seed=seed))
    queries, others = texts_of(index, drawn)
    passages = {in_words(variant(text)) for text in PASSAGES for variant in VARIANTS}
    # The case arises in every draw, and what is left to train on is the other passages.
    assert queries & passages
    assert others & passages
    assert not queries & others
    assert max(shared_words(query, other) for query in queries for other in others) < 0.85
    phones = dict.fromkeys(index["utterance"], ())
    audit = audit_episodes(drawn, index, phones, SPLIT, replace(PARAMS, seed=seed))
    assert audit.relaxed == ()


@pytest.mark.parametrize("seed", [0, 2, 3])  # in which a query has variants
def test_equal_texts_alone_let_another_spelling_through_which_is_told(index, seed) -> None:
    params = replace(PARAMS, seed=seed, near_duplicates=None)
    drawn = draw_episodes(index, SPLIT, params)
    queries, others = texts_of(index, drawn)
    assert not queries & others
    near = {q for q in queries if any(shared_words(q, other) >= 0.85 for other in others)}
    assert near
    (told,) = audit_episodes(
        drawn, index, dict.fromkeys(index["utterance"], ()), SPLIT, params
    ).relaxed
    assert "as episodes.near_duplicates is null: no query text is at least 85% alike" in told


def test_without_the_rule_the_passages_leak_which_is_told(index) -> None:
    params = replace(PARAMS, text_disjoint=False)
    drawn = draw_episodes(index, SPLIT, params)
    queries, others = texts_of(index, drawn)
    assert queries & others
    found = audit_episodes(drawn, index, dict.fromkeys(index["utterance"], ()), SPLIT, params)
    assert found.relaxed[0].endswith(f"{len(queries & others)} of {len(queries)} query texts are.")
