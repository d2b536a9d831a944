"""Metric learning: a speaker encoder trained on episodes, no gradient step for a new voice.

Prototypical networks (Snell et al. 2017): a speaker's prototype is the mean embedding of the
support set; queries are classified by their distance to the prototypes. The acoustic model learns
with it to speak from prototypes.
"""

from dataclasses import asdict
from typing import Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional as F

from adaptts.episodes.batch import Batch
from adaptts.episodes.sampler import Sampler
from adaptts.inner_loop import Parameters
from adaptts.models.speaker_encoder import SpeakerEncoder
from adaptts.objectives import acoustic_losses, weighted_sum
from adaptts.params import STRICT, Positive, Weight
from adaptts.strategies.learner import Learner
from adaptts.strategies.strategy import Strategy

COSINE_SCALE = 10.0  # of cosine similarities, as logits


@dataclass(frozen=True, config=STRICT)
class PrototypeParams:
    distance: Literal["euclidean", "cosine"]
    speakers: Positive  # of an episode
    support: Positive  # utterances of each
    query: Positive  # utterances of each
    metric_weight: Weight  # of the prototypical loss beside the acoustic model's


def similarities(queries: Tensor, prototypes: Tensor, distance: str) -> Tensor:
    """Logits [Q, S] of queries [Q, D] belonging to prototypes [S, D].

    euclidean: minus the squared distance (Snell et al. 2017, equation 2). cosine: the scaled
    cosine (Vinyals et al. 2016).
    """
    if distance == "euclidean":
        return -torch.cdist(queries, prototypes).square()
    return COSINE_SCALE * F.normalize(queries, dim=-1) @ F.normalize(prototypes, dim=-1).T


class Prototype(Strategy):
    Params = PrototypeParams
    params: PrototypeParams
    takes_steps = False

    def extend(self, learner: Learner) -> None:
        model = self.setting.model
        encoder = SpeakerEncoder(
            self.setting.mels, model.channels, model.speaker_channels, model.kernel
        )
        # The acoustic model has learned to speak from vectors around this one.
        encoder.output.bias.data.copy_(learner.average_speaker().detach())
        learner.extra["encoder"] = encoder

    def draw(self, sampler: Sampler, step: int, utterances: int) -> list[Batch]:
        """The support of all speakers, and the queries of all, speaker by speaker."""
        params = self.params
        tasks = sampler.episode(step, params.speakers, params.support, params.query)
        support = sampler.utterances.batch([u for task in tasks for u in task.support])
        return [support, sampler.utterances.batch([u for task in tasks for u in task.query])]

    def accumulate_gradients(self, learner: Learner, batches: list[Batch]) -> dict[str, float]:
        params = self.params
        support, query = batches
        embedded = self._embed(learner, support)
        prototypes = embedded.unflatten(0, (params.speakers, params.support)).mean(1)
        label = torch.arange(params.speakers).repeat_interleave(params.query)
        logits = similarities(self._embed(learner, query), prototypes, params.distance)
        losses = acoustic_losses(learner.acoustic(query, prototypes[label]), query)
        losses["metric"] = F.cross_entropy(logits, label)
        weights = {**asdict(self.setting.loss), "metric": params.metric_weight}
        loss = weighted_sum(losses, weights)
        loss.backward()
        return {
            "loss": loss.item(),
            "accuracy": (logits.argmax(1) == label).float().mean().item(),
            **{name: value.item() for name, value in losses.items()},
        }

    def _embed(self, learner: Learner, batch: Batch) -> Tensor:
        return learner.extra["encoder"](batch.mel, batch.frames.mask)

    def voice(self, learner: Learner, support: Batch) -> Parameters:
        """The prototype depends on the support set alone, not on its order."""
        return learner.voice(self._embed(learner, support).mean(0))
