import numpy as np
import pytest
import torch

from adaptts.strategies.heads import (
    HEADS,
    ReversedSpeakerHead,
    SpeakerHead,
    phone_energy,
    reverse_gradient,
)
from adaptts.strategies.learner import Learner, seeded


@pytest.fixture
def learner(setting) -> Learner:
    with seeded(0):
        return Learner(setting)


def predict(learner: Learner, batch):
    return learner.acoustic(batch, learner.speakers(batch.speaker))


def test_a_reversed_gradient_is_the_same_with_the_other_sign() -> None:
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0)) * 10
    hidden = values.clone().requires_grad_()
    turned = reverse_gradient(hidden)
    torch.testing.assert_close(turned.detach(), values, rtol=0, atol=0)
    (gradient,) = torch.autograd.grad((turned.square() / 2).sum(), hidden)
    torch.testing.assert_close(gradient, -values, rtol=0, atol=0)


def test_the_encoder_learns_against_the_reversed_head_and_the_head_does_not(
    setting, utterances, learner, monkeypatch
) -> None:
    batch = utterances.batch(["s0_2", "s1_3", "s2_3"])
    with seeded(1):
        head = ReversedSpeakerHead(setting)
    encoder = list(learner.acoustic.encoder.parameters())
    gradients = []
    for reverse in (reverse_gradient, lambda hidden: hidden):
        monkeypatch.setattr("adaptts.strategies.heads.reverse_gradient", reverse)
        loss = head(predict(learner, batch), batch)
        gradients.append(torch.autograd.grad(loss, [*encoder, *head.parameters()]))
    for place, (turned, plain) in enumerate(zip(*gradients, strict=True)):
        expected = -plain if place < len(encoder) else plain
        assert expected.any()
        torch.testing.assert_close(turned, expected, rtol=0, atol=0)


def test_energy_is_the_mean_of_a_phones_mel(utterances) -> None:
    names = ["s2_3", "s0_2"]
    batch = utterances.batch(names)
    energy = phone_energy(batch)
    for row, name in enumerate(names):
        durations = utterances.store.durations(name).astype(int)
        mel = batch.mel[row, : durations.sum()].numpy()
        spans = np.split(mel, np.cumsum(durations)[:-1])
        expected = torch.tensor([span.mean() for span in spans])
        torch.testing.assert_close(energy[row, : len(durations)], expected)
        assert not energy[row, len(durations) :].any()


PLACES = {
    "energy": lambda batch: batch.phone_mask.sum().item(),
    "phone": lambda batch: batch.frames.mask.sum().item(),
    "speaker": len,
    "speaker_reversed": len,
}


@pytest.mark.parametrize("name", HEADS)
def test_a_loss_is_the_mean_over_valid_places(setting, utterances, learner, name) -> None:
    """Of a padded batch it is that of the utterances alone, weighted by their places."""
    with seeded(1):
        head = HEADS[name](setting)
    short, long, both = (
        utterances.batch(names) for names in (["s0_2"], ["s2_3"], ["s0_2", "s2_3"])
    )
    losses = [head(predict(learner, batch), batch).item() for batch in (short, long)]
    expected = np.average(losses, weights=[PLACES[name](batch) for batch in (short, long)])
    assert head(predict(learner, both), both).item() == pytest.approx(expected, rel=1e-4)


def test_a_speaker_head_tells_training_speakers_apart(setting, utterances, learner) -> None:
    batch = utterances.batch(["s0_2", "s1_3", "s2_3", "s3_3"])
    with seeded(1):
        head = SpeakerHead(setting)
    optimiser = torch.optim.Adam([*learner.parameters(), *head.parameters()], 0.02)
    for _ in range(60):
        optimiser.zero_grad()
        loss = head(predict(learner, batch), batch)
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.1
