import math

import pytest
import torch
from small_corpus import LOSS, MODEL

from adaptts.episodes.batch import cut, join
from adaptts.models.acoustic import AcousticModel, Prediction
from adaptts.objectives import acoustic_losses, masked_mean, shares, voice_loss, weighted_sum
from adaptts.strategies.learner import Learner


def prediction(batch, **changes) -> Prediction:
    values = {
        "mel": batch.mel,
        "log_duration": torch.log1p(batch.durations),
        "pitch": batch.pitch,
        "voicing": 40 * (2 * batch.voicing - 1),
        "encoded": torch.zeros(0),
        "decoded": torch.zeros(0),
    }
    return Prediction(**{**values, **changes})


def test_a_perfect_prediction_loses_nothing(utterances) -> None:
    batch = utterances.batch(["s0_0", "s2_1"])
    for name, loss in acoustic_losses(prediction(batch), batch).items():
        assert loss.item() == pytest.approx(0, abs=1e-6), name


def test_losses_are_their_definitions(utterances) -> None:
    batch = utterances.batch(["s0_0", "s2_1"])
    wrong = prediction(
        batch,
        mel=batch.mel + 0.5,
        log_duration=torch.log1p(batch.durations) - 0.2,
        pitch=batch.pitch + 2.0,
        voicing=torch.zeros_like(batch.voicing),
    )
    losses = acoustic_losses(wrong, batch)
    assert losses["mel"].item() == pytest.approx(0.5, rel=1e-5)
    assert losses["duration"].item() == pytest.approx(0.04, rel=1e-4)
    assert losses["pitch"].item() == pytest.approx(4.0, rel=1e-5)
    assert losses["voicing"].item() == pytest.approx(math.log(2), rel=1e-5)


def test_padding_is_no_part_of_a_loss(utterances) -> None:
    batch = utterances.batch(["s0_0", "s2_1"])
    nonsense = torch.full_like(batch.mel, 1e3)
    inside = batch.frames.mask.unsqueeze(-1)
    losses = acoustic_losses(prediction(batch, mel=torch.where(inside, batch.mel, nonsense)), batch)
    assert losses["mel"].item() == pytest.approx(0, abs=1e-6)


def test_nothing_valid_gives_zero() -> None:
    assert masked_mean(torch.ones(3), torch.zeros(3, dtype=torch.bool)).item() == 0


def test_a_weighted_sum_leaves_out_what_has_no_weight() -> None:
    losses = {"one": torch.tensor(2.0), "two": torch.tensor(5.0)}
    assert weighted_sum(losses, {"one": 3.0}).item() == 6.0


def test_voice_loss_is_the_model_with_that_voice(setting, utterances) -> None:
    learner = Learner(setting)
    batch = utterances.batch(["s6_0", "s7_1"])
    voice = learner.voice(learner.average_speaker())
    speaker = learner.average_speaker().expand(2, -1)
    losses = acoustic_losses(learner.acoustic(batch, speaker), batch)
    expected = (
        losses["mel"] + 0.3 * (losses["duration"] + losses["pitch"]) + 0.1 * losses["voicing"]
    )
    blank = AcousticModel(MODEL, setting.phones, setting.mels)
    torch.testing.assert_close(voice_loss(blank, voice, batch, LOSS), expected)


def test_joined_utterances_are_spoken_as_they_were(setting, utterances) -> None:
    learner = Learner(setting)
    batch = utterances.batch(["s6_0", "s7_1", "s6_3"])
    voice = learner.voice(learner.average_speaker())
    joined = join(batch, learner.acoustic.reach)
    expected = voice_loss(learner.acoustic, voice, batch, LOSS)
    torch.testing.assert_close(voice_loss(learner.acoustic, voice, joined, LOSS), expected)
    too_close = voice_loss(learner.acoustic, voice, join(batch, 0), LOSS)
    assert abs(too_close - expected) > 1e-4


def test_the_losses_of_pieces_add_up(utterances) -> None:
    batch = utterances.batch(["s0_0", "s2_1", "s1_3"])
    off = {"mel": 0.5, "log_duration": 0.3, "pitch": 2.0, "voicing": 1.0}

    def losses(batch):
        right = vars(prediction(batch))
        length = torch.arange(1, batch.phones.shape[1] + 1)
        wrong = {name: right[name] + by for name, by in off.items()}
        return acoustic_losses(prediction(batch, **{**wrong, "pitch": batch.pitch + length}), batch)

    pieces = cut(batch, 1)
    assert [len(piece) for piece in pieces] == [1, 1, 1]
    total = dict.fromkeys(losses(batch), 0)
    for piece in pieces:
        share = shares(piece, batch)
        total = {n: total[n] + share[n] * loss for n, loss in losses(piece).items()}
    for name, loss in losses(batch).items():
        assert total[name].item() == pytest.approx(loss.item(), rel=1e-5), name
