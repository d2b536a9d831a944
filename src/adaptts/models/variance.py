"""Predictors of what the decoder needs beside phones: duration, pitch and voicing."""

from torch import Tensor, nn
from torch.nn import functional as F

from adaptts.models.convolution import Convolution
from adaptts.models.derivatives import normalise


class VariancePredictor(nn.Module):
    """Two convolutions and a linear layer (Ren et al. 2021, FastSpeech 2, section 2.3)."""

    def __init__(self, channels: int, hidden: int, outputs: int, speaker_channels: int) -> None:
        super().__init__()
        self.first = Convolution(channels, hidden, 3)
        self.second = Convolution(hidden, hidden, 3)
        self.condition = nn.Linear(speaker_channels, hidden)
        self.output = nn.Linear(hidden, outputs)
        nn.init.normal_(self.output.weight, std=0.02)
        nn.init.zeros_(self.output.bias)

    def forward(self, phones: Tensor, speaker: Tensor, mask: Tensor) -> Tensor:
        """phones [B, N, C], speaker [B, D], mask [B, N, 1] of 0 and 1 -> [B, N, outputs]."""
        hidden = self.first(phones) + self.condition(speaker).unsqueeze(1)
        hidden = F.silu(normalise(hidden)) * mask
        return self.output(F.silu(normalise(self.second(hidden))))
