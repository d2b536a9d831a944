from dataclasses import replace

import pytest
from small_corpus import EPISODES, SPLIT

from adaptts.episodes.audit import audit_episodes


def audit(store, episodes, params=EPISODES):
    return audit_episodes(episodes, store.index.reset_index(), SPLIT, params)


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
        audit_episodes(episodes, index, SPLIT, EPISODES)
    waived = audit_episodes(episodes, index, SPLIT, replace(EPISODES, text_disjoint=False))
    assert "1 of" in waived.relaxed[0]


def test_separated_siblings_fail(store, episodes) -> None:
    index = store.index.reset_index()
    index["sibling"] = "one family"
    with pytest.raises(ValueError, match="equal sibling on one side"):
        audit_episodes(episodes, index, SPLIT, EPISODES)
