"""A split comes out of its file as it went in, or an error says what is at odds."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from small_corpus import EPISODES, SPLIT

from adaptts.corpora.manifest import CorpusInfo, ManifestError
from adaptts.episodes import published
from adaptts.episodes.audit import audit_episodes
from adaptts.episodes.split import draw_episodes

INFO = CorpusInfo(
    name="small",
    version="1",
    licence="none",
    citation="none",
    source="made by a test",
    sampling_rate=8000,
    language="en",
    exact_phones=False,
)
Rows = list[dict[str, str]]


@pytest.fixture
def index(store) -> pd.DataFrame:
    return store.index.reset_index()


@pytest.fixture
def path(episodes, index, tmp_path) -> Path:
    path = tmp_path / "split.csv"
    path.write_text(published.publish(episodes, index, INFO), encoding="utf-8")
    return path


def read(path, index, split=SPLIT, params=EPISODES, info=INFO) -> pd.DataFrame:
    return published.read(path, index, info, split, params)


def edit(path: Path, change: Callable[[Rows], Rows]) -> None:
    rows = change(list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))))
    pd.DataFrame(rows, columns=published.PUBLISHED).to_csv(path, index=False)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_what_is_read_is_what_was_drawn_to_the_byte(path, index, episodes, tmp_path, mark, end):
    path.write_bytes((mark + path.read_text(encoding="utf-8")).replace("\n", end).encode())
    found = read(path, index)
    pd.testing.assert_frame_equal(found, episodes)
    for name, table in (("drawn", episodes), ("found", found)):
        table.to_parquet(tmp_path / name, index=False)
    assert (tmp_path / "drawn").read_bytes() == (tmp_path / "found").read_bytes()


def test_the_seed_of_a_draw_does_not_matter(path, index, episodes):
    other = replace(EPISODES, seed=EPISODES.seed + 1)
    assert not draw_episodes(index, SPLIT, other).equals(episodes)
    pd.testing.assert_frame_equal(read(path, index, params=other), episodes)


def test_a_corpus_that_has_more_is_as_good(path, index, episodes):
    more = index.iloc[:1].assign(utterance="another")
    pd.testing.assert_frame_equal(read(path, pd.concat([more, index])), episodes)


def test_another_version_with_the_same_contents_is_as_good(path, index, episodes):
    pd.testing.assert_frame_equal(read(path, index, info=replace(INFO, version="2")), episodes)


def test_the_first_of_the_shots_and_draws_are_taken(path, index, store):
    fewer = replace(EPISODES, shots=[1, 2], draws=1)
    found = read(path, index, params=fewer)
    whole = read(path, index)
    support = whole[(whole["role"] == "support") & (whole["draw"] < 1) & (whole["rank"] < 2)]
    pd.testing.assert_frame_equal(
        found[found["role"] == "support"].reset_index(drop=True), support.reset_index(drop=True)
    )
    phones = dict.fromkeys(index["utterance"], ())
    assert audit_episodes(found, index, phones, SPLIT, fewer).relaxed == ()


def test_no_text_is_published(path, index):
    written = path.read_text(encoding="utf-8")
    assert not any(text in written for text in index["text"])
    assert {"small 1"} == {row["corpus"] for row in csv.DictReader(io.StringIO(written))}


def refuse(message: str, path, index, **changes) -> str:
    with pytest.raises(ManifestError, match=message) as error:
        read(path, index, **changes)
    return str(error.value)


def test_what_the_corpus_has_otherwise_is_named(path, index):
    names = index["utterance"].tolist()
    speaker, first, second, third = names[2][:2], names[2], names[3], names[4]
    other = index[index["utterance"] != names[0]].set_index("utterance")
    other.loc[first, "content_hash"] = "0" * 16
    other.loc[second, "text"] = "Something else."
    other.loc[third, "speaker"] = "s1"
    told = refuse(
        "was made from small 1, and does not fit this corpus, small 2",
        path,
        other.reset_index(),
        info=replace(INFO, version="2"),
    )
    for line in (
        f"{names[0]}: the corpus has no such utterance",
        f"{first}: the recording has another content",
        f"{second}: the text is another, here 'Something else.'",
        f"{third}: its speaker is 's1' here, {speaker!r} in the file",
    ):
        assert line in told


@pytest.mark.parametrize(
    ("split", "params", "message"),
    [
        ({"test": ["s6"]}, {}, r"split.test names \['s6'\], the file has \['s6', 's7'\]"),
        ({"validation": ["s4", "s3"]}, {}, r"split.validation names \['s3', 's4'\], the file has"),
        ({}, {"shots": [1, 6]}, "s6 has 4 of the 6 shots of draw 0 that episodes.shots"),
        ({}, {"draws": 3}, "s7 has 0 of the 4 shots of draw 2"),
        ({}, {"queries": 3}, "s4 has 2 queries, episodes.queries asks for 3"),
    ],
)
def test_parameters_that_ask_for_something_else_are_named(path, index, split, params, message):
    changed = replace(SPLIT, **split), replace(EPISODES, **params)
    refuse(message, path, index, split=changed[0], params=changed[1])


def first(rows: Rows, role: str) -> dict[str, str]:
    return next(row for row in rows if row["role"] == role)


def changed(kind: str, /, **cells: str) -> Callable[[Rows], Rows]:
    def change(rows: Rows) -> Rows:
        first(rows, kind).update(cells)
        return rows

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [], "it has no rows"),
        (lambda rows: [*rows, rows[0]], r"stands twice in one place, as on line 2"),
        (changed("train", split="test"), r"no 'train' row can be of the split 'test'"),
        (changed("query", role="quarry"), r"no 'quarry' row can be of the split 'test'"),
        (changed("support", rank="one"), r"draw and rank must count from 0, got \['0', 'one'\]"),
        (changed("train", rank="0"), r"draw and rank must be -1 but for support"),
        (changed("train", corpus="other 1"), "is of 'other 1', the first line of 'small 1'"),
        (lambda rows: [row for row in rows if row["role"] != "train"], "is no training row"),
        (changed("support", rank="9"), "has 3 of the 4 shots of draw 0"),
    ],
)
def test_a_file_that_was_edited_wrongly_is_told(path, index, change, message):
    edit(path, change)
    refuse(message, path, index)


def test_a_leak_in_the_file_is_found_by_the_audit(path, index):
    def leak(rows: Rows) -> Rows:
        """A query is given as support, too."""
        query, support = first(rows, "query"), first(rows, "support")
        assert query["speaker"] == support["speaker"]
        for cell in ("utterance", "text_hash", "content_hash"):
            support[cell] = query[cell]
        return rows

    edit(path, leak)
    phones = dict.fromkeys(index["utterance"], ())
    with pytest.raises(ValueError, match="no query recording is used otherwise"):
        audit_episodes(read(path, index), index, phones, SPLIT, EPISODES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("utterance,speaker\na,b\n", "must have the columns .*; it lacks"),
        ('corpus,split,role\n"a"b,c\n', "it lacks|is not CSV"),
        (None, "cannot be read: is missing"),
    ],
)
def test_another_file_is_refused(tmp_path, index, text, message):
    path = tmp_path / "split.csv"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    refuse(message, path, index)


def test_a_broken_quote_is_told(path, index):
    path.write_text(path.read_text(encoding="utf-8") + '"a"b,c\n', encoding="utf-8")
    refuse("is not CSV", path, index)
