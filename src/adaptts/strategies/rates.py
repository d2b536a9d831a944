"""Step sizes of the inner loop that are learned with the initial weights."""

from typing import Literal

import torch
from torch import nn

from adaptts.inner_loop import GradientDescent, Parameters, Stepwise

Grain = Literal["parameter", "layer"]


class LearnedRates(nn.Module):
    """Rates α exp(s), with s learned from 0, so that all begin at α.

    Li et al. (2017) and Antoniou et al. (2019) learn the rates themselves, of either sign. Their
    logarithm keeps them positive: every step goes downhill, also those after the last that was
    trained, and a learning rate for s means the same relative change at any α.
    """

    def __init__(self, parameters: Parameters, steps: int, grain: Grain) -> None:
        """grain: a rate for each number among `parameters`, or for each tensor of a layer.
        steps: how many inner steps have rates of their own.
        """
        super().__init__()
        self.log_factors = nn.ParameterDict(
            {
                # A module's parameters cannot have dots in their names.
                name.replace(".", "/"): torch.zeros(
                    steps, *(value.shape if grain == "parameter" else ())
                )
                for name, value in parameters.items()
            }
        )

    def rule(self, rate: float, preconditioner: Parameters) -> Stepwise:
        """Descent at the learned rates that began at `rate`, times a diagonal of all parameters."""
        factors = {name.replace("/", "."): s.exp() for name, s in self.log_factors.items()}
        steps = len(next(iter(factors.values())))
        return Stepwise(
            [
                GradientDescent(
                    rate,
                    {name: f[step] * preconditioner[name] for name, f in factors.items()},
                )
                for step in range(steps)
            ]
        )
