from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adaptts.adaptation import Spoken, Voices, VoiceWriter
from adaptts.evaluation.instruments import ALIGNED, HEARD, PREDICTED, queries
from adaptts.evaluation.measure import COLUMNS, tabulate
from adaptts.evaluation.prosody import phone_pitch
from adaptts.evaluation.results import Results
from adaptts.evaluation.voice import Evaluator, Task
from adaptts.params import PointParams

SEEDS = [0, 1]
SPEAKER = "f3"
POINTS = [PointParams(1, 0), PointParams(4, 2)]


@pytest.fixture
def task(episodes, evaluation) -> Task:
    asked = replace(evaluation, headline=POINTS[1], points=POINTS)
    return Task("maml", SPEAKER, queries(episodes, SPEAKER), SEEDS, asked)


def say(store, utterance: str, noise: float, seed: int) -> Spoken:
    """The truth with noise: a voice that is as far off as is wanted."""
    generator = np.random.default_rng(seed)
    mel = store.mel(utterance)
    durations = store.durations(utterance)
    return Spoken(
        (mel + noise * generator.normal(size=mel.shape)).astype(np.float32),
        (durations + noise).astype(np.float32),
        phone_pitch(store.f0(utterance), durations).astype(np.float32),
    )


def make_voices(folder: Path, store, task: Task, steps=(0, 2), shots=(1, 4), spoil=None) -> Voices:
    """Voices that come nearer to the truth with each step; `spoil` may change what they say."""
    writer = VoiceWriter()
    for seed in task.seeds:
        for count in shots:
            for step in steps:
                key = {"seed": seed, "draw": seed, "shots": count, "steps": step}
                # Before the first step a voice has not heard its support set.
                noise, drawn = (0.4, 0) if step == 0 else (0.4 / (1 + step), 10 * count + seed)
                spoken = [say(store, utterance, noise, drawn) for utterance in task.queries]
                writer.add(key, task.queries, spoil(key, spoken) if spoil else spoken)
    writer.save(folder, [], {})
    return Voices.open(folder)


def evaluate(instruments, vocoder, voices: Voices, task: Task) -> tuple[Results, list[int]]:
    heard: list[int] = []
    return Evaluator(instruments, vocoder).evaluate(voices, task, heard.append), heard


def test_every_point_is_measured_and_those_asked_for_are_heard(
    tmp_path, instruments, vocoder, store, task
) -> None:
    voices = make_voices(tmp_path, store, task)
    results, heard = evaluate(instruments, vocoder, voices, task)
    table = tabulate(results.measures)
    assert not table.duplicated(COLUMNS[:8]).any()
    assert table["value"].notna().all()
    everywhere = len(SEEDS) * 2 * 2 * len(task.queries)
    audible = len(SEEDS) * len(POINTS) * len(task.queries)
    counts = table["metric"].value_counts().to_dict()
    assert counts == {
        **dict.fromkeys(PREDICTED, everywhere),
        **dict.fromkeys([*ALIGNED, *HEARD], audible),
    }
    there = table.loc[table["metric"] == "mcd", ["shots", "steps"]].drop_duplicates()
    assert sorted(there.itertuples(index=False, name=None)) == [(1, 0), (4, 2)]
    assert sum(heard) == audible == task.sounds(voices)
    assert len(results.trials) == audible * len(instruments.enrolled)


def test_nearer_voices_measure_better(tmp_path, instruments, vocoder, store, task) -> None:
    voices = make_voices(tmp_path, store, task)
    table = tabulate(evaluate(instruments, vocoder, voices, task)[0].measures)
    means = table.groupby(["metric", "steps"])["value"].mean()
    for metric in ("mel_distortion", "duration_error", "mcd"):
        assert means[metric, 2] < means[metric, 0]


def test_the_first_sentences_of_the_first_seed_are_kept(
    tmp_path, instruments, vocoder, store, task
) -> None:
    results, _ = evaluate(instruments, vocoder, make_voices(tmp_path, store, task), task)
    first = task.queries[0]
    assert sorted(results.sounds) == [f"f3-{first}-1-0-0.flac", f"f3-{first}-4-2-0.flac"]


def test_a_voice_without_steps_is_heard_at_every_number_of_shots(
    tmp_path, instruments, vocoder, store, task
) -> None:
    voices = make_voices(tmp_path, store, task, steps=(0,))
    table = tabulate(evaluate(instruments, vocoder, voices, task)[0].measures)
    there = table.loc[table["metric"] == "mcd", ["shots", "steps"]].drop_duplicates()
    assert sorted(there.itertuples(index=False, name=None)) == [(1, 0), (4, 0)]


def test_equal_speech_is_heard_once(tmp_path, instruments, vocoder, store, task) -> None:
    spoken = []

    def count(log_mel: np.ndarray) -> np.ndarray:
        spoken.append(log_mel)
        return vocoder(log_mel)

    voices = make_voices(tmp_path, store, task, steps=(0,))
    results, _ = evaluate(instruments, count, voices, task)
    # All voices say the same. One query is said again, to be kept at the other shots.
    assert len(spoken) == len(task.queries) + 1
    table = tabulate(results.measures)
    mcd = table[table["metric"] == "mcd"]
    assert (mcd.groupby("utterance")["value"].nunique() == 1).all()
    assert len(mcd) == len(SEEDS) * 2 * len(task.queries)


def test_a_diverged_voice_is_missing_with_its_reason(
    tmp_path, instruments, vocoder, store, task
) -> None:
    def break_first(key: dict, spoken: list[Spoken]) -> list[Spoken]:
        if key != {"seed": 0, "draw": 0, "shots": 4, "steps": 2}:
            return spoken
        first, *others = spoken
        return [Spoken(first.mel * np.nan, first.durations, first.pitch_hz), *others]

    voices = make_voices(tmp_path, store, task, spoil=break_first)
    results, _ = evaluate(instruments, vocoder, voices, task)
    table = tabulate(results.measures)
    lost = table[table["value"].isna()]
    assert set(lost["metric"]) == {"mel_distortion", *ALIGNED, *HEARD}
    assert set(lost["utterance"]) == {task.queries[0]}
    assert (lost["note"].str.contains("not finite")).all()
    assert f"f3-{task.queries[0]}-4-2-0.flac" not in results.sounds


def test_voices_that_lack_a_query_are_refused(tmp_path, instruments, vocoder, store, task) -> None:
    voices = make_voices(tmp_path, store, task)
    gone = task.queries[1]
    rest = voices.points[(voices.points["utterance"] != gone) | (voices.points["shots"] == 1)]
    lacking = Voices(rest, voices._mel, voices._durations, voices._pitch)
    with pytest.raises(ValueError, match=rf"seed 0, draw 0, shots 4, steps 0.*lacks \['{gone}'\]"):
        evaluate(instruments, vocoder, lacking, task)


def test_voices_that_lack_a_point_are_refused(tmp_path, instruments, vocoder, store, task) -> None:
    voices = make_voices(tmp_path, store, task, shots=(4,))
    with pytest.raises(ValueError, match=r"lack .*\[\(0, 1, 0\), \(1, 1, 0\)\].*adapt stage"):
        evaluate(instruments, vocoder, voices, task)
