import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptts.evaluation.instruments import record
from adaptts.evaluation.recognisers import ctc, ctc_training
from adaptts.evaluation.recognisers.ctc import Network, decode, hearable
from adaptts.evaluation.recognisers.ctc_training import (
    BATCH,
    Training,
    batches,
    ctc_loss,
    least_frames,
    perturb,
    stretch,
    train,
    validate,
)
from adaptts.params import CtcParams

SMALL = CtcParams(channels=16, utterance_gradients=3 * BATCH)


@pytest.fixture(scope="module")
def training(store) -> Training:
    return train(store, store.index.index[:10].tolist(), "en-us", SMALL)


def test_repetitions_and_blanks_are_removed_along_the_best_path() -> None:
    # a a - a b b: a doubled letter needs a blank between.
    path = torch.tensor([1, 1, 0, 1, 2, 2])
    assert decode(torch.nn.functional.one_hot(path, 3).float(), "ab") == "aab"
    assert decode(torch.tensor([[1.0, 0, 0]]), "ab") == ""


def test_it_learns_to_hear(store, corpus) -> None:
    """Few utterances, learned by heart: a network that cannot do that hears nothing."""
    utterances = store.index.index[:3].tolist()
    params = CtcParams(channels=32, utterance_gradients=140 * BATCH)
    trained = train(store, utterances, "en-us", params)
    losses = [row["loss"] for row in trained.curve]
    assert losses[-1] < losses[0] / 4
    rates = validate(trained.recogniser, store, utterances, "en-us")
    assert rates["utterances"] == 3
    assert rates["wer"] <= 30
    utterance = utterances[0]
    heard = trained.recogniser.hear(record(corpus, store, utterance), 16000, utterance)
    # From sound it makes the frames that it has learned from.
    assert heard == trained.recogniser.read(store.mel(utterance))
    quiet = trained.recogniser.hear(record(corpus, store, utterance) / 50, 16000, utterance)
    assert quiet == heard


def test_the_same_training_gives_the_same_weights(store, training) -> None:
    again = train(store, store.index.index[:10].tolist(), "en-us", SMALL)
    first, second = (it.recogniser.network.state_dict() for it in (training, again))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert again.curve == training.curve


def test_it_is_read_as_it_was_saved(tmp_path: Path, store, training) -> None:
    ctc_training.save(tmp_path, training, {"wer": 1.0})
    loaded = ctc.load(tmp_path)
    utterance = store.index.index[0]
    assert loaded.read(store.mel(utterance)) == training.recogniser.read(store.mel(utterance))
    assert loaded.sampling_rate == store.sampling_rate
    assert json.loads((tmp_path / "recogniser.json").read_text())["ctc"]["validation"] == {
        "wer": 1.0
    }


@pytest.mark.parametrize("spoil", ["weights.safetensors", "recogniser.json", None])
def test_what_is_not_there_points_to_its_stage(tmp_path: Path, training, spoil) -> None:
    if spoil:
        ctc_training.save(tmp_path, training, {})
        (tmp_path / spoil).write_text("{}")
    with pytest.raises(ValueError, match="run the stage recogniser"):
        ctc.load(tmp_path)


def test_characters_that_training_never_met_cannot_be_asked(training) -> None:
    assert training.recogniser.objection("two jazz 书").endswith("the characters j, z, 书")
    assert not training.recogniser.objection("two toys")


@pytest.mark.parametrize("samples", [0, 10, 1024, 16000])
def test_silence_is_heard_as_nothing(training, samples: int) -> None:
    assert training.recogniser.hear(np.zeros(samples), 16000, "silence") == ""


@pytest.mark.parametrize("samples", [1, 600, 1025, 1500])
def test_clicks_can_be_heard(training, samples: int) -> None:
    noise = np.random.default_rng(0).normal(size=samples)
    assert isinstance(training.recogniser.hear(noise, 16000, "noise"), str)


def test_what_stands_beside_it_in_a_batch_changes_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    network = Network(mels=8, channels=16, symbols=5).eval()
    short, long = (torch.randn(frames, 8, generator=generator) for frames in (21, 60))
    batch = torch.nn.utils.rnn.pad_sequence([short, long], batch_first=True)
    together, lengths = network(batch, torch.tensor([21, 60]))
    alone, (length,) = network(short[None], torch.tensor([21]))
    assert lengths.tolist() == [11, 30]
    torch.testing.assert_close(together[0, :length], alone[0, :length], rtol=1e-5, atol=1e-5)


def test_utterances_too_short_for_their_texts_are_left_out(store, training) -> None:
    long = "ha " * 999
    names = store.index.index[:10].tolist()
    more = store.index.index[10]
    mixed = replace(store, index=store.index.assign(
        text=store.index["text"].where(store.index.index != more, long)
    ))  # fmt: skip
    trained = train(mixed, [*names, more], "en-us", SMALL)
    assert trained.curve == training.curve
    with pytest.raises(ValueError, match="too few frames.*lower features.hop_samples"):
        train(mixed, [more], "en-us", SMALL)


def test_equal_neighbours_need_a_blank_between() -> None:
    assert least_frames("abc") == 2 * 3
    assert least_frames("aabb") == 2 * (4 + 2)


def test_an_utterance_too_short_for_its_text_has_no_part_in_the_loss() -> None:
    network = Network(mels=8, channels=16, symbols=5)
    frames = np.ones((4, 8), np.float32)
    loss = ctc_loss(network, [frames], [torch.tensor([1, 2, 3, 4, 1, 2])])
    assert loss.item() == 0


@given(st.floats(-20, 20))
def test_level_and_colour_are_not_heard(level: float) -> None:
    mel = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    colour = np.linspace(0, 0.5, 8, dtype=np.float32)
    np.testing.assert_allclose(hearable(mel + level), hearable(mel), atol=1e-4)
    np.testing.assert_allclose(hearable(mel + colour), hearable(mel), atol=1e-4)


@given(st.integers(1, 60), st.integers(0, 99))
@settings(max_examples=40)
def test_perturbed_frames_are_finite_and_of_like_length(frames: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    heard = perturb(generator.normal(size=(frames, 16)).astype(np.float32), generator)
    assert heard.dtype == np.float32
    assert np.isfinite(heard).all()
    assert 0.8 * frames - 1 <= len(heard) <= max(2, 1.25 * frames + 1)
    assert heard.shape[1] == 16


def test_a_stretch_lies_between_its_neighbours() -> None:
    rows = np.array([[0.0], [1.0], [4.0]], np.float32)
    assert stretch(rows, np.array([0, 0.5, 1.5, 2])).ravel().tolist() == [0, 0.5, 2.5, 4]


def test_every_utterance_is_drawn_before_any_again() -> None:
    names = [f"u{number}" for number in range(BATCH)]
    drawn = batches(names, 5, np.random.default_rng(0))
    assert [sorted(batch) for batch in drawn] == [sorted(names)] * 5
    assert all(a != b for a, b in pairwise(drawn))


def test_chinese_is_spelt_without_spaces(store) -> None:
    chinese = replace(store, index=store.index.assign(text="我有3本书。"))
    once = CtcParams(channels=4, utterance_gradients=1)
    trained = train(chinese, store.index.index[:1].tolist(), "cmn", once)
    assert trained.recogniser.alphabet == sorted("我有三本书")
