import operator
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from small_corpus import EPISODES, SPLIT

from adaptts.episodes.audit import audit_episodes
from adaptts.episodes.split import draw_episodes, split_speakers
from adaptts.episodes.table import COLUMNS
from adaptts.params import SplitParams


def table(store) -> pd.DataFrame:
    return store.index.reset_index()


def test_support_sets_are_nested_and_disjoint_from_queries(store, episodes) -> None:
    assert list(episodes.columns) == COLUMNS
    for speaker in SPLIT.test + SPLIT.validation:
        rows = episodes[episodes["speaker"] == speaker]
        queries = set(rows.loc[rows["role"] == "query", "utterance"])
        assert len(queries) == EPISODES.queries
        for draw in range(EPISODES.draws):
            support = rows[(rows["role"] == "support") & (rows["draw"] == draw)]
            assert sorted(support["rank"]) == [0, 1, 2, 3]
            assert not queries & set(support["utterance"])


def test_draws_differ(episodes) -> None:
    support = episodes[(episodes["speaker"] == "s6") & (episodes["role"] == "support")]
    first, second = (list(rows["utterance"]) for _, rows in support.groupby("draw"))
    assert first != second


def test_no_query_text_is_read_elsewhere(store, episodes) -> None:
    text = store.index["text"]
    queries = episodes[episodes["role"] == "query"]["utterance"]
    others = episodes[episodes["role"] != "query"]["utterance"]
    assert not set(text[queries]) & set(text[others])


@settings(max_examples=25, deadline=None)
@given(
    data=st.data(),
    seed=st.integers(0, 1000),
    disjoint=st.booleans(),
    queries=st.integers(1, 3),
    near=st.sampled_from([None, 0.8]),
)
def test_every_draw_of_any_corpus_passes_the_audit_or_is_refused(
    data, seed, disjoint, queries, near
):
    words = [f"{word} {word}" for word in "abcdefg"]
    speakers = [f"v{i}" for i in range(data.draw(st.integers(3, 5)))]
    rows = [
        {
            "utterance": f"{speaker}-{i}",
            "speaker": speaker,
            # Neighbours share six words of seven.
            "text": f"{words[word // 2]} and so on {word} {words[word // 2]}",
            "content_hash": f"{speaker}-{i}",
        }
        for speaker in speakers
        for i, word in enumerate(data.draw(st.lists(st.integers(0, 12), min_size=3, max_size=9)))
    ]
    index = pd.DataFrame(rows)
    split = replace(SPLIT, test=["v0"], validation=["v1"], keep_together=None)
    params = replace(
        EPISODES,
        seed=seed,
        text_disjoint=disjoint,
        queries=queries,
        shots=[1, 2],
        near_duplicates=near,
    )
    try:
        drawn = draw_episodes(index, split, params)
    except ValueError:
        event("too few utterances")
        return
    audit = audit_episodes(drawn, index, dict.fromkeys(index["utterance"], ()), split, params)
    assert all(check.breaches == 0 for check in audit.checks)
    shared = "as episodes.text_disjoint is false: no query text is read in training or support"
    assert any(shared in reason for reason in audit.relaxed) != params.text_disjoint
    # Whatever is near is told of, whether the rule is on or not.
    texts = drawn.merge(index, on="utterance").assign(text=lambda t: t["text"].str.split())
    asked, other = (texts.loc[texts["role"].eq("query") == each, "text"] for each in (True, False))
    pairs = [(a, b) for a in asked for b in other if a != b]
    alike = any(sum(map(operator.eq, a, b)) >= 7 for a, b in pairs)
    assert not (alike and disjoint and near)
    if alike:
        assert any("near_duplicates is null: no query" in r or shared in r for r in audit.relaxed)


def test_the_draw_is_a_function_of_the_seed(store) -> None:
    again = draw_episodes(table(store), SPLIT, EPISODES)
    other = draw_episodes(table(store), SPLIT, replace(EPISODES, seed=1))
    pd.testing.assert_frame_equal(again, draw_episodes(table(store), SPLIT, EPISODES))
    assert not again.equals(other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": ["nobody"]}, "'nobody', which is no speaker of the corpus; choose among"),
        (
            {"keep_together": "accent"},
            "keep_together names the column 'accent', which the manifest",
        ),
        ({"unit": "accent"}, r"unit names the column 'accent', .* among \['speaker', 'sibling'\]"),
        ({"unit": "frames"}, "unit names the column 'frames', which the manifest lacks"),
        ({"unit": "sibling"}, "'s6', which is no sibling of the corpus; choose among \\['family0"),
        ({"test": ["s6"]}, "siblings of sibling 'family3' stand on several sides"),
        ({"test": [f"s{i}" for i in range(8) if i not in (4, 5)]}, "every speaker is held out"),
    ],
)
def test_impossible_splits_are_refused(store, changes, message) -> None:
    with pytest.raises(ValueError, match=message):
        split_speakers(table(store), replace(SPLIT, **changes))


def test_a_unit_that_cannot_name_folders_is_refused(store) -> None:
    index = table(store).assign(accent="en-gb")
    with pytest.raises(ValueError, match=r"accent 'en-gb' must be 1 to 60 of A-Z.*rename"):
        split_speakers(index, SplitParams(unit="accent", test=["en_us"], validation=["en"]))


def test_too_few_utterances_name_the_unit_and_the_remedy(store) -> None:
    with pytest.raises(ValueError, match=r"has \d+ utterances .* lower that number"):
        draw_episodes(table(store), SPLIT, replace(EPISODES, shots=[1, 40]))
