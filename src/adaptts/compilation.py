"""The loss of a voice and its gradient, compiled into one function by torch.compile.

It does in a few passes over memory what takes PyTorch hundreds of operations. One code serves
batches of any length. It stays in PyTorch's cache, a folder (TORCHINDUCTOR_CACHE_DIR), from one
process to the next.
"""

import copy
import os
import shutil
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.func import grad_and_value

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
    """The `voice_loss` of a voice made of both parts; it can be differentiated once, by `own`."""
    gradient = _compile(_Structure(acoustic), weights)
    with torch.no_grad():
        parts = [_constants(part) for part in (own, shared)]
        gradients, value = gradient(*parts, *_of_any_length(batch))
    return _Known.apply(value, [gradients[name] for name in own], *own.values())


class _Structure:
    """An acoustic model without its weights; equal to another that has the same shapes."""

    def __init__(self, acoustic: AcousticModel) -> None:
        self.shapes = tuple((name, p.shape) for name, p in acoustic.named_parameters())
        self.acoustic = acoustic

    def __hash__(self) -> int:
        return hash(self.shapes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Structure) and self.shapes == other.shapes


@cache
def _compile(structure: _Structure, weights: LossParams) -> Callable[..., Any]:
    acoustic = copy.deepcopy(structure.acoustic).to("meta")

    def loss(own: Parameters, shared: Parameters, *batch: Tensor) -> Tensor:
        return voice_loss(acoustic, {**shared, **own}, Batch.from_tensors(batch), weights)

    return torch.compile(grad_and_value(loss), fullgraph=True)


def _constants(parameters: Parameters) -> Parameters:
    """The same numbers, all of one kind: for an nn.Parameter the code would be compiled anew."""
    return {name: value.detach() for name, value in parameters.items()}


def _of_any_length(batch: Batch) -> list[Tensor]:
    """The batch's tensors, which say that utterances, phones and frames may be more or fewer."""
    tensors = batch.tensors()
    for tensor in tensors:
        for axis in range(min(tensor.ndim, 2)):
            torch._dynamo.maybe_mark_dynamic(tensor, axis)
    return tensors


class _Known(Function):
    """A number whose gradient has been computed with it."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: list[Tensor], *inputs: Tensor) -> Tensor:
        ctx.gradients = gradients
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_value: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *(by_value * gradient for gradient in ctx.gradients)
