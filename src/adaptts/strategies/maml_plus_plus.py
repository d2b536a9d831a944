"""MAML++ (Antoniou et al. 2019, section 4), as far as it concerns this model.

Multi-step loss: the query's loss counts after every inner step, at first equally, later at the
end alone. Derivative-order annealing: first order at first, then second. Per-layer per-step
learned rates. The cosine schedule of the outer rate is every arm's; there is no batch
normalisation whose statistics would be per step.
"""

from pydantic.dataclasses import dataclass

from adaptts.params import STRICT, Share
from adaptts.strategies.meta_sgd import MetaSgd, MetaSgdParams


@dataclass(frozen=True, config=STRICT)
class MamlPlusPlusParams(MetaSgdParams):
    multi_step_share: Share  # of the training, until the last step's loss alone counts
    first_order_share: Share  # of the training, until second derivatives are taken


class MamlPlusPlus(MetaSgd):
    Params = MamlPlusPlusParams
    params: MamlPlusPlusParams

    def rated_steps(self) -> int:
        return self.params.inner_steps

    def turns(self) -> list[float]:
        shares = {self.params.multi_step_share, self.params.first_order_share}
        return sorted(shares - {0.0, 1.0})

    @property
    def second_order(self) -> bool:
        return self.done >= self.params.first_order_share

    def query_weights(self) -> list[float]:
        """Every step counts 1/K at first; all but the last fade out linearly."""
        steps, share = self.params.inner_steps, self.params.multi_step_share
        each = max(0.0, 1 - self.done / share) / steps if share else 0.0
        return [each] * (steps - 1) + [1 - each * (steps - 1)]
