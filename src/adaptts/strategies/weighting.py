"""How several tasks become one loss, L = Σ λᵢ Lᵢ: fixed weights, or weights that adjust themselves.

All that changes while training goes on is a parameter, learned with the model's, or a buffer, so
that a checkpoint holds it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class Weighting(ABC, nn.Module):
    """Calls go in turn: the weighted loss, `observe`, the backward pass."""

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks = list(tasks)

    @abstractmethod
    def present(self) -> Tensor:
        """The weight λᵢ of each task now, [K]."""

    def weights(self) -> dict[str, float]:
        """The present weights by task."""
        return dict(zip(self.tasks, self.present().tolist(), strict=True))

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted loss."""
        return (self.present() * self._stack(losses)).sum()

    def observe(self, losses: Mapping[str, Tensor], shared: Tensor) -> None:
        """Learn from the losses of a step, before its backward pass.

        shared: the weights of the last layer that every task's loss depends on.
        """

    def _stack(self, losses: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([losses[task] for task in self.tasks])


class Fixed(Weighting):
    """λ as given. All of them 1 is unitary scalarisation (Kurin et al. 2022)."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__(list(weights))
        self.values: Tensor
        self.register_buffer("values", torch.tensor(list(weights.values())), persistent=False)

    def present(self) -> Tensor:
        return self.values


class Uncertainty(Weighting):
    """λ learned as homoscedastic uncertainty (Kendall et al. 2018, equation 10).

    L = Σ exp(−sᵢ) Lᵢ + sᵢ / 2 with sᵢ = log σᵢ², starting at exp(−sᵢ) = λᵢ.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        """Raises ValueError unless every weight is above zero."""
        super().__init__(list(weights))
        zero = [task for task, weight in weights.items() if weight <= 0]
        if zero:
            raise ValueError(
                f"uncertainty weighting starts at λ, which must be above zero for every task; "
                f"{zero} have no weight: give them one, or choose another weighting"
            )
        self.log_variance = nn.Parameter(-torch.tensor(list(weights.values())).log())

    def present(self) -> Tensor:
        return (-self.log_variance.detach()).exp()

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        likelihood = (-self.log_variance).exp() * self._stack(losses)
        return (likelihood + self.log_variance / 2).sum()


class DynamicAverage(Weighting):
    """Dynamic weight average (Liu et al. 2019): tasks whose loss falls slowly weigh more.

    λ_k(t) = K softmax(w_k(t−1) / T) over the K tasks, with w_k(t−1) = L_k(t−1) / L_k(t−2) of the
    mean losses of the last two epochs. In the first two epochs every w_k is 1.
    """

    def __init__(self, tasks: Sequence[str], epoch_steps: int, temperature: float) -> None:
        super().__init__(tasks)
        self.epoch_steps = epoch_steps
        self.temperature = temperature
        self.sums: Tensor  # [K] of this epoch's losses so far
        self.means: Tensor  # [2, K] of the last epoch and the one before; 0 while there is none
        self.steps: Tensor  # in this epoch
        self.register_buffer("sums", torch.zeros(len(tasks)))
        self.register_buffer("means", torch.zeros(2, len(tasks)))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def present(self) -> Tensor:
        last, former = self.means
        ratio = torch.where(former > 0, last / former, 1.0)
        return len(self.tasks) * torch.softmax(ratio / self.temperature, 0)

    def observe(self, losses: Mapping[str, Tensor], shared: Tensor) -> None:
        self.sums += self._stack(losses).detach()
        self.steps += 1
        if self.steps == self.epoch_steps:
            self.means.copy_(torch.stack([self.sums / self.epoch_steps, self.means[0]]))
            self.sums.zero_()
            self.steps.zero_()


class GradNorm(Weighting):
    """Gradient normalisation (Chen et al. 2018, algorithm 1): tasks learn at similar rates.

    G_i is the norm of the gradient of λ_i L_i with respect to the shared weights, and r_i the
    task's inverse training rate: L_i(t) / L_i(0), divided by the mean of that over tasks. λ
    descends the gradient of Σ |G_i − mean(G) r_i^α|, in which mean(G) r_i^α counts as constant,
    and is renormalised to sum to the number of tasks.
    """

    FLOOR = 1e-3  # λ stay positive, for which the paper makes no provision

    def __init__(self, tasks: Sequence[str], alpha: float) -> None:
        super().__init__(tasks)
        self.alpha = alpha
        self.values = nn.Parameter(torch.ones(len(tasks)))
        self.initial: Tensor  # [K] L_i(0); 0 while the task has not lost anything
        self.register_buffer("initial", torch.zeros(len(tasks)))

    def present(self) -> Tensor:
        """Renormalised, whatever the optimiser's last step has made of them."""
        values = self.values.detach().clamp(min=self.FLOOR)
        return values * (len(self.tasks) / values.sum())

    def observe(self, losses: Mapping[str, Tensor], shared: Tensor) -> None:
        """Leave the gradient of λ for the optimiser."""
        stacked = self._stack(losses).detach()
        self.initial.copy_(torch.where(self.initial > 0, self.initial, stacked))
        rate = stacked / self.initial.clamp(min=torch.finfo(stacked.dtype).tiny)
        norms = torch.stack([self._gradient_norm(losses[task], shared) for task in self.tasks])
        weighted = self.present() * norms
        target = weighted.mean() * (rate / rate.mean()) ** self.alpha
        self.values.data.copy_(self.present())
        self.values.grad = torch.sign(weighted - target) * norms

    @staticmethod
    def _gradient_norm(loss: Tensor, shared: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(loss, [shared], retain_graph=True)
        return gradient.norm()
