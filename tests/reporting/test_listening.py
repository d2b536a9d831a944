from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from fabricated import SPEAKERS, TEXTS

from adaptts.reporting import listening
from adaptts.reporting.results import Results


def test_speakers_and_texts_are_literal(results: Results) -> None:
    shelf = listening.shelve(results)
    assert shelf is not None
    assert [speaker["name"] for speaker in shelf.speakers] == SPEAKERS
    assert shelf.speakers[0]["sentences"] == TEXTS


def test_the_headline_is_the_first_point(results: Results) -> None:
    shelf = listening.shelve(results)
    assert shelf is not None
    assert shelf.points == ["5 shots, 10 steps", "5 shots, 0 steps", "1 shot, 10 steps"]


def test_every_address_leads_to_a_file(results: Results, written: Path) -> None:
    shelf = listening.shelve(results)
    assert shelf is not None
    addresses = [
        address
        for row in shelf.rows
        for speaker in row["clips"]
        for point in speaker
        for address in point
    ]
    assert all(addresses)
    assert all((written / unquote(address)).is_file() for address in addresses)
    assert not any(special in address for address in addresses for special in '"<>& ')


def test_arms_without_steps_sound_alike_at_every_step(results: Results) -> None:
    shelf = listening.shelve(results)
    assert shelf is not None
    rows = {row["name"]: row["clips"][0] for row in shelf.rows}
    assert rows["average"][0] == rows["average"][1]
    assert rows["maml"][0] != rows["maml"][1]
    assert rows["natural"][0] == rows["natural"][2]


def test_a_missing_clip_leaves_a_gap(results: Results) -> None:
    clips = results.clips
    gone = (clips["arm"] == "maml") & (clips["utterance"] == "s0_1")
    shelf = listening.shelve(replace(results, clips=clips[~gone]))
    assert shelf is not None
    row = next(row for row in shelf.rows if row["name"] == "maml")
    assert row["clips"][0][0][1] is None
    assert row["clips"][0][0][0] is not None


def test_no_sound_at_all_is_no_shelf(results: Results) -> None:
    assert listening.shelve(replace(results, clips=results.clips.iloc[:0])) is None
