"""The contract of a strategy: how it trains, and from where a new voice starts."""

from abc import ABC, abstractmethod
from typing import ClassVar

from pydantic.dataclasses import dataclass
from torch.nn import Parameter

from adaptts.episodes.batch import Batch
from adaptts.episodes.sampler import Sampler
from adaptts.inner_loop import Parameters, UpdateRule, make_rule
from adaptts.params import STRICT, Rule
from adaptts.strategies.learner import Learner, Setting

Rates = list[tuple[float, list[Parameter]]]  # peak learning rates, and what learns at each


@dataclass(frozen=True, config=STRICT)
class NoParams:
    """A strategy without settings of its own."""


class Strategy(ABC):
    """One answer to: what to do before a new voice arrives?

    What is done when it arrives is the same for all (see adaptts.adaptation), apart from where it
    starts (`voice`), whether gradient steps follow (`takes_steps`), and whether they can be taken
    at learned rates (`rule`).
    """

    Params: ClassVar[type] = NoParams
    takes_steps: ClassVar[bool] = True
    uses_support: ClassVar[bool] = True  # whether a voice depends on the speaker at all
    embeds_support: ClassVar[bool] = False  # whether a voice starts from a vector of its own
    learns_rates: ClassVar[bool] = False  # whether the rule `learned` can be had

    # How much of the training is behind, from 0 to 1; set before each of its steps.
    done: float = 0.0

    def __init__(self, params: object, setting: Setting, preconditioner: Parameters) -> None:
        self.params = params
        self.setting = setting
        self.preconditioner = preconditioner

    @abstractmethod
    def extend(self, learner: Learner) -> None:
        """Add to the trunk's learner what the strategy trains beside it."""

    def learning_rates(self, learner: Learner, rate: float) -> Rates:
        """Which parameters learn at which peak rates; `rate` is training's own, for all of them."""
        return [(rate, list(learner.parameters()))]

    def turns(self) -> list[float]:
        """After which shares of the training, rising, one of its steps costs something else."""
        return []

    @abstractmethod
    def draw(self, sampler: Sampler, step: int, utterances: int) -> list[Batch]:
        """The batches of a training step, by its number. utterances: size of a plain batch."""

    @abstractmethod
    def accumulate_gradients(self, learner: Learner, batches: list[Batch]) -> dict[str, float]:
        """Add the gradients of one training step, on what `draw` gave, to the parameters.

        Returns the losses to draw as curves, `loss` among them.
        """

    @abstractmethod
    def voice(self, learner: Learner, support: Batch) -> Parameters:
        """The new voice before its first gradient step, from its support set."""

    def rule(self, learner: Learner, name: Rule, step_size: float) -> UpdateRule:
        """How a new voice takes its gradient steps.

        Raises ValueError for `learned` if the strategy learns no rates.
        """
        if name == "learned":
            raise ValueError(
                f"the rule 'learned' wants learned rates, but {type(self).__name__} learns none; "
                "choose another rule"
            )
        return make_rule(name, step_size, self.preconditioner)
