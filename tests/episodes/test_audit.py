from dataclasses import replace

import pandas as pd
import pytest
from small_corpus import EPISODES, SPLIT

from adaptts.episodes.audit import audit_episodes
from adaptts.episodes.split import draw_episodes
from adaptts.params import SplitParams


def phones_of(store) -> dict[str, list[str]]:
    return {name: [store.inventory[p] for p in store.phones(name)] for name in store.index.index}


def audit(store, episodes, split=SPLIT, params=EPISODES, index=None, phones=None):
    index = store.index.reset_index() if index is None else index
    return audit_episodes(episodes, index, phones or phones_of(store), split, params)


def moved(episodes, role: str, column: str, value, take: int = 0):
    """The episodes with one cell of the first row of a role changed."""
    changed = episodes.copy()
    place = changed.index[changed["role"] == role][take]
    changed.loc[place, column] = value
    return changed


def test_drawn_episodes_pass(store, episodes) -> None:
    assert audit(store, episodes).relaxed == ()


@pytest.mark.parametrize(
    ("role", "column", "value", "rule"),
    [
        ("train", "speaker", "s6", "speakers stand on one side"),
        ("train", "split", "test", "speakers stand on one side"),
        ("support", "rank", 7, "nested and complete"),
        ("support", "draw", 1, "nested and complete"),
    ],
)
def test_every_leak_fails(store, episodes, role, column, value, rule) -> None:
    with pytest.raises(ValueError, match=rule):
        audit(store, moved(episodes, role, column, value))


def test_a_query_used_for_support_fails(store, episodes) -> None:
    query = episodes[(episodes["role"] == "query") & (episodes["speaker"] == "s4")]
    support = episodes[(episodes["role"] == "support") & (episodes["speaker"] == "s4")]
    changed = episodes.copy()
    changed.loc[support.index[0], "utterance"] = query["utterance"].iloc[0]
    with pytest.raises(ValueError, match="no query recording is used otherwise"):
        audit(store, changed)


def test_a_shared_text_fails_unless_it_is_waived(store, episodes) -> None:
    index = store.index.reset_index()
    query = episodes.loc[episodes["role"] == "query", "utterance"].iloc[0]
    training = episodes.loc[episodes["role"] == "train", "utterance"].iloc[0]
    texts = index.set_index("utterance")["text"]
    texts[training] = texts[query].upper() + "!"  # the same words, written otherwise
    index["text"] = texts.to_numpy()
    with pytest.raises(ValueError, match="no query text is read"):
        audit(store, episodes, index=index)
    waived = audit(store, episodes, params=replace(EPISODES, text_disjoint=False), index=index)
    assert "1 of" in waived.relaxed[0]


SEVEN = "the rain fell hard on old roofs"


@pytest.fixture
def near(store, episodes) -> pd.DataFrame:
    """The index, in which a training text is a test query's but for one word of seven."""
    index = store.index.reset_index().set_index("utterance")
    index.loc[episodes.loc[episodes["role"] == "query", "utterance"].iloc[0], "text"] = SEVEN
    training = episodes.loc[episodes["role"] == "train", "utterance"].iloc[0]
    index.loc[training, "text"] = "The rain fell hard on NEW roofs!"
    return index.reset_index()


def test_a_near_duplicate_of_a_query_fails_where_the_rule_is_on(store, episodes, near) -> None:
    with pytest.raises(
        ValueError, match=r"no query text is at least 80% alike .* 1 times.*on new roofs"
    ):
        audit(store, episodes, params=replace(EPISODES, near_duplicates=0.8), index=near)
    # 12 of 14 words
    assert audit(store, episodes, params=replace(EPISODES, near_duplicates=0.86), index=near)


def test_near_duplicates_are_counted_where_the_rule_is_off(store, episodes, near) -> None:
    found = audit(store, episodes, index=near)
    assert found.relaxed == (
        "Not kept, as episodes.near_duplicates is null: no query text is at least 85% alike to one "
        "of another role. 1 of 8 are: "
        f"{SEVEN!r} beside 'the rain fell hard on new roofs'",
    )
    waived = audit(store, episodes, params=replace(EPISODES, text_disjoint=False), index=near)
    assert (
        "as episodes.text_disjoint is false: no query text is at least 85% alike"
        in waived.relaxed[1]
    )


def test_where_no_text_is_near_the_nearest_is_told(store, episodes) -> None:
    checks = {check.rule: check for check in audit(store, episodes).checks}
    check = checks["no query text is at least 85% alike to one of another role"]
    assert check.breaches == 0
    assert check.example.startswith("the nearest is 75%: 'sentence ")


def test_a_near_duplicate_of_a_test_query_among_validation_queries_fails(store, episodes) -> None:
    index = store.index.reset_index().set_index("utterance")
    queries = episodes[episodes["role"] == "query"]
    for side, text in (("test", SEVEN), ("validation", SEVEN.replace("old", "new"))):
        index.loc[queries.loc[queries["split"] == side, "utterance"].iloc[0], "text"] = text
    params = replace(EPISODES, near_duplicates=0.8)
    with pytest.raises(ValueError, match="no query text is at least 80% alike to one of"):
        audit(store, episodes, params=params, index=index.reset_index())


def with_copy(store, episodes, first: dict, second: dict) -> tuple[pd.DataFrame, list[str]]:
    """The index in which the first utterances with these cells have the same content."""
    index = store.index.reset_index()
    names: list[str] = []
    for cells in (first, second):
        rows = episodes[(episodes[list(cells)] == pd.Series(cells)).all(axis=1)]
        names.append(next(name for name in rows["utterance"] if name not in names))
    copied = index["utterance"].isin(names)
    return index.assign(content_hash=index["content_hash"].where(~copied, "same")), names


QUERY = {"role": "query", "speaker": "s6"}


@pytest.mark.parametrize(
    ("first", "second", "rule"),
    [
        (QUERY, {"role": "train"}, "no query recording is used otherwise under another name"),
        (QUERY, {"role": "support", "speaker": "s6"}, "used otherwise under another name"),
        (QUERY, {"role": "query", "speaker": "s4"}, "copies of a recording stand on one side"),
        ({"role": "train"}, {"role": "support", "speaker": "s6"}, "copies of a recording stand on"),
        (QUERY, QUERY, "no support or query set holds a recording twice"),
        ({"role": "support", "draw": 0}, {"role": "support", "draw": 0}, "holds a recording twice"),
    ],
)
def test_a_recording_under_two_names_fails_with_names_and_remedy(
    store, episodes, first, second, rule
) -> None:
    index, names = with_copy(store, episodes, first, second)
    with pytest.raises(ValueError, match=rule) as error:
        audit(store, episodes, index=index)
    told = " and ".join(sorted(names, key=episodes["utterance"].tolist().index))
    assert f"{told} have the same samples; list all but one of them in corpus.exclude" in str(
        error.value
    )


def test_copies_within_training_are_no_leak(store, episodes) -> None:
    index, _ = with_copy(store, episodes, {"role": "train"}, {"role": "train"})
    assert audit(store, episodes, index=index).relaxed == ()


def test_separated_siblings_fail(store, episodes) -> None:
    index = store.index.reset_index()
    index["sibling"] = "one family"
    with pytest.raises(ValueError, match="equal sibling on one side"):
        audit(store, episodes, index=index)


ACCENTS = SplitParams(unit="accent", test=["north"], validation=["west"])


def with_accents(store, crossing: bool) -> pd.DataFrame:
    """The corpus' index with accents, which a speaker has several of, or one."""
    index = store.index.reset_index()
    of_each = (
        index.groupby("speaker").cumcount() if crossing else index["speaker"].str[1].astype(int)
    )
    return index.assign(accent=(of_each % 4).map({0: "east", 1: "north", 2: "south", 3: "west"}))


def test_speakers_on_both_sides_are_told_of_where_accents_are_adapted_to(store) -> None:
    index = with_accents(store, crossing=True)
    drawn = draw_episodes(index, ACCENTS, replace(EPISODES, text_disjoint=False))
    assert set(drawn.loc[drawn["split"] == "test", "speaker"]) == {"north"}
    found = audit(store, drawn, ACCENTS, replace(EPISODES, text_disjoint=False), index)
    assert "accents stand on one side of the split" in [check.rule for check in found.checks]
    assert found.relaxed[0] == (
        "Not kept, as split.unit is accent: speakers stand on one side of the split. "
        "8 of 8 speakers stand on several sides."
    )


def test_speakers_on_one_side_each_are_checked_where_accents_are_adapted_to(store) -> None:
    index = with_accents(store, crossing=False)
    found = audit(store, draw_episodes(index, ACCENTS, EPISODES), ACCENTS, index=index)
    assert "speakers stand on one side of the split" in [check.rule for check in found.checks]
    assert found.relaxed == ()


def test_phones_that_no_training_utterance_has_are_named(store, episodes) -> None:
    phones = phones_of(store)
    query = episodes.loc[episodes["role"] == "query", "utterance"].iloc[0]
    found = audit(store, episodes, phones={**phones, query: [*phones[query], "zh"]})
    assert found.relaxed == (
        "Not kept by the corpus: every phone of a query occurs in training. Not trained: zh",
    )
