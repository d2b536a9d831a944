"""wav2vec 2.0 (Baevski et al. 2020), fine-tuned on 960 hours of English: torchaudio's bundle.

It hears characters by connectionist temporal classification and knows no grammar. The weights
(360 MB) lie in the folder `evaluation.weights` or in torch's own cache, or are downloaded there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from adaptts.corpora.audio import resample
from adaptts.evaluation.level import flaw, scale_to_peak
from adaptts.evaluation.recognisers.ctc import decode
from adaptts.evaluation.recognisers.recogniser import DeafError, Setting
from adaptts.evaluation.recognisers.requirements import wav2vec2_remedy
from adaptts.features.audio_backend import torchaudio

BUNDLE = torchaudio.pipelines.WAV2VEC2_ASR_BASE_960H
LANGUAGE = "en"
LEAST_SAMPLES = 400  # that make one frame


@dataclass(frozen=True)
class Wav2Vec2:
    """A loaded model, ready to hear."""

    model: nn.Module  # from [B, samples] to symbols [B, frames, labels] and their lengths
    labels: Sequence[str]  # the blank first, "|" between words
    sampling_rate: int  # Hz

    def objection(self, words: str) -> str:
        """It spells with letters and apostrophes alone."""
        letters = {label.lower() for label in self.labels[1:]} | {" "}
        unknown = sorted(set(words) - letters)
        return f"the recogniser does not spell {', '.join(unknown)}" if unknown else ""

    @torch.inference_mode()
    def hear(self, waveform: NDArray[np.floating], sampling_rate: int, utterance: str) -> str:
        """Return the likeliest characters; nothing is random, so that `utterance` has no part."""
        samples = scale_to_peak(
            resample(waveform.astype(np.float64), sampling_rate, self.sampling_rate)
        )
        if flaw(samples) or len(samples) < LEAST_SAMPLES:
            return ""
        symbols, _ = self.model(torch.from_numpy(samples.astype(np.float32))[None])
        return decode(symbols[0], self.labels[1:]).replace("|", " ").lower()


def open_recogniser(setting: Setting) -> Wav2Vec2:
    """Load the model. Raises `DeafError` for other languages than English."""
    if setting.language.split("-")[0] != LANGUAGE:
        raise DeafError(f"the recogniser knows English, the corpus is in {setting.language}")
    folder = {} if setting.params.weights is None else {"model_dir": setting.params.weights}
    try:
        model = BUNDLE.get_model(dl_kwargs={"progress": False, "weights_only": True, **folder})
    except Exception as error:  # torch, urllib and pickle each have their own
        raise ValueError(
            f"wav2vec2: its weights cannot be loaded ({error}); {wav2vec2_remedy()}"
        ) from error
    return Wav2Vec2(model, BUNDLE.get_labels(), int(BUNDLE.sample_rate))
