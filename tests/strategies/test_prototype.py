"""Prototypes and the two losses of the speaker encoder, against plain computations."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_strategies import ROUNDING, learn
from torch import Tensor, nn

from adaptts.episodes.sampler import Sampler
from adaptts.models.acoustic import SPEAKER
from adaptts.models.speaker_encoder import SpeakerEncoder
from adaptts.strategies.prototype import CentroidSimilarity, similarities

ARMS = ["prototype", "prototype_ge2e", "prototype_finetune"]


def encoder_of(learner) -> SpeakerEncoder:
    """The learner's encoder, with outputs that differ as after training."""
    encoder = learner.extra["encoder"]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        nn.init.normal_(encoder.output.weight)
    return encoder


@pytest.mark.parametrize("arm", ARMS)
def test_a_prototype_is_the_mean_embedding(setting, utterances, arm) -> None:
    strategy, learner = learn(setting, arm)
    encoder = encoder_of(learner)
    names = ["s6_2", "s6_3", "s6_5"]
    alone = [utterances.batch([name]) for name in names]
    mean = torch.stack([encoder(one.mel, one.frames.mask)[0] for one in alone]).mean(0)
    voice = strategy.voice(learner, utterances.batch(names))
    torch.testing.assert_close(voice[SPEAKER], mean, **ROUNDING)


@pytest.mark.parametrize("arm", ARMS)
def test_a_prototype_ignores_the_order_of_the_support(setting, utterances, arm) -> None:
    strategy, learner = learn(setting, arm)
    encoder_of(learner)

    @given(st.permutations([f"s6_{take}" for take in range(2, 9)]), st.integers(1, 7))
    @settings(max_examples=30, deadline=None)
    def holds(names: list[str], shots: int) -> None:
        chosen = names[:shots]
        one = strategy.voice(learner, utterances.batch(chosen))[SPEAKER]
        other = strategy.voice(learner, utterances.batch(sorted(chosen)))[SPEAKER]
        torch.testing.assert_close(one, other, **ROUNDING)

    holds()


def test_padding_does_not_reach_an_embedding(setting, utterances) -> None:
    _, learner = learn(setting, "prototype")
    encoder = encoder_of(learner)
    alone, both = utterances.batch(["s0_0"]), utterances.batch(["s0_0", "s2_1"])
    torch.testing.assert_close(
        encoder(alone.mel, alone.frames.mask)[0], encoder(both.mel, both.frames.mask)[0], **ROUNDING
    )


def test_similarities_are_their_definitions() -> None:
    queries = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    prototypes = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    torch.testing.assert_close(
        similarities(queries, prototypes, "euclidean"), torch.tensor([[0.0, -2.0], [-5.0, -1.0]])
    )
    torch.testing.assert_close(
        similarities(queries, prototypes, "cosine"), torch.tensor([[10.0, 0.0], [0.0, 10.0]])
    )


def ge2e_loss(embedded: Tensor, scale: float, bias: float) -> float:
    """GE2E, softmax variant, number by number: the mean over utterances of Wan et al.'s loss."""
    speakers = [[utterance.tolist() for utterance in own] for own in embedded]
    speakers = [[unit(utterance) for utterance in own] for own in speakers]
    losses = []
    for j, own in enumerate(speakers):
        for i, utterance in enumerate(own):
            row = []
            for k, others in enumerate(speakers):
                kept = [other for m, other in enumerate(others) if (k, m) != (j, i)]
                centroid = [sum(values) / len(kept) for values in zip(*kept, strict=True)]
                cosine = sum(a * b for a, b in zip(utterance, unit(centroid), strict=True))
                row.append(scale * cosine + bias)
            losses.append(-row[j] + math.log(sum(math.exp(value) for value in row)))
    return sum(losses) / len(losses)


def unit(vector: list[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector]


@pytest.mark.parametrize(("speakers", "each", "channels"), [(2, 2, 3), (3, 4, 5), (5, 3, 2)])
def test_ge2e_is_its_definition(speakers, each, channels) -> None:
    generator = torch.Generator().manual_seed(speakers)
    embedded = torch.randn(speakers, each, channels, generator=generator)
    similarity = CentroidSimilarity()
    with torch.no_grad():
        similarity.log_scale.fill_(math.log(4.0))
        similarity.bias.fill_(-1.5)
    label = torch.arange(speakers).repeat_interleave(each)
    found = nn.functional.cross_entropy(similarity(embedded).flatten(0, 1), label)
    assert found.item() == pytest.approx(ge2e_loss(embedded, 4.0, -1.5), rel=1e-5)


def test_ge2e_never_compares_an_utterance_with_itself() -> None:
    """An utterance at right angles to the others of its speaker has a similarity of just b."""
    embedded = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [0.0, -1.0]]])
    logits = CentroidSimilarity()(embedded)
    torch.testing.assert_close(logits[0, :, 0], torch.tensor([-5.0, -5.0]))
    torch.testing.assert_close(logits[1, :, 1], torch.tensor([-5.0, -5.0]))


def test_the_ge2e_scale_starts_at_ten_and_stays_positive() -> None:
    similarity = CentroidSimilarity()
    assert similarity.log_scale.exp().item() == pytest.approx(10.0)
    optimiser = torch.optim.SGD(similarity.parameters(), 0.5)  # a plain w would turn negative
    same = torch.ones(2, 2, 3)
    for _ in range(20):
        optimiser.zero_grad()
        similarity(same).sum().backward()
        optimiser.step()
    assert similarity.log_scale.exp().item() > 0


def test_a_step_with_ge2e_has_the_loss_of_its_episode(setting, utterances, episodes) -> None:
    strategy, learner = learn(setting, "prototype_ge2e")
    encoder = encoder_of(learner)
    batches = strategy.draw(Sampler(utterances, episodes, 0), 0, 4)
    losses = strategy.accumulate_gradients(learner, batches)
    support, query = (encoder(batch.mel, batch.frames.mask) for batch in batches)
    embedded = torch.cat([support.unflatten(0, (3, 2)), query.unflatten(0, (3, 1))], 1)
    assert losses["metric"] == pytest.approx(ge2e_loss(embedded, 10.0, -5.0), rel=1e-4)
    assert learner.extra["similarity"].log_scale.grad != 0


def test_a_prototype_is_where_fine_tuning_begins(setting, utterances) -> None:
    voices = {}
    for arm in ("prototype", "prototype_finetune"):
        strategy, learner = learn(setting, arm)
        encoder_of(learner)
        voices[arm] = strategy.voice(learner, utterances.batch(["s6_2", "s6_3"]))
        assert strategy.takes_steps == (arm == "prototype_finetune")
    for name, value in voices["prototype"].items():
        torch.testing.assert_close(voices["prototype_finetune"][name], value, rtol=0, atol=0)
