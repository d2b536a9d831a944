from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from adaptts.evaluation.conventions import PYMCD
from adaptts.evaluation.instruments import (
    ALIGNED,
    HEARD,
    PREDICTED,
    Instruments,
    queries,
    record,
)
from adaptts.evaluation.measure import COLUMNS, tabulate
from adaptts.evaluation.references import (
    Speaker,
    compare_retake,
    find_retakes,
    measure_copies,
    measure_natural,
    measure_retakes,
)
from adaptts.evaluation.results import Results
from adaptts.evaluation.toolkits import distortion
from evaluation.conftest import TEST


@pytest.fixture
def speaker(episodes) -> Speaker:
    asked = queries(episodes, "f3")
    return Speaker("f3", asked, asked[:1])


def table_of(results: Results) -> pd.DataFrame:
    table = tabulate(results.measures)
    assert not table.duplicated(COLUMNS[:8]).any()
    return table


def test_recordings_are_heard_but_not_compared(speaker, instruments, corpus) -> None:
    results = Results()
    measure_natural(speaker, instruments, corpus, results)
    table = table_of(results)
    assert set(table["metric"]) == set(HEARD)
    assert len(table) == len(HEARD) * len(speaker.queries)
    assert (
        table[["arm", "seed", "draw", "shots", "steps"]].drop_duplicates()
    ).to_numpy().tolist() == [["natural", -1, -1, 0, 0]]
    assert list(results.sounds) == [f"f3-{speaker.queries[0]}-natural.flac"]
    assert len(results.trials) == len(speaker.queries) * len(TEST)


def test_copies_are_heard_and_compared(speaker, instruments, vocoder) -> None:
    results = Results()
    measure_copies(speaker, instruments, vocoder, results)
    table = table_of(results)
    assert set(table["metric"]) == {*ALIGNED, *HEARD}
    assert table["value"].notna().all()
    mean = table.groupby("metric")["value"].mean()
    # The vocoder alone is 4.5 dB away, a few more after a fourth of its iterations.
    assert 3 < mean["mcd"] < 7
    assert list(results.sounds) == [f"f3-{speaker.queries[0]}-copy_synthesis.flac"]
    assert all(np.abs(sound).max() <= 1 for sound in results.sounds.values())


def test_a_corpus_without_second_readings_has_no_retakes(speaker, instruments) -> None:
    results = Results()
    assert measure_retakes(speaker, "speaker", instruments, results) == 0
    assert results.measures == []


def pretend_retake(instruments: Instruments, query: str, retake: str) -> Instruments:
    """Instruments whose corpus says that `retake` reads the text of `query`."""
    index = instruments.store.index.copy()
    index.loc[retake, "text"] = index.loc[query, "text"].upper() + "!"
    return replace(instruments, store=replace(instruments.store, index=index))


def test_retakes_are_compared_with_the_query(speaker, instruments) -> None:
    query = speaker.queries[0]
    index = instruments.store.index
    mine = index.index[index["speaker"] == "f3"]
    other = next(name for name in mine if name not in speaker.queries)
    results = Results()
    pretended = pretend_retake(instruments, query, other)
    assert measure_retakes(speaker, "speaker", pretended, results) == 1
    table = table_of(results).set_index("metric")
    assert set(table.index) == {*ALIGNED, *PREDICTED}
    assert set(table["utterance"]) == {query}
    assert table.loc[["mcd", "mel_distortion", "vuv_error"], "value"].notna().all()
    # It is another sentence in truth, so its phones cannot be compared one by one.
    assert table.loc["pitch_error", "note"] == f"the phones of {other} are other ones"


def test_retakes_of_the_same_phones_are_compared_phone_by_phone(speaker, instruments) -> None:
    query = speaker.queries[0]
    said = compare_retake(instruments, query, query)
    found = {measure.metric: measure.value for measure in said}
    assert found.pop("f0_correlation") == pytest.approx(1)
    assert found == pytest.approx(dict.fromkeys(found, 0), abs=1e-6)
    assert {*found, "f0_correlation"} == {*ALIGNED, *PREDICTED}


def test_retakes_are_by_the_same_speaker_and_no_query_itself() -> None:
    index = pd.DataFrame(
        {
            "speaker": ["a", "a", "b", "a", "a"],
            "accent": ["x", "x", "x", "x", "y"],
            "text": ["One two", "one, TWO!", "one two", "three", "one two"],
        },
        index=["a0", "a1", "b0", "a2", "a3"],
    )
    assert find_retakes(index, "speaker", ["a1", "a2", "b0"]) == {"a1": "a0"}
    assert find_retakes(index, "speaker", ["a0", "a3"]) == {"a0": "a1", "a3": "a0"}
    assert find_retakes(index, "accent", ["a0", "a3", "b0"]) == {"a0": "a1"}


def test_floor_and_ceiling_are_measured_by_other_conventions(speaker, instruments, vocoder) -> None:
    query = speaker.queries[0]
    index = instruments.store.index
    mine = index.index[index["speaker"] == "f3"]
    other = next(name for name in mine if name not in speaker.queries)
    chosen = replace(pretend_retake(instruments, query, other), conventions=[PYMCD])
    results = Results()
    measure_copies(speaker, chosen, vocoder, results)
    measure_retakes(speaker, "speaker", chosen, results)
    table = table_of(results)
    found = table[table["metric"] == "mcd_pymcd"].set_index("arm")
    assert found["utterance"].to_dict() == {"copy_synthesis": query, "retake": query}
    sounds = [record(chosen.corpus, chosen.store, name) for name in (other, query)]
    expected = distortion(PYMCD, *sounds, chosen.store.sampling_rate)
    assert found.loc["retake", "value"] == pytest.approx(expected, rel=1e-9)
    assert 3 < found.loc["copy_synthesis", "value"] < expected
