"""Predictors of what the decoder needs beside phones: duration, pitch and voicing."""

from torch import Tensor, nn

from adaptts.models.convolution import Convolution, Linear
from adaptts.models.derivatives import predictor_layer

PREDICTOR_KERNEL = 3


class VariancePredictor(nn.Module):
    """Two convolutions and a linear layer (Ren et al. 2021, FastSpeech 2, section 2.3)."""

    def __init__(self, channels: int, hidden: int, outputs: int, speaker_channels: int) -> None:
        super().__init__()
        self.first = Convolution(channels, hidden, PREDICTOR_KERNEL)
        self.second = Convolution(hidden, hidden, PREDICTOR_KERNEL)
        self.condition = Linear(speaker_channels, hidden)
        self.output = Linear(hidden, outputs)
        nn.init.normal_(self.output.weight, std=0.02)
        nn.init.zeros_(self.output.bias)

    def forward(self, phones: Tensor, speaker: Tensor, mask: Tensor) -> Tensor:
        """phones [B, N, C], speaker [B, D], mask [B, N, 1] of 0 and 1 -> [B, N, outputs]."""
        first, second = self.first, self.second
        shift = self.condition(speaker) + first.bias
        hidden = predictor_layer(phones, first.weight, shift, mask)
        hidden = predictor_layer(hidden, second.weight, second.bias.expand(len(hidden), -1), mask)
        return self.output(hidden)
