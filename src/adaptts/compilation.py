"""The loss of a voice and its gradient, compiled into one function by torch.compile.

It does in a few passes over memory what takes PyTorch hundreds of operations. One code serves
batches of any length. It stays in PyTorch's cache, a folder (TORCHINDUCTOR_CACHE_DIR), from one
process to the next.
"""

import copy
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.func import grad, grad_and_value

from adaptts.episodes.batch import Batch
from adaptts.models.acoustic import AcousticModel, Parameters
from adaptts.objectives import voice_loss
from adaptts.params import LossParams


def check_compiler() -> None:
    """Raises ValueError if there is no C++ compiler."""
    compiler = os.environ.get("CXX", "g++")
    if not shutil.which(compiler):
        raise ValueError(
            f"training.compile wants a C++ compiler, but there is no {compiler}; install g++, "
            "name yours in CXX, or set training.compile to false"
        )


def compiled_voice_loss(
    acoustic: AcousticModel,
    shared: Parameters,
    own: Parameters,
    batch: Batch,
    weights: LossParams,
) -> Tensor:
    """The `voice_loss` of a voice made of both parts; it can be differentiated by `own`.

    That gradient can be differentiated in turn, by both parts. Of the way there nothing is kept but
    the parameters: the second derivative begins anew, as a code of its own.
    """
    code, tensors = _compile(_Structure(acoustic), weights), _of_any_length(batch)
    parts = [_constants(part) for part in (own, shared)]
    with torch.no_grad():
        gradient, value = code.gradient(*parts, *tensors)

    def differentiate(direction: Sequence[Tensor]) -> list[Tensor]:
        named = {name: part.detach() for name, part in zip(own, direction, strict=True)}
        by_own, by_shared = code.curvature(*parts, named, *tensors)
        return [*(by_own[name] for name in own), *(by_shared[name] for name in shared)]

    known = [gradient[name] for name in own]
    return _Known.apply(value, known, differentiate, *own.values(), *shared.values())


# From a direction, a tensor for each of `own`: the derivatives of the gradient's product with it,
# by each of `own` and then of `shared`.
Differentiate = Callable[[Sequence[Tensor]], list[Tensor]]


class _Structure:
    """An acoustic model without its weights; equal to another that has the same shapes."""

    def __init__(self, acoustic: AcousticModel) -> None:
        self.shapes = tuple((name, p.shape) for name, p in acoustic.named_parameters())
        self.acoustic = acoustic

    def __hash__(self) -> int:
        return hash(self.shapes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Structure) and self.shapes == other.shapes


@dataclass(frozen=True)
class _Code:
    """Each is compiled when it is called first."""

    gradient: Callable[..., Any]  # own, shared, batch -> by each of `own`, and the loss
    curvature: Callable[..., Any]  # own, shared, direction, batch -> its derivative by both


@cache
def _compile(structure: _Structure, weights: LossParams) -> _Code:
    acoustic = copy.deepcopy(structure.acoustic).to("meta")

    def loss(own: Parameters, shared: Parameters, *batch: Tensor) -> Tensor:
        return voice_loss(acoustic, {**shared, **own}, Batch.from_tensors(batch), weights)

    def curvature(
        own: Parameters, shared: Parameters, direction: Parameters, *batch: Tensor
    ) -> tuple[Parameters, Parameters]:
        def slope(own: Parameters, shared: Parameters) -> Tensor:
            gradient = grad(loss)(own, shared, *batch)
            return torch.stack([(gradient[n] * direction[n]).sum() for n in own]).sum()

        return grad(slope, argnums=(0, 1))(own, shared)

    return _Code(
        torch.compile(grad_and_value(loss), fullgraph=True),
        torch.compile(curvature, fullgraph=True),
    )


def _constants(parameters: Parameters) -> Parameters:
    """The same numbers, all of one kind: for an nn.Parameter the code would be compiled anew."""
    return {name: value.detach() for name, value in parameters.items()}


def _of_any_length(batch: Batch) -> list[Tensor]:
    """The batch's tensors, which say that utterances, phones and frames may be more or fewer."""
    # Contiguous, else how they lie would count too.
    tensors = [tensor.contiguous() for tensor in batch.tensors()]
    for tensor in tensors:
        for axis in range(min(tensor.ndim, 2)):
            torch._dynamo.maybe_mark_dynamic(tensor, axis)
    return tensors


class _Known(Function):
    """A number whose gradient has been computed with it."""

    @staticmethod
    def forward(
        ctx: Any, value: Tensor, known: list[Tensor], differentiate: Differentiate, *inputs: Tensor
    ) -> Tensor:
        ctx.known, ctx.differentiate = known, differentiate
        ctx.save_for_backward(*inputs)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, by_value: Tensor) -> tuple[Tensor | None, ...]:
        found, inputs = ctx.known, ctx.saved_tensors
        if torch.is_grad_enabled():
            found = _Gradient.apply(found, ctx.differentiate, *inputs)
        beyond = [None] * (len(inputs) - len(found))
        return None, None, None, *(by_value * gradient for gradient in found), *beyond


class _Gradient(Function):
    """A gradient that is known, as what can be differentiated."""

    @staticmethod
    def forward(
        ctx: Any, known: list[Tensor], differentiate: Differentiate, *inputs: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.differentiate = differentiate
        return tuple(gradient.detach() for gradient in known)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *direction: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *ctx.differentiate(direction)
