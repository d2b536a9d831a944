"""Metric learning: a speaker encoder trained on episodes, no gradient step for a new voice.

A speaker's prototype is the mean embedding of the support set. Beside an acoustic model that
learns to speak from prototypes, the encoder learns to tell speakers apart: queries by their
distance to the prototypes (prototypical networks, Snell et al. 2017), or each utterance by its
cosine to the centroids of all the others (GE2E, Wan et al. 2018).
"""

from dataclasses import asdict
from typing import Literal, Self

import torch
from pydantic import model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
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
GE2E_SCALE, GE2E_BIAS = 10.0, -5.0  # where they start (Wan et al. 2018)


@dataclass(frozen=True, config=STRICT)
class PrototypeParams:
    distance: Literal["euclidean", "cosine"]
    speakers: Positive  # of an episode
    support: Positive  # utterances of each
    query: Positive  # utterances of each
    metric_weight: Weight  # of the metric loss beside the acoustic model's
    loss: Literal["prototypical", "ge2e"] = "prototypical"

    @model_validator(mode="after")
    def check_distance(self) -> Self:
        if self.loss == "ge2e" and self.distance != "cosine":
            raise ValueError(f"loss ge2e needs distance cosine, got {self.distance}")
        return self


def similarities(queries: Tensor, prototypes: Tensor, distance: str) -> Tensor:
    """Logits [Q, S] of queries [Q, D] belonging to prototypes [S, D].

    euclidean: minus the squared distance (Snell et al. 2017, equation 2). cosine: the scaled
    cosine (Vinyals et al. 2016).
    """
    if distance == "euclidean":
        return -torch.cdist(queries, prototypes).square()
    return COSINE_SCALE * F.normalize(queries, dim=-1) @ F.normalize(prototypes, dim=-1).T


class CentroidSimilarity(nn.Module):
    """The similarity matrix of GE2E (Wan et al. 2018, equation 9), with w > 0 and b learned."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(GE2E_SCALE).log())
        self.bias = nn.Parameter(torch.tensor(GE2E_BIAS))

    def forward(self, embedded: Tensor) -> Tensor:
        """Utterances [S, U, D] of S speakers -> logits [S, U, S]: w cos(utterance, centroid) + b.

        For its own speaker's centroid an utterance is left out (equation 8), lest it be compared
        with itself.
        """
        unit = F.normalize(embedded, dim=-1)
        total = unit.sum(1)
        cosine = unit @ F.normalize(total, dim=-1).T
        rest = F.normalize(total.unsqueeze(1) - unit, dim=-1)
        own = (unit * rest).sum(-1, keepdim=True)
        is_own = torch.eye(len(unit), dtype=torch.bool, device=unit.device).unsqueeze(1)
        return self.log_scale.exp() * torch.where(is_own, own, cosine) + self.bias


class Prototype(Strategy):
    Params = PrototypeParams
    params: PrototypeParams
    takes_steps = False
    embeds_support = True

    def extend(self, learner: Learner) -> None:
        model = self.setting.model
        encoder = SpeakerEncoder(
            self.setting.mels, model.channels, model.speaker_channels, model.kernel
        )
        # The acoustic model has learned to speak from vectors around this one.
        encoder.output.bias.data.copy_(learner.average_speaker().detach())
        learner.extra["encoder"] = encoder
        if self.params.loss == "ge2e":
            learner.extra["similarity"] = CentroidSimilarity()

    def draw(self, sampler: Sampler, step: int, utterances: int) -> list[Batch]:
        """The support of all speakers, and the queries of all, speaker by speaker."""
        params = self.params
        tasks = sampler.episode(step, params.speakers, params.support, params.query)
        support = sampler.utterances.batch([u for task in tasks for u in task.support])
        return [support, sampler.utterances.batch([u for task in tasks for u in task.query])]

    def accumulate_gradients(self, learner: Learner, batches: list[Batch]) -> dict[str, float]:
        params = self.params
        support, query = (
            self._embed(learner, batch).unflatten(0, (params.speakers, -1)) for batch in batches
        )
        prototypes = support.mean(1)
        spoken = learner.acoustic(batches[1], prototypes.repeat_interleave(params.query, 0))
        losses = acoustic_losses(spoken, batches[1])
        logits = self._logits(learner, support, query)
        speakers = torch.arange(params.speakers, device=logits.device)
        label = speakers.repeat_interleave(len(logits) // params.speakers)
        losses["metric"] = F.cross_entropy(logits, label)
        loss = weighted_sum(losses, {**asdict(self.setting.loss), "metric": params.metric_weight})
        loss.backward()
        return {
            "loss": loss.item(),
            "accuracy": (logits.argmax(1) == label).float().mean().item(),
            **{name: value.item() for name, value in losses.items()},
        }

    def _logits(self, learner: Learner, support: Tensor, query: Tensor) -> Tensor:
        """Whose utterance? Of the queries, or with GE2E of all; speaker by speaker, [·, S]."""
        if self.params.loss == "ge2e":
            return learner.extra["similarity"](torch.cat([support, query], 1)).flatten(0, 1)
        return similarities(query.flatten(0, 1), support.mean(1), self.params.distance)

    def _embed(self, learner: Learner, batch: Batch) -> Tensor:
        return learner.extra["encoder"](batch.mel, batch.frames.mask)

    def voice(self, learner: Learner, support: Batch) -> Parameters:
        """The prototype depends on the support set alone, not on its order."""
        return learner.voice(self._embed(learner, support).mean(0))
