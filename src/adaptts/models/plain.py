"""The operations of `adaptts.models.derivatives` as one would write them first.

They are for the compiler, which does by itself what is done there by hand. The shapes are the same.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def linear(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """As a product of matrices: F.linear of [B, L, C] would be compiled anew for every length."""
    rows = torch.addmm(bias, hidden.flatten(0, 1), weight.mT)
    return rows.unflatten(0, hidden.shape[:2])


def embed(table: Tensor, places: Tensor) -> Tensor:
    """Rows of a table. F.embedding's second derivative would be compiled anew for every length."""
    return table.index_select(0, places.flatten()).unflatten(0, places.shape)


def absolute(values: Tensor) -> Tensor:
    """The compiler does not take torch.abs twice."""
    return values * ((values > 0).to(values.dtype) - (values < 0).to(values.dtype))


def convolve(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """As one product: oneDNN's convolution would be compiled anew for every length."""
    width, length = weight.shape[-1] // hidden.shape[-1], hidden.shape[1]
    padded = F.pad(hidden, (0, 0, width // 2, width // 2))
    taps = torch.cat([padded[:, place : place + length] for place in range(width)], -1)
    return linear(taps, weight, bias)


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
