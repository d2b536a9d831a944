"""Meta-SGD (Li et al. 2017): MAML that also learns the inner loop's rates, one per parameter.

θ' = θ − α ∘ P ∇L(θ), with θ and α learned together. Coarser: one rate per tensor of a layer.
"""

from typing import cast

import torch
from pydantic.dataclasses import dataclass

from adaptts.inner_loop import UpdateRule
from adaptts.params import STRICT, PositiveReal, Rule
from adaptts.strategies.learner import Learner
from adaptts.strategies.maml import Maml, MamlParams
from adaptts.strategies.rates import Grain, LearnedRates
from adaptts.strategies.strategy import Rates


@dataclass(frozen=True, config=STRICT)
class MetaSgdParams(MamlParams):
    rates: Grain
    rates_rate: PositiveReal  # the learning rate of the rates' logarithms


class MetaSgd(Maml):
    """`inner_rate` is where all rates begin; a new voice can be adapted with the learned ones."""

    Params = MetaSgdParams
    params: MetaSgdParams
    learns_rates = True

    def extend(self, learner: Learner) -> None:
        super().extend(learner)
        voice = self.initial(learner)
        learner.extra["rates"] = LearnedRates(voice, self.rated_steps(), self.params.rates)

    def rated_steps(self) -> int:
        """How many inner steps have rates of their own: all have the same."""
        return 1

    def learning_rates(self, learner: Learner, rate: float) -> Rates:
        rates = list(learner.extra["rates"].parameters())
        known = {id(parameter) for parameter in rates}
        weights = [p for p in learner.parameters() if id(p) not in known]
        return [(self.params.outer_rate, weights), (self.params.rates_rate, rates)]

    def inner_rule(self, learner: Learner) -> UpdateRule:
        return self.learned_rule(learner, 1.0)

    def rule(self, learner: Learner, name: Rule, step_size: float) -> UpdateRule:
        """With `learned`, `step_size` multiplies the learned rates."""
        if name == "learned":
            return self.learned_rule(learner, step_size)
        return super().rule(learner, name, step_size)

    def learned_rule(self, learner: Learner, factor: float) -> UpdateRule:
        rates = cast(LearnedRates, learner.extra["rates"])
        diagonal = self.preconditioner
        if self.params.inner_rule == "sgd":
            diagonal = {n: torch.ones_like(value) for n, value in self.initial(learner).items()}
        return rates.rule(factor * self.params.inner_rate, diagonal)
