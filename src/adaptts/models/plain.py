"""The operations of `adaptts.models.derivatives` as one would write them first.

They are for the compiler, which does by itself what is done there by hand. The shapes are the same,
but for the convolution, which takes one utterance (see `adaptts.episodes.batch.join`).
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F

from adaptts.models.products import turned, width_of


def linear(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """As a product of matrices: F.linear of [B, L, C] would be compiled anew for every length.

    Of [B, C], next to no data, it is written out, which costs no call.
    """
    if hidden.ndim == 2:
        return (hidden.unsqueeze(-2) * weight).sum(-1) + bias
    rows = torch.addmm(bias, hidden.flatten(0, 1), weight.mT)
    return rows.unflatten(0, hidden.shape[:2])


def embed(table: Tensor, places: Tensor) -> Tensor:
    """Rows of a table. F.embedding's second derivative would be compiled anew for every length."""
    return table.index_select(0, places.flatten()).unflatten(0, places.shape)


def absolute(values: Tensor) -> Tensor:
    """The compiler does not take torch.abs twice."""
    return values * ((values > 0).to(values.dtype) - (values < 0).to(values.dtype))


def convolve(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """[1, L, C] -> [1, L, outputs], zeros beyond the ends.

    As products: oneDNN's convolution would be compiled anew for every length.
    """
    return _convolve(hidden, weight) + bias


# The compiler's own reading of a Function, differentiated twice, loses what depends on what it has
# saved, and says nothing.
@torch.compiler.allow_in_graph
def _convolve(hidden: Tensor, weight: Tensor) -> Tensor:
    return _Convolution.apply(hidden, weight)


def _windows(hidden: Tensor, width: int) -> Tensor:
    """The places around each one, [1, L, C] -> [width, L, C], without a copy for each."""
    _, length, channels = hidden.shape
    padded = F.pad(hidden.reshape(length, channels), (0, 0, width // 2, width // 2))
    return padded.as_strided((width, length, channels), (channels, channels, 1))


class _Convolution(Function):
    @staticmethod
    def forward(hidden: Tensor, weight: Tensor) -> Tensor:
        width = width_of(hidden, weight)
        kernel = weight.unflatten(-1, (width, -1)).permute(1, 2, 0)
        return (_windows(hidden, width) @ kernel).sum(0, keepdim=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        hidden, weight = ctx.saved_tensors
        width = width_of(hidden, weight)
        return (
            _Convolution.apply(gradient, turned(weight, width)),
            _Correlation.apply(gradient, hidden, width),
        )


class _Correlation(Function):
    """The derivative of a convolution by its weight."""

    @staticmethod
    def forward(gradient: Tensor, hidden: Tensor, width: int) -> Tensor:
        rows = gradient.mT.expand(width, -1, -1)
        return (rows @ _windows(hidden, width)).transpose(0, 1).flatten(1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
        gradient, hidden, ctx.width = inputs
        ctx.save_for_backward(gradient, hidden)

    @staticmethod
    def backward(ctx: Any, rate: Tensor) -> tuple[Tensor | None, ...]:
        gradient, hidden = ctx.saved_tensors
        return (
            _Convolution.apply(hidden, rate),
            _Convolution.apply(gradient, turned(rate, ctx.width)),
            None,
        )


def residual_block(
    hidden: Tensor,
    condition: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor,
    output_weight: Tensor,
    output_bias: Tensor,
) -> Tensor:
    scale, shift = condition.unsqueeze(1).chunk(2, -1)
    normal = F.layer_norm(hidden, hidden.shape[-1:])
    update = convolve((normal * (1 + scale) + shift) * mask, weight, bias)
    return (hidden + linear(F.silu(update), output_weight, output_bias)) * mask


def predictor_layer(hidden: Tensor, weight: Tensor, shift: Tensor, mask: Tensor) -> Tensor:
    convolved = convolve(hidden, weight, weight.new_zeros(len(weight))) + shift.unsqueeze(1)
    return F.silu(F.layer_norm(convolved, convolved.shape[-1:])) * mask
