import pandas as pd
import pytest
from small_corpus import SPLIT

from adaptts.episodes.audit import audit_trials
from adaptts.episodes.trials import (
    ENROLMENT_UTTERANCES,
    draw_enrolment,
    draw_trials,
    read_enrolment,
    read_trials,
)


@pytest.fixture
def index(store) -> pd.DataFrame:
    return store.index.reset_index()


@pytest.fixture
def enrolment(episodes) -> pd.DataFrame:
    return draw_enrolment(episodes)


@pytest.fixture
def trials(episodes, enrolment, index) -> pd.DataFrame:
    return draw_trials(episodes, enrolment, index)


def test_speakers_are_enrolled_by_their_first_support_utterances(episodes, enrolment) -> None:
    assert sorted(enrolment["speaker"].unique()) == sorted(SPLIT.test)
    for speaker, rows in enrolment.groupby("speaker"):
        own = episodes[(episodes["speaker"] == speaker) & (episodes["role"] == "support")]
        assert len(rows) == min(ENROLMENT_UTTERANCES, own["utterance"].nunique())
        assert rows["utterance"].is_unique
        first = own[own["draw"] == 0].sort_values("rank")["utterance"].tolist()
        assert rows["utterance"].tolist()[: len(first)] == first


def test_every_query_is_tried_against_every_enrolled_speaker(episodes, trials) -> None:
    queries = episodes[(episodes["split"] == "test") & (episodes["role"] == "query")]
    assert len(trials) == len(queries) * len(SPLIT.test)
    assert trials["target"].sum() == len(queries)
    assert (trials["target"] == (trials["speaker"] == trials["enrolled"])).all()


def test_trials_know_whether_their_text_was_enrolled(episodes, enrolment, index) -> None:
    query = episodes.loc[
        (episodes["split"] == "test") & (episodes["role"] == "query"), "utterance"
    ].iloc[0]
    known = enrolment.iloc[0]
    texts = index.set_index("utterance")["text"]
    spoken = texts[known["utterance"]].upper() + "!"
    altered = index.assign(text=index["text"].where(index["utterance"] != query, spoken))
    found = draw_trials(episodes, enrolment, altered)
    same = found[found["same_text"]]
    assert same[["utterance", "enrolled"]].to_numpy().tolist() == [[query, known["speaker"]]]


def test_the_same_episodes_give_the_same_trials(episodes, enrolment, trials, index) -> None:
    shuffled = episodes.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(draw_enrolment(shuffled), enrolment)
    again = draw_trials(episodes, draw_enrolment(episodes), index)
    pd.testing.assert_frame_equal(again, trials)


def test_drawn_trials_pass_the_audit(enrolment, trials, episodes, index) -> None:
    assert {check.breaches for check in audit_trials(enrolment, trials, episodes, index)} == {0}


def with_query(enrolment: pd.DataFrame, episodes: pd.DataFrame) -> pd.DataFrame:
    chosen = (episodes["speaker"] == SPLIT.test[0]) & (episodes["role"] == "query")
    query = episodes.loc[chosen, ["speaker", "utterance"]].head(1)
    return pd.concat([enrolment, query], ignore_index=True)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda e, t, all: (with_query(e, all), t), "by support recordings alone"),
        (lambda e, t, all: (e[e["speaker"] != "s6"], t), "each test speaker is enrolled"),
        (lambda e, t, all: (e, t.iloc[1:]), "tried once against each"),
        (lambda e, t, all: (e, pd.concat([t, t.head(1)])), "tried once against each"),
        (lambda e, t, all: (e, t.assign(target=True)), "know their speakers"),
        (lambda e, t, all: (e, t.assign(same_text=True)), "whether their text was enrolled"),
    ],
)
def test_every_fault_of_the_trials_fails(enrolment, trials, episodes, index, change, rule) -> None:
    enrolment, trials = change(enrolment, trials, episodes)
    with pytest.raises(ValueError, match=rule):
        audit_trials(enrolment, trials, episodes, index)


def test_tables_that_were_written_are_read(enrolment, trials, tmp_path) -> None:
    enrolment.to_parquet(tmp_path / "enrolment.parquet", index=False)
    trials.to_parquet(tmp_path / "trials.parquet", index=False)
    pd.testing.assert_frame_equal(read_enrolment(tmp_path / "enrolment.parquet"), enrolment)
    pd.testing.assert_frame_equal(read_trials(tmp_path / "trials.parquet"), trials)
    with pytest.raises(ValueError, match="run the stage episodes"):
        read_trials(tmp_path / "enrolment.parquet")
