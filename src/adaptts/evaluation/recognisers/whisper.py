"""Whisper (Radford et al. 2023), by the library transformers; it hears some hundred languages.

Its decoder is a language model, which mends what is said badly: a low error rate tells less of a
voice than one by sphinx or ctc. The weights (base: 290 MB) lie in the folder
`evaluation.weights`/whisper-<size>, in the form of Hugging Face's repositories, or in their own
cache, or are downloaded there.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from adaptts.corpora.audio import resample
from adaptts.evaluation.level import flaw, scale_to_peak
from adaptts.evaluation.recognisers.recogniser import DeafError, Setting
from adaptts.evaluation.recognisers.requirements import whisper_remedy, whisper_source
from adaptts.features import audio_backend  # noqa: F401  transformers imports torchaudio

SAMPLING_RATE = 16000  # Hz, of what it was trained on
MOST_SECONDS = 30  # that it hears at once
# Where espeak-ng's name of a language is not Whisper's.
LANGUAGES = {"cmn": "zh", "nb": "no"}


@dataclass(frozen=True)
class Whisper:
    """A loaded model, ready to hear."""

    model: Any
    processor: Any  # from samples to features, from tokens to text
    language: str  # Whisper's name of it

    def objection(self, words: str) -> str:
        """It can write anything."""
        return ""

    @torch.inference_mode()
    def hear(self, waveform: NDArray[np.floating], sampling_rate: int, utterance: str) -> str:
        """Return the likeliest text; nothing is drawn, so that `utterance` has no part.

        Raises `RuntimeError` for sounds longer than it hears at once.
        """
        samples = scale_to_peak(resample(waveform.astype(np.float64), sampling_rate, SAMPLING_RATE))
        if flaw(samples):
            return ""
        if len(samples) > MOST_SECONDS * SAMPLING_RATE:
            raise RuntimeError(f"it hears {MOST_SECONDS} s at once, the sound is longer")
        heard = self.processor(samples, sampling_rate=SAMPLING_RATE, return_tensors="pt",
                               return_attention_mask=True)  # fmt: skip
        tokens = self.model.generate(
            heard.input_features,
            attention_mask=heard.attention_mask,
            language=self.language,
            task="transcribe",
            do_sample=False,
            num_beams=1,
        )
        return self.processor.batch_decode(tokens, skip_special_tokens=True)[0].strip()


def open_recogniser(setting: Setting) -> Whisper:
    """Load the model. Raises `DeafError` for languages that it does not know."""
    # Imported here, for it is an extra.
    from transformers import (  # pyright: ignore[reportMissingImports]
        WhisperForConditionalGeneration,
        WhisperProcessor,
    )
    from transformers.models.whisper.tokenization_whisper import (  # pyright: ignore[reportMissingImports]
        LANGUAGES as KNOWN,
    )

    base = setting.language.split("-")[0]
    language = LANGUAGES.get(base, base)
    if language not in KNOWN:
        raise DeafError(f"Whisper does not know the language {setting.language}")
    source = whisper_source(setting.params)
    try:
        processor = WhisperProcessor.from_pretrained(source)
        model = WhisperForConditionalGeneration.from_pretrained(source)
    except Exception as error:  # Hugging Face's libraries have many
        raise ValueError(
            f"whisper: its weights cannot be loaded ({error}); {whisper_remedy(setting.params)}"
        ) from error
    return Whisper(model.eval(), processor, language)
