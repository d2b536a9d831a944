from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from spoken_corpus import make_corpus

from adaptts.corpora import audio
from adaptts.corpora.manifest import Manifest
from adaptts.features import alignment, mel, text
from adaptts.features.alignment import Script
from adaptts.features.inventory import inventory_of
from adaptts.features.processes import Workers
from adaptts.params import FeatureParams

RATE = 16000


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return make_corpus(tmp_path_factory.mktemp("spoken"), 12)


@pytest.fixture(scope="module")
def mel_path(spoken: Manifest, params: FeatureParams) -> Path:
    path = spoken.folder / "mel.npy"
    np.save(
        path,
        np.concatenate(
            [
                mel.log_mel(audio.read_mono(spoken.folder / recording, RATE), RATE, params)
                for recording in spoken.table["path"]
            ]
        ),
    )
    return path


@pytest.fixture(scope="module")
def scripts(spoken: Manifest, params: FeatureParams) -> list[Script]:
    transcripts = text.exact_transcripts(spoken.phones, params)
    inventory = inventory_of(transcripts.values())
    made = []
    start = 0
    for row in spoken.table.to_dict("records"):
        frames = mel.frame_count(round(row["seconds"] * RATE), params)
        phones = np.array([inventory.index(phone) for phone in transcripts[row["utterance"]]])
        made.append(Script(row["utterance"], row["speaker"], start, frames, phones))
        start += frames
    return made


def boundary_error_ms(
    durations: list[NDArray[np.int64]], scripts: list[Script], spoken: Manifest
) -> float:
    """Mean distance of the inner boundaries from the true ones."""
    ends = spoken.phones.groupby("utterance")["end_seconds"].agg(np.array)
    # A boundary between two frames lies half way between their centres.
    errors = [
        np.abs((np.cumsum(own)[:-1] - 0.5) * 16 - 1000 * ends[script.utterance][:-1])
        for own, script in zip(durations, scripts, strict=True)
    ]
    return float(np.concatenate(errors).mean())


def even_durations(script: Script) -> NDArray[np.int64]:
    count = len(script.phones)
    return np.diff(np.arange(count + 1) * script.frames // count)


def test_alignment_finds_boundaries_that_even_durations_miss(spoken, mel_path, scripts):
    with Workers(1) as workers:
        durations = alignment.align(mel_path, scripts, 60, 8, workers)
    found = boundary_error_ms(durations, scripts, spoken)
    even = boundary_error_ms([even_durations(script) for script in scripts], scripts, spoken)
    print(f"mean boundary error {found:.1f} ms, with even durations {even:.1f} ms")
    # From 48 utterances; 24 and 82 ms from the 1440 of the whole corpus.
    assert found < 40
    assert found < 0.5 * even


def test_alignment_fills_every_utterance_and_leaves_no_phone_out(mel_path, scripts):
    with Workers(1) as workers:
        durations = alignment.align(mel_path, scripts, 60, 1, workers)
    for own, script in zip(durations, scripts, strict=True):
        assert len(own) == len(script.phones)
        assert own.sum() == script.frames
        assert own.min() >= 1


def test_an_utterance_with_fewer_frames_than_phones_is_refused(mel_path):
    short = Script("short-1", "s", 0, 3, np.array([1, 2, 3, 1]))
    with Workers(1) as workers, pytest.raises(ValueError, match=r"utterance short-1 has 3 mel fr"):
        alignment.align(mel_path, [short], 60, 1, workers)


def test_flat_durations_leave_the_quiet_ends_to_silence():
    log_mel = np.full((20, 4), -8.0)
    log_mel[5:17] = 0.0
    assert alignment.flat_durations(log_mel, 5).tolist() == [5, 4, 4, 4, 3]


@pytest.mark.parametrize(("frames", "phones"), [(3, 3), (7, 2), (5, 4), (4, 4)])
def test_flat_durations_of_a_steady_sound_leave_no_phone_out(frames, phones):
    durations = alignment.flat_durations(np.zeros((frames, 4)), phones)
    assert durations.sum() == frames
    assert durations.min() >= 1


def every_path(frames: int, phones: int) -> list[list[int]]:
    cuts = combinations(range(1, frames), phones - 1)
    return [np.diff([0, *cut, frames]).tolist() for cut in cuts]


def score_of(path: list[int], scores: NDArray[np.float64]) -> float:
    return scores[np.arange(len(scores)), np.repeat(np.arange(len(path)), path)].sum()


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(
        st.tuples(st.integers(1, 8), st.integers(0, 4)).map(lambda pair: (sum(pair), pair[0])),
        min_size=1,
        max_size=4,
    ),
    seed=st.integers(0, 1000),
)
def test_best_durations_are_the_best_of_all_paths(sizes, seed):
    generator = np.random.default_rng(seed)
    scores = [generator.normal(size=size) for size in sizes]
    for found, own in zip(alignment.best_durations(scores), scores, strict=True):
        best = max(every_path(*own.shape), key=lambda path: score_of(path, own))
        assert found.tolist() == best


def test_log_likelihoods_are_those_of_normal_densities():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(5, 3))
    model = alignment.Gaussians(generator.normal(size=(2, 3)), generator.uniform(0.5, 2, (2, 3)))
    density = scipy.stats.norm(model.means, np.sqrt(model.variances))
    constant = 1.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(
        model.log_likelihoods(features) - constant,
        density.logpdf(features[:, None]).sum(axis=-1),
    )


def test_moments_add_up():
    generator = np.random.default_rng(0)
    features, groups = generator.normal(size=(9, 2)), generator.integers(0, 3, 9)
    whole = alignment.Moments.of(groups, 3, features)
    halves = alignment.Moments.of(groups[:4], 3, features[:4]) + alignment.Moments.of(
        groups[4:], 3, features[4:]
    )
    for name in ("counts", "sums", "square_sums"):
        np.testing.assert_allclose(getattr(halves, name), getattr(whole, name))
