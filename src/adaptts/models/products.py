"""Convolution and linear layers as matrix products, of one voice or of several in one pass.

A convolution is one product, y = taps(x) Wᵀ, with the places around each one side by side; its
derivatives are products of the same kinds, so that those of any order follow.

Shapes: B utterances, L places, C channels. A convolution's weight is [outputs, width · inputs].
Several voices, each with weights of its own, are one more axis in front of everything.

While torch.compile traces them, the products are others: oneDNN's convolution would be compiled
anew for every length. They are of one utterance (see `adaptts.episodes.batch.join`), a product for
each place around, of windows that overlap in memory and are no copies.
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
    """The places around each one, zeros beyond the ends: [B, L, C] -> [B · L, width · C].

    While compiling, [1, L, C] -> [width, L, C].
    """
    padded = F.pad(hidden, (0, 0, width // 2, width // 2))
    if torch.compiler.is_compiling():
        _, length, channels = hidden.shape
        return padded.as_strided((width, length, channels), (channels, channels, 1))
    windows = padded.unfold(-2, width, 1).transpose(-1, -2)
    return windows.reshape(*hidden.shape[:-3], -1, width * hidden.shape[-1])


def convolve_taps(taken: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The rows of a convolution, [B · L, outputs]; taken: what `taps` returns."""
    if torch.compiler.is_compiling():
        kernel = weight.unflatten(-1, (len(taken), -1)).permute(1, 2, 0)
        rows = (taken @ kernel).sum(0)
        return rows if bias is None else rows + bias
    return linear(taken, weight, bias)


def add_convolution(rows: Tensor, taken: Tensor, weight: Tensor) -> Tensor:
    """rows + convolve_taps(taken, weight), in the place of `rows` or not."""
    if torch.compiler.is_compiling():
        return rows + convolve_taps(taken, weight)
    return add_linear(rows, taken, weight)


def correlate_taps(gradient: Tensor, taken: Tensor) -> Tensor:
    """The derivative of a convolution by its weight, [outputs, width · inputs]."""
    if torch.compiler.is_compiling():
        return (gradient.mT.expand(len(taken), -1, -1) @ taken).transpose(0, 1).flatten(1)
    return rows_of(gradient).mT @ taken


def convolve_once(hidden: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The values of a convolution, to be differentiated by who calls."""
    width = width_of(hidden, weight)
    if _suits_onednn(hidden):
        # As an image one pixel high, in the order of memory that oneDNN is quick in: no copy.
        kernel = weight.view(len(weight), 1, width, -1).permute(0, 3, 1, 2)
        image = hidden.transpose(1, 2).unsqueeze(2)
        return F.conv2d(image, kernel, bias, padding=(0, width // 2)).squeeze(2).transpose(1, 2)
    return places_of(convolve_taps(taps(hidden, width), weight, bias), hidden)


def _suits_onednn(hidden: Tensor) -> bool:
    if torch.compiler.is_compiling() or hidden.device.type != "cpu" or hidden.ndim != 3:
        return False
    return hidden[..., 0].numel() > FEW


def correlate_once(gradient: Tensor, hidden: Tensor, width: int) -> Tensor:
    """The derivative of a convolution by its weight, [outputs, width · inputs]."""
    return correlate_taps(gradient, taps(hidden, width))


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
