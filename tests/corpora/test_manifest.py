import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptts.corpora import audio, manifest
from adaptts.corpora.manifest import ManifestError

RATE = 16000
INFO = manifest.CorpusInfo(
    name="tiny",
    version="1",
    licence="none",
    citation="none",
    source="made by a test",
    sampling_rate=RATE,
    language="en-us",
    exact_phones=True,
    exclusions=[manifest.Remark("c", "cut off")],
)


@pytest.fixture
def folder(tmp_path):
    """A corpus of two utterances with exact phones."""
    rows = []
    for name, speaker in (("a", "anna"), ("b", "bert")):
        audio.write(tmp_path / f"{name}.wav", np.zeros(RATE), RATE)
        rows.append(
            {
                "utterance": name,
                "speaker": speaker,
                "text": "One, two.",
                "path": f"{name}.wav",
                "seconds": 1.0,
                "content_hash": name * 16,
                "accent": "NA",
            }
        )
    phones = pd.DataFrame(
        {
            "utterance": ["a", "a", "b", "b"],
            "phone": ["sil", "w", "sil", "t"],
            "start_seconds": [0.0, 0.25, 0.0, 0.5],
            "end_seconds": [0.25, 1.0, 0.5, 1.0],
        }
    )
    manifest.write(tmp_path, pd.DataFrame(rows), INFO, manifest.alternatives(["one"]), phones)
    return tmp_path


def change(folder, row: int, **values) -> None:
    table = pd.read_csv(folder / "manifest.csv", dtype=str, keep_default_na=False)
    for column, value in values.items():
        table.loc[row, column] = value
    table.to_csv(folder / "manifest.csv", index=False)


def change_phones(folder, row: int, column: str, value: float) -> None:
    phones = pd.read_parquet(folder / "phones.parquet")
    phones.loc[row, column] = value
    phones.to_parquet(folder / "phones.parquet", index=False)


def test_a_corpus_is_read_as_it_was_written(folder):
    corpus = manifest.read(folder)
    assert corpus.info == INFO
    assert corpus.groups == ["accent"]
    assert corpus.table["accent"].tolist() == ["NA", "NA"]
    assert corpus.table["seconds"].tolist() == [1.0, 1.0]
    assert corpus.phones is not None
    assert corpus.phones["phone"].tolist() == ["sil", "w", "sil", "t"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"utterance": "a"}, "line 3 .*stands twice; make it unique"),
        ({"utterance": "a b"}, "line 3 .*must be of A-Z"),
        ({"text": " ?! "}, "line 3 .*has no word; remove"),
        ({"speaker": "<b>"}, "line 3 .*'<b>' cannot name a folder; rename"),
        ({"path": "c.wav"}, r"line 3 .*c\.wav is missing or no audio"),
        ({"path": "../b.wav"}, "line 3 .*stay in the folder"),
        ({"path": "/b.wav"}, "line 3 .*stay in the folder"),
        ({"seconds": ""}, "line 3 .*positive number, got nan"),
        ({"seconds": "inf"}, "line 3 .*positive number, got inf"),
        ({"seconds": "0.9"}, r"line 3 .*lasts 1\.0 s, the manifest says 0\.9"),
    ],
)
def test_a_broken_row_is_named(folder, values, message):
    change(folder, 1, **values)
    with pytest.raises(ManifestError, match=message):
        manifest.read(folder)


def test_all_broken_rows_are_named_at_once(folder):
    change(folder, 0, text="")
    change(folder, 1, seconds="-1")
    with pytest.raises(ManifestError, match=r"(?s)line 2 .*line 3 "):
        manifest.read(folder)


def test_recordings_of_another_form_are_refused(folder):
    audio.write(folder / "b.wav", np.zeros(8000), 8000)
    with pytest.raises(ManifestError, match="16-bit mono WAV at 16000 Hz, got"):
        manifest.read(folder)


@pytest.mark.parametrize("column", ["text", "seconds", "content_hash"])
def test_a_missing_column_is_named(folder, column):
    table = pd.read_csv(folder / "manifest.csv").drop(columns=column)
    table.to_csv(folder / "manifest.csv", index=False)
    with pytest.raises(ManifestError, match=rf"lacks the columns \['{column}'\]"):
        manifest.read(folder)


def test_a_group_column_that_later_stages_use_is_refused(folder):
    change(folder, 0, frames="3")
    with pytest.raises(ManifestError, match=r"cannot be groups: \['frames'\]"):
        manifest.read(folder)


def test_a_manifest_without_rows_is_refused(folder):
    table = pd.read_csv(folder / "manifest.csv")
    table.iloc[:0].to_csv(folder / "manifest.csv", index=False)
    with pytest.raises(ManifestError, match="names no utterance"):
        manifest.read(folder)


@pytest.mark.parametrize("name", ["manifest.csv", "corpus.json", "grammar.jsgf", "phones.parquet"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ManifestError, match=f"{name} is missing; run the stage corpus"):
        manifest.read(folder)


def test_phones_that_leave_a_gap_are_refused(folder):
    change_phones(folder, 3, "start_seconds", 0.6)
    with pytest.raises(ManifestError, match=r"b: phones must join without gaps from 0 to 1\.0 s"):
        manifest.read(folder)


def test_phones_that_end_before_the_utterance_are_refused(folder):
    change_phones(folder, 3, "end_seconds", 0.9)
    with pytest.raises(ManifestError, match="b: phones must join without gaps"):
        manifest.read(folder)


def test_utterances_without_phones_are_named(folder):
    phones = pd.read_parquet(folder / "phones.parquet")
    phones[phones["utterance"] == "a"].to_parquet(folder / "phones.parquet", index=False)
    with pytest.raises(ManifestError, match="b: stands in only one of"):
        manifest.read(folder)


def test_provenance_with_a_wrong_field_is_refused(folder):
    values = {**dataclasses.asdict(INFO), "sampling_rate": "fast"}
    (folder / "corpus.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ManifestError, match=r"(?s)corpus\.json.*sampling_rate"):
        manifest.read(folder)


def test_speakers_keep_the_order_of_the_corpus():
    assert manifest.choose(["a", "b", "c"], ["c", "a"], "corpus.speakers") == ["a", "c"]
    assert manifest.choose(["a", "b"], None, "corpus.speakers") == ["a", "b"]


@pytest.mark.parametrize("asked", [[], ["a", "a"], ["z"]])
def test_speakers_that_cannot_be_chosen_are_refused(asked):
    with pytest.raises(ManifestError, match=r"corpus\.speakers"):
        manifest.choose(["a", "b"], asked, "corpus.speakers")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello,  World!", "hello world"),
        ("It’s 'quoted' - a well-known cliché…", "it's quoted a well known cliché"),
        ("snake_case\n\tand tabs", "snake case and tabs"),
        ("re\u0301sume\u0301", "résumé"),
        ("हिन्दी भाषा।", "हिन्दी भाषा"),
        ("می\u200cروم", "میروم"),
        (" '' -- ", ""),
    ],
)
def test_texts_are_normalised(text, expected):
    assert manifest.normalise_text(text) == expected


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    once = manifest.normalise_text(text)
    assert manifest.normalise_text(once) == once


def test_the_grammar_of_texts_names_each_once():
    assert manifest.alternatives(["Two.", "one", "two"]).splitlines() == [
        "#JSGF V1.0;",
        "grammar texts;",
        "public <utterance> = one | two;",
    ]
