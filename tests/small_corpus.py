"""A small feature store with speakers that differ, made without any audio, and params for it."""

from pathlib import Path

import numpy as np
import pandas as pd
from written_store import write_values

from adaptts.features import store
from adaptts.params import EpisodeParams, FeatureParams, LossParams, ModelParams, SplitParams

FEATURES = FeatureParams(
    n_fft=256,
    hop_samples=64,
    mels=16,
    mel_min_hz=0.0,
    mel_max_hz=4000.0,
    f0_min_hz=60.0,
    f0_max_hz=400.0,
    mel_cepstrum_order=6,
    frame_period_ms=5.0,
    alignment_pooled_iterations=0,
    alignment_iterations=2,
)
INVENTORY = ["<pad>", "sil", "a", "b", "c"]
SPEAKERS = [f"s{number}" for number in range(8)]
UTTERANCES = 12  # of each speaker
SPLIT = SplitParams(test=["s6", "s7"], validation=["s4", "s5"], keep_together="sibling")
EPISODES = EpisodeParams(shots=[1, 2, 4], queries=2, draws=2, text_disjoint=True, seed=0)
MODEL = ModelParams(
    channels=8,
    encoder_blocks=1,
    decoder_blocks=1,
    kernel=3,
    speaker_channels=6,
    predictor_channels=8,
    vocoder="griffin_lim",
    vocoder_iterations=2,
)
LOSS = LossParams(mel=1.0, duration=0.3, pitch=0.3, voicing=0.1)


def make_store(folder: Path, seed: int = 0, features: FeatureParams = FEATURES) -> None:
    """Write features in which each speaker has a pitch, a rate and a colour of the phones."""
    generator = np.random.default_rng(seed)
    phone_colour = generator.normal(size=(len(INVENTORY), features.mels))
    rows = []
    values: dict[str, dict[str, np.ndarray]] = {name: {} for name in store.LAYOUTS}
    for number, speaker in enumerate(SPEAKERS):
        colour = generator.normal(size=features.mels)
        for take in range(UTTERANCES):
            utterance = f"{speaker}_{take}"
            spoken = np.concatenate([[1], generator.integers(2, len(INVENTORY), 6), [1]])
            length = generator.integers(2, 5, len(spoken)) + number % 3
            frames = np.repeat(spoken, length)
            said = {
                "mel": phone_colour[frames]
                + colour
                + 0.1 * generator.normal(size=(len(frames), features.mels)),
                "f0": np.where(frames == 1, 0, 100 + 15 * number + frames),
                "phones": spoken,
                "durations": length,
                "mel_cepstra": np.zeros((3, features.mel_cepstrum_order + 1)),
                "world_f0": np.zeros(3),
            }
            for name, value in said.items():
                values[name][utterance] = value.astype(store.LAYOUTS[name].dtype)
            rows.append(
                {
                    "utterance": utterance,
                    "speaker": speaker,
                    "text": f"sentence {take % 10} of {'all' if take < 2 else speaker}",
                    "content_hash": f"{speaker}{take:014d}",
                    "sibling": f"family{number // 2}",
                    "frames": len(frames),
                    "phones": len(spoken),
                    "cepstrum_frames": 3,
                    "shard": f"{speaker}-000",
                }
            )
    index = store.with_offsets(pd.DataFrame(rows))
    write_values(folder, values, index, features, 8000, INVENTORY)
