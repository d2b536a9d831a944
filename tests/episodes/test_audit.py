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
