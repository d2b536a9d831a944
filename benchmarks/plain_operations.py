"""The operations of `adaptts.models.derivatives` as one would write them first, also convolution.

The tests hold the two equal. The benchmark of meta-steps swaps them, to give its peers the same
model without anything of ours.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from torch import Tensor
from torch.nn import functional as F


def convolve(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    kernel = weight.view(len(weight), -1, hidden.shape[-1]).transpose(1, 2)
    return F.conv1d(hidden.transpose(1, 2), kernel, bias, padding="same").transpose(1, 2)


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
    return (hidden + F.linear(F.silu(update), output_weight, output_bias)) * mask


def predictor_layer(hidden: Tensor, weight: Tensor, shift: Tensor, mask: Tensor) -> Tensor:
    convolved = convolve(hidden, weight, weight.new_zeros(len(weight))) + shift.unsqueeze(1)
    return F.silu(F.layer_norm(convolved, convolved.shape[-1:])) * mask


@contextmanager
def plain_operations() -> Iterator[None]:
    """In the block the model is made of these."""
    with ExitStack() as stack:
        for module, operation in (
            ("convolution", convolve),
            ("convolution", residual_block),
            ("variance", predictor_layer),
        ):
            stack.enter_context(patch(f"adaptts.models.{module}.{operation.__name__}", operation))
        yield
