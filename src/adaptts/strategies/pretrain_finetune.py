"""Transfer learning: train on many speakers, then fine-tune on the new one.

The usual baseline, as in Chen et al. 2019, Sample Efficient Adaptive Text-to-Speech.
"""

from dataclasses import asdict

from adaptts.episodes.batch import Batch
from adaptts.episodes.sampler import Sampler
from adaptts.inner_loop import Parameters
from adaptts.objectives import acoustic_losses, weighted_sum
from adaptts.strategies.learner import Learner
from adaptts.strategies.strategy import Strategy


class PretrainFinetune(Strategy):
    """Goes on as the trunk began; a new voice starts from the mean training speaker."""

    def extend(self, learner: Learner) -> None:
        """The trunk has all it takes."""

    def draw(self, sampler: Sampler, step: int, utterances: int) -> list[Batch]:
        return [sampler.batch(step, utterances)]

    def accumulate_gradients(self, learner: Learner, batches: list[Batch]) -> dict[str, float]:
        (batch,) = batches
        prediction = learner.acoustic(batch, learner.speakers(batch.speaker))
        losses = acoustic_losses(prediction, batch)
        loss = weighted_sum(losses, asdict(self.setting.loss))
        loss.backward()
        return {"loss": loss.item(), **{name: value.item() for name, value in losses.items()}}

    def voice(self, learner: Learner, support: Batch) -> Parameters:
        return learner.voice(learner.average_speaker())
