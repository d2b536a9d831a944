from dataclasses import replace

import pytest
import torch
from small_corpus import MODEL
from torch.func import functional_call

from adaptts.models.acoustic import (
    LONGEST_PHONE_FRAMES,
    SPEAKER,
    SUBSETS,
    AcousticModel,
    choose,
)
from adaptts.strategies.learner import Learner, seeded

# Sums of another length round otherwise.
ROUNDING = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture
def model(store) -> AcousticModel:
    with seeded(0):
        return AcousticModel(MODEL, len(store.inventory), store.params.mels)


@pytest.fixture
def speaker() -> torch.Tensor:
    return torch.randn(2, MODEL.speaker_channels, generator=torch.Generator().manual_seed(0))


def test_padding_changes_nothing(model, speaker, utterances) -> None:
    both = utterances.batch(["s2_0", "s0_0"])
    alone = utterances.batch(["s0_0"])
    assert alone.mel.shape[1] < both.mel.shape[1]
    one = model(alone, speaker[1:])
    two = model(both, speaker)
    frames, phones = alone.mel.shape[1], alone.phones.shape[1]
    torch.testing.assert_close(one.mel[0], two.mel[1, :frames], **ROUNDING)
    torch.testing.assert_close(one.log_duration[0], two.log_duration[1, :phones], **ROUNDING)
    torch.testing.assert_close(one.pitch[0], two.pitch[1, :phones], **ROUNDING)


def test_another_speaker_vector_is_another_voice(model, speaker, utterances) -> None:
    batch = utterances.batch(["s0_0", "s0_0"])
    prediction = model(batch, speaker)
    assert not torch.allclose(prediction.mel[0], prediction.mel[1], atol=1e-3)


def test_synthesis_takes_as_many_frames_as_it_predicts(model, speaker, utterances) -> None:
    batch = utterances.batch(["s2_0", "s0_0"])
    said = model.synthesise(batch.phones, batch.phone_mask, speaker)
    expected = said.durations.round().sum(1)
    torch.testing.assert_close(said.frames.mask.sum(1).float(), expected)
    assert (said.durations[batch.phone_mask] >= 1).all()
    assert (said.durations[~batch.phone_mask] == 0).all()


def test_a_runaway_duration_is_bounded(model, speaker, utterances) -> None:
    with torch.no_grad():
        model.duration.output.bias.fill_(1e9)
    batch = utterances.batch(["s2_0", "s0_0"])
    said = model.synthesise(batch.phones, batch.phone_mask, speaker)
    assert said.durations.max() <= LONGEST_PHONE_FRAMES + 0.01


def test_the_model_can_be_differentiated_twice(model, speaker, utterances) -> None:
    batch = utterances.batch(["s0_0", "s1_0"])
    weights = {n: p.detach().clone().requires_grad_() for n, p in model.named_parameters()}
    loss = functional_call(model, weights, (batch, speaker)).mel.square().mean()
    first = torch.autograd.grad(
        loss, list(weights.values()), create_graph=True, materialize_grads=True
    )
    second = torch.autograd.grad(
        sum(gradient.square().sum() for gradient in first),
        list(weights.values()),
        materialize_grads=True,
    )
    assert all(torch.isfinite(gradient).all() for gradient in second)
    assert any(gradient.abs().max() > 0 for gradient in second)


@pytest.mark.parametrize("subset", SUBSETS)
def test_every_subset_but_the_head_holds_the_speaker_vector(setting, subset) -> None:
    learner = Learner(setting)
    voice = learner.voice(learner.average_speaker())
    chosen = choose(voice, subset)
    assert chosen
    assert (SPEAKER in chosen) == (subset != "head")
    assert set(chosen) <= set(voice)


def test_an_unknown_or_empty_subset_is_refused() -> None:
    with pytest.raises(ValueError, match="no parameter subset 'encoder'; choose among"):
        choose({SPEAKER: torch.zeros(1)}, "encoder")
    with pytest.raises(ValueError, match="matches no parameter"):
        choose({"embedding.weight": torch.zeros(1)}, "speaker")


def test_more_channels_are_more_parameters(store) -> None:
    sizes = [
        sum(p.numel() for p in AcousticModel(replace(MODEL, channels=c), 5, 8).parameters())
        for c in (8, 16)
    ]
    assert sizes[0] < sizes[1]
