import json
import re
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from fabricated import SPEAKERS, make_experiment

from adaptts.evaluation.level import speech_level
from adaptts.reporting import listening_test
from adaptts.reporting.answers import ANCHOR, LABELLED, MID_ANCHOR, Stimulus, read_key
from adaptts.reporting.listening_test import ANCHORS, FORMS, MOST_SOUNDS, Dealer, ListeningTest
from adaptts.reporting.results import NATURAL, Results

BASELINE = "pretrain_finetune"


@pytest.fixture(scope="module")
def test(results: Results) -> ListeningTest:
    return ListeningTest.make(results, BASELINE)


@pytest.fixture(scope="module")
def folder(test: ListeningTest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the page; the key stands beside it."""
    folder = tmp_path_factory.mktemp("reports") / "listening"
    test.write(folder, folder.with_name("key.json"))
    return folder


def with_trials(results: Results, **trials: int) -> Results:
    report = {**asdict(results.experiment.report), "listening": trials}
    return replace(results, experiment=make_experiment(report=report))


def test_nothing_that_a_listener_gets_names_an_arm(folder: Path, results: Results) -> None:
    page = (folder / "index.html").read_text("utf-8")
    payload = re.findall(r'<script type="application/json" id="test">(.*?)</script>', page)[0]
    arms = results.experiment.arms
    for name in arms:
        assert name not in page
    for name in [NATURAL, "copy_synthesis", ANCHOR, results.experiment.name, *SPEAKERS, "s0_"]:
        assert name not in payload
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > len(arms)
    for path in files:
        assert re.fullmatch(r"index\.html|[0-9a-f]{16}\.flac", path.name)
        if path.suffix == ".flac":
            assert soundfile.SoundFile(path).copy_metadata() == {}
            assert not any(arm.encode() in path.read_bytes() for arm in arms)


def test_the_key_alone_connects_names_and_arms(folder: Path, results: Results) -> None:
    key = read_key(folder.with_name("key.json"))
    assert {path.stem for path in folder.glob("sounds/*")} == set(key.sounds)
    assert {each.arm for each in key.sounds.values()} == {
        *results.experiment.arms, NATURAL, "copy_synthesis", *ANCHORS, LABELLED,
    }  # fmt: skip
    assert {each.speaker for each in key.sounds.values()} == set(SPEAKERS)


def test_the_page_asks_for_nothing_outside_its_folder(folder: Path) -> None:
    page = (folder / "index.html").read_text("utf-8")
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|url\(|@import", page)


def test_all_sounds_are_equally_loud_and_none_clips(folder: Path) -> None:
    levels = []
    for path in folder.glob("sounds/*.flac"):
        samples, rate = soundfile.read(path)
        assert np.abs(samples).max() < 1
        levels.append(speech_level(samples, rate))
    assert np.ptp(levels) < 0.05  # dB: what 16 bits round


def test_a_pause_does_not_make_a_sound_quieter() -> None:
    tone = 0.5 * np.sin(np.arange(16000) * 0.1)
    paused = np.concatenate([tone, np.zeros(16000)])
    assert speech_level(paused, 16000) == pytest.approx(speech_level(tone, 16000), abs=0.01)
    assert speech_level(tone, 16000) == pytest.approx(10 * np.log10(0.125), abs=0.05)


@pytest.mark.parametrize(("anchor", "kept", "gone"), [(ANCHOR, 3000, 4500),
                                                      (MID_ANCHOR, 6400, 7500)])  # fmt: skip
def test_an_anchor_lacks_the_treble_and_nothing_else(anchor: str, kept: int, gone: int) -> None:
    noise = np.random.default_rng(0).standard_normal(32000)
    spectrum = np.abs(np.fft.rfft(noise))
    left = np.abs(np.fft.rfft(listening_test._without_treble(noise, ANCHORS[anchor]))) / spectrum
    hertz = np.fft.rfftfreq(32000, 1 / 16000)
    assert np.median(left[hertz < kept]) == pytest.approx(1, abs=0.01)
    assert np.median(left[hertz > gone]) < 0.01


def test_the_hidden_reference_is_the_reference_by_another_name(test: ListeningTest) -> None:
    for trial in (trial for form in test.key.forms for trial in form if trial.reference):
        labelled = test.key.sounds[trial.reference]
        assert labelled.arm == LABELLED
        heard = [test.key.sounds[sound] for sound in trial.sounds]
        assert {(each.speaker, each.utterance) for each in heard} == {
            (labelled.speaker, labelled.utterance)
        }
        if trial.part == "mushra":
            assert {NATURAL, *ANCHORS} < {each.arm for each in heard}
            hidden = trial.sounds[[each.arm for each in heard].index(NATURAL)]
            assert np.array_equal(test.waveforms[hidden], test.waveforms[trial.reference])


def test_arms_and_sentences_are_dealt_alike(test: ListeningTest) -> None:
    assert len(test.key.forms) == FORMS
    for part in ("acr", "mushra", "ab"):
        trials = [trial for form in test.key.forms for trial in form if trial.part == part]
        dealt = Counter(test.key.sounds[sound].arm for trial in trials for sound in trial.sounds)
        for always in (NATURAL, *ANCHORS, BASELINE):
            if part != "acr":
                dealt.pop(always, None)
        assert max(dealt.values()) - min(dealt.values()) <= 1, dealt
        said = Counter((test.key.sounds[trial.sounds[0]].utterance) for trial in trials)
        assert len(said) == 2 * len(SPEAKERS)
        assert max(said.values()) <= 2 * min(said.values())


def test_a_form_has_as_many_trials_as_asked_for(results: Results) -> None:
    test = ListeningTest.make(with_trials(results, acr=5, ab=7, mushra=0), BASELINE)
    for form in test.key.forms:
        assert Counter(trial.part for trial in form) == {"acr": 5, "ab": 7 + 2}  # two catches
    assert ListeningTest.make(with_trials(results, acr=0, ab=0, mushra=0), BASELINE).key.forms == []


def test_many_arms_take_turns_in_mushra() -> None:
    arms = [f"arm{number}" for number in range(30)]
    stimuli = [Stimulus(arm, "s", "u") for arm in [*arms, NATURAL, *ANCHORS, LABELLED]]
    names = {each: f"{number:016x}" for number, each in enumerate(stimuli)}
    trials = Dealer(names, arms, "arm0", np.random.default_rng(0)).mushra(30)
    assert {len(trial.sounds) for trial in trials} == {MOST_SOUNDS}
    dealt = Counter(sound for trial in trials for sound in trial.sounds)
    assert [dealt[names[each]] for each in stimuli[:30]] == [7] * 30


def test_the_same_results_make_the_same_test(results: Results, test: ListeningTest) -> None:
    again = ListeningTest.make(results, BASELINE)
    assert again.key == test.key


def test_other_sounds_make_another_test(
    results: Results, test: ListeningTest, tmp_path: Path
) -> None:
    clips = results.clips.copy()
    heard = (clips["arm"] == "maml") & (clips["steps"] == 10) & (clips["shots"] == 5)
    place = clips.index[heard][0]
    other = tmp_path / "other.flac"
    soundfile.write(other, 0.1 * np.sin(np.arange(900) * 0.3), 16000)
    clips.loc[[place], "path"] = pd.Series([other], [place])
    changed = ListeningTest.make(replace(results, clips=clips), BASELINE).key
    assert changed.test.sounds != test.key.test.sounds
    assert changed.test.arms == test.key.test.arms
    assert not set(changed.sounds) & set(test.key.sounds)


def test_an_arm_that_lacks_a_sentence_is_not_asked_about_there(results: Results) -> None:
    clips = results.clips
    gone = (clips["arm"] == "maml") & (clips["utterance"] == "s0_1")
    key = ListeningTest.make(replace(results, clips=clips[~gone]), BASELINE).key
    assert Stimulus("maml", SPEAKERS[0], "s0_1") not in key.sounds.values()
    named = {sound for form in key.forms for trial in form for sound in trial.sounds}
    assert named <= set(key.sounds)


@pytest.mark.parametrize("lacking", ["natural", "everything"])
def test_without_recordings_to_compare_with_there_is_no_trial(
    results: Results, tmp_path: Path, lacking: str
) -> None:
    clips = results.clips
    clips = clips.iloc[:0] if lacking == "everything" else clips[clips["arm"] != lacking]
    test = ListeningTest.make(replace(results, clips=clips), BASELINE)
    test.write(tmp_path / "listening", tmp_path / "key.json")
    assert json.loads((tmp_path / "key.json").read_text())["forms"] == []
    assert (tmp_path / "listening/index.html").is_file()


def test_one_arm_alone_has_no_pairs(results: Results) -> None:
    key = ListeningTest.make(results, None).key
    assert {trial.part for form in key.forms for trial in form} == {"acr", "mushra"}
