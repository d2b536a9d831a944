"""Convolution and linear layers as matrix products, of one voice or of several in one pass.

A convolution is one product, y = taps(x) Wᵀ, with the places around each one side by side; its
derivatives are products of the same kinds, so that those of any order follow.

Shapes: B utterances, L places, C channels. A convolution's weight is [outputs, width · inputs].
Several voices, each with weights of its own, are one more axis in front of everything.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F

FEW = 256  # places; up to there oneDNN's convolutions take longer to begin than they save


def convolve(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A convolution of odd width with zeros beyond the ends: [B, L, C] -> [B, L, outputs]."""
    return _Convolution.apply(hidden, weight) + bias


def by_voice(
    function: type[Function], info: Any, in_dims: tuple[int | None, ...], inputs: tuple[Tensor, ...]
) -> tuple[Any, Any]:
    """The rule for torch.func.vmap, of a function that takes several voices as they are."""
    stacked = [
        value.expand(info.batch_size, *value.shape) if place is None else value.movedim(place, 0)
        for place, value in zip(in_dims, inputs, strict=True)
    ]
    results = function.apply(*stacked)
    return results, 0 if isinstance(results, Tensor) else (0,) * len(results)


def taps(hidden: Tensor, width: int) -> Tensor:
    """[B, L, C] -> [B · L, width · C], zeros beyond the ends."""
    padded = F.pad(hidden, (0, 0, width // 2, width // 2))
    windows = padded.unfold(-2, width, 1).transpose(-1, -2)
    return windows.reshape(*hidden.shape[:-3], -1, width * hidden.shape[-1])


def convolve_once(hidden: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The values of a convolution, to be differentiated by who calls."""
    width = width_of(hidden, weight)
    if hidden.device.type == "cpu" and hidden.ndim == 3 and hidden[..., 0].numel() > FEW:
        # As an image one pixel high, in the order of memory that oneDNN is quick in: no copy.
        kernel = weight.view(len(weight), 1, width, -1).permute(0, 3, 1, 2)
        image = hidden.transpose(1, 2).unsqueeze(2)
        return F.conv2d(image, kernel, bias, padding=(0, width // 2)).squeeze(2).transpose(1, 2)
    return places_of(linear(taps(hidden, width), weight, bias), hidden)


def correlate_once(gradient: Tensor, hidden: Tensor, width: int) -> Tensor:
    """The derivative by the weight, [outputs, width · inputs]."""
    return rows_of(gradient).mT @ taps(hidden, width)


def turned(weight: Tensor, width: int) -> Tensor:
    """The weight of the convolution that leads from the gradient by the result to that by x."""
    backwards = weight.unflatten(-1, (width, -1)).flip(-2)  # [outputs, width, inputs]
    return backwards.transpose(-3, -1).flatten(-2)


def width_of(hidden: Tensor, weight: Tensor) -> int:
    return weight.shape[-1] // hidden.shape[-1]


def rows_of(hidden: Tensor) -> Tensor:
    """[B, L, C] -> [B · L, C]"""
    return hidden.flatten(-3, -2)


def places_of(rows: Tensor, hidden: Tensor) -> Tensor:
    """[B · L, C] -> [B, L, C]"""
    return rows.unflatten(-2, hidden.shape[-3:-1])


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if bias is None:
        return rows @ weight.mT
    if rows.ndim == 2:
        return torch.addmm(bias, rows, weight.mT)
    return torch.baddbmm(bias.unsqueeze(-2), rows, weight.mT)


def add_linear(result: Tensor, rows: Tensor, weight: Tensor) -> Tensor:
    """result + rows Wᵀ, in the place of `result`."""
    if rows.ndim == 2:
        return result.addmm_(rows, weight.mT)
    return result.baddbmm_(rows, weight.mT)


class _Convolution(Function):
    @staticmethod
    def forward(hidden: Tensor, weight: Tensor) -> Tensor:
        return convolve_once(hidden, weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight = ctx.saved_tensors
        width = width_of(hidden, weight)
        by_hidden, by_weight = ctx.needs_input_grad
        return (
            _Convolution.apply(gradient, turned(weight, width)) if by_hidden else None,
            _Correlation.apply(gradient, hidden, width) if by_weight else None,
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        return by_voice(_Convolution, info, in_dims, inputs)


class _Correlation(Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor, hidden: Tensor, width: int) -> Tensor:
        ctx.save_for_backward(gradient, hidden)
        ctx.width = width
        return correlate_once(gradient, hidden, width)

    @staticmethod
    def backward(ctx: Any, rate: Tensor) -> tuple[Tensor | None, ...]:
        gradient, hidden = ctx.saved_tensors
        by_gradient, by_hidden, _ = ctx.needs_input_grad
        return (
            _Convolution.apply(hidden, rate) if by_gradient else None,
            _Convolution.apply(gradient, turned(rate, ctx.width)) if by_hidden else None,
            None,
        )
