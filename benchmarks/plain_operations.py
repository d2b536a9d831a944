"""The operations of `adaptts.models.derivatives` as one would write them first, also convolution.

The tests hold the two equal. The benchmark of meta-steps swaps them, to give its peers the same
model without anything of ours.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from torch import Tensor
from torch.nn import functional as F

from adaptts.models.plain import predictor_layer, residual_block


def convolve(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    kernel = weight.view(len(weight), -1, hidden.shape[-1]).transpose(1, 2)
    return F.conv1d(hidden.transpose(1, 2), kernel, bias, padding="same").transpose(1, 2)


@contextmanager
def plain_operations() -> Iterator[None]:
    """In the block the model is made of these."""
    with ExitStack() as stack:
        for module, operation in (
            ("plain", convolve),
            ("convolution", convolve),
            ("convolution", residual_block),
            ("variance", predictor_layer),
        ):
            stack.enter_context(patch(f"adaptts.models.{module}.{operation.__name__}", operation))
        yield
