"""The metric-learned speaker encoder: mel frames to a speaker vector."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adaptts.models.convolution import Convolution
from adaptts.models.derivatives import normalise


class SpeakerEncoder(nn.Module):
    """Convolutions, then mean and deviation over time (statistics pooling, Snyder et al. 2018)."""

    def __init__(self, mels: int, channels: int, speaker_channels: int, kernel: int) -> None:
        super().__init__()
        self.input = nn.Linear(mels, channels)
        self.convolutions = nn.ModuleList(Convolution(channels, channels, kernel) for _ in range(2))
        self.output = nn.Linear(2 * channels, speaker_channels)
        nn.init.normal_(self.output.weight, std=0.02)
        nn.init.zeros_(self.output.bias)

    def forward(self, mel: Tensor, mask: Tensor) -> Tensor:
        """mel [B, T, M] normalised log-mel, mask [B, T] -> [B, D], one vector an utterance."""
        valid = mask.unsqueeze(-1).to(mel.dtype)
        hidden = self.input(mel) * valid
        for convolution in self.convolutions:
            hidden = hidden + F.silu(convolution(normalise(hidden))) * valid
        frames = valid.sum(1)
        mean = hidden.sum(1) / frames
        variance = ((hidden - mean.unsqueeze(1)).square() * valid).sum(1) / frames
        return self.output(torch.cat([mean, (variance + 1e-4).sqrt()], -1))
