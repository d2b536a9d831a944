"""Model-agnostic meta-learning (Finn et al. 2017), for speech as in Meta-TTS (Huang et al. 2022).

Each episode adapts to a training speaker's support set by the inner loop, and moves the initial
weights so that the adapted ones do well on other utterances of that speaker.
"""

from itertools import islice
from typing import Annotated, Literal

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from adaptts.episodes.batch import Batch
from adaptts.episodes.sampler import Sampler
from adaptts.inner_loop import Parameters, descend, make_rule
from adaptts.models.acoustic import SPEAKER
from adaptts.models.adapted import choose, known_subset
from adaptts.objectives import voice_loss
from adaptts.params import STRICT, Positive, PositiveReal
from adaptts.strategies.learner import Learner, Setting
from adaptts.strategies.strategy import Rates, Strategy


@dataclass(frozen=True, config=STRICT)
class MamlParams:
    parameters: Annotated[str, AfterValidator(known_subset)]  # which adapt in the inner loop
    inner_steps: Positive
    inner_rule: Literal["sgd", "preconditioned_sgd"]  # Adam's first step has no derivative
    inner_rate: PositiveReal
    outer_rate: PositiveReal
    tasks: Positive  # speakers per outer step
    support: Positive  # utterances
    query: Positive  # utterances


class Maml(Strategy):
    """Second order: the outer gradient goes through every inner step."""

    Params = MamlParams
    params: MamlParams

    def __init__(self, params: MamlParams, setting: Setting, preconditioner: Parameters) -> None:
        super().__init__(params, setting, preconditioner)
        self.rule = make_rule(params.inner_rule, params.inner_rate, preconditioner)

    def extend(self, learner: Learner) -> None:
        """The initial speaker vector is learned with the other initial weights."""
        speaker = learner.average_speaker().detach().clone()
        learner.extra["initial"] = nn.ParameterDict({SPEAKER: nn.Parameter(speaker)})

    def learning_rates(self, learner: Learner, rate: float) -> Rates:
        return [(self.params.outer_rate, list(learner.parameters()))]

    def draw(self, sampler: Sampler, step: int, utterances: int) -> list[Batch]:
        """Support and query of each task, in turn."""
        params = self.params
        tasks = sampler.episode(step, params.tasks, params.support, params.query)
        parts = [part for task in tasks for part in (task.support, task.query)]
        return [sampler.utterances.batch(part) for part in parts]

    def accumulate_gradients(self, learner: Learner, batches: list[Batch]) -> dict[str, float]:
        total = 0.0
        # One task after another, each with its own backward pass: the graph of one task is all
        # that memory holds, and it is quicker than one pass for all.
        for support, query in zip(batches[::2], batches[1::2], strict=True):
            loss = self._query_loss(learner, support, query) / self.params.tasks
            loss.backward()
            total += loss.item()
        return {"loss": total}

    def _query_loss(self, learner: Learner, support: Batch, query: Batch) -> Tensor:
        """The loss on the query after the inner steps on the support."""
        initial = self._initial(learner)

        def loss(batch: Batch, adapted: Parameters) -> Tensor:
            return voice_loss(learner.acoustic, {**initial, **adapted}, batch, self.setting.loss)

        steps = descend(
            lambda adapted: loss(support, adapted),
            choose(initial, self.params.parameters),
            self.rule,
            differentiable=True,
        )
        adapted, _ = next(islice(steps, self.params.inner_steps - 1, None))
        return loss(query, adapted)

    def _initial(self, learner: Learner) -> Parameters:
        return learner.voice(learner.extra["initial"].get_parameter(SPEAKER))

    def voice(self, learner: Learner, support: Batch) -> Parameters:
        return self._initial(learner)
