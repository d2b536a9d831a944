"""The parts that encoder, decoder, predictors and speaker encoder are built of.

No batch normalisation, no state changed in place, no shape that depends on data: every part can
be called functionally, and differentiated twice.
"""

import math

import torch
from torch import Tensor, nn

from adaptts.models import compilable
from adaptts.models.derivatives import residual_block
from adaptts.models.products import convolve


class Convolution(nn.Module):
    """A same-length convolution over [B, L, C]."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        scale = 1 / math.sqrt(kernel * inputs)
        self.weight = nn.Parameter(torch.randn(outputs, kernel * inputs) * scale)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, hidden: Tensor) -> Tensor:
        return convolve(hidden, self.weight, self.bias)


class Linear(nn.Linear):
    """A linear layer over [B, L, C] or [B, C]."""

    def forward(self, input: Tensor) -> Tensor:
        if torch.compiler.is_compiling():
            return compilable.linear(input, self.weight, self.bias)
        return super().forward(input)


class Embedding(nn.Embedding):
    """A vector for each place of [B, L]."""

    def forward(self, input: Tensor) -> Tensor:
        if torch.compiler.is_compiling():
            return compilable.embed(self.weight, input)
        return super().forward(input)


class ConditionalBlock(nn.Module):
    """Residual convolution whose normalisation is scaled and shifted by the speaker vector.

    Conditional layer normalisation follows AdaSpeech (Chen et al. 2021, section 2.3).
    """

    def __init__(self, channels: int, kernel: int, speaker_channels: int) -> None:
        super().__init__()
        self.condition = Linear(speaker_channels, 2 * channels)
        self.convolution = Convolution(channels, channels, kernel)
        self.output = nn.Linear(channels, channels)
        nn.init.normal_(self.condition.weight, std=0.05)
        nn.init.zeros_(self.condition.bias)
        nn.init.normal_(self.output.weight, std=0.5 / math.sqrt(channels))
        nn.init.zeros_(self.output.bias)

    def forward(self, hidden: Tensor, speaker: Tensor, mask: Tensor) -> Tensor:
        """hidden [B, L, C], speaker [B, D], mask [B, L, 1] of 0 and 1 -> [B, L, C]."""
        return residual_block(
            hidden,
            self.condition(speaker),
            mask,
            self.convolution.weight,
            self.convolution.bias,
            self.output.weight,
            self.output.bias,
        )
