"""Training of the recogniser `ctc`, by AdamW on perturbed recordings of the training speakers.

So that it hears voices it has not met, no recording is heard twice alike: tempo and the length of
the vocal tract vary (Ko et al. 2015; Jaitly and Hinton 2013), bands and stretches of time are
hidden (SpecAugment, Park et al. 2019).
"""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from adaptts.corpora.wording import spoken_words, written
from adaptts.evaluation.recognisers.ctc import (
    BLANK,
    DESCRIPTION,
    STRIDE,
    WEIGHTS,
    Ctc,
    Network,
    hearable,
)
from adaptts.evaluation.recognition import score
from adaptts.features.store import FeatureStore
from adaptts.params import CtcParams

CURVE = "training.csv"
SEED = 0
BATCH = 16  # utterances
LEARNING_RATE = 4e-3  # at its highest
WARM_UP = 0.15  # of all steps, while the learning rate rises
WEIGHT_DECAY = 1e-2
GRADIENT_NORM = 1.0
LOG_STEPS = 50

TEMPO, TRACT = 0.2, 0.15  # largest perturbations, as natural logarithms of factors
SHIFT = 2.0  # of the mel bands, at most
HIDDEN = 2  # stretches of bands and of frames
HIDDEN_BANDS, HIDDEN_FRAMES = 12, 10  # of each, at most
HIDDEN_SHARE = 0.25  # of an utterance's frames that one stretch may hide


@dataclass(frozen=True)
class Training:
    """A trained recogniser, and how it came to be."""

    recogniser: Ctc
    curve: list[dict[str, float]]  # steps, utterance-gradients and mean loss since the row before
    cpu_seconds: float


def train(
    store: FeatureStore, utterances: Sequence[str], language: str, params: CtcParams
) -> Training:
    """Train on `utterances` alone. The same arguments give the same weights, bit for bit.

    What is too short for its text is left out; where all is, `ValueError` is raised.
    """
    spoken = store.index.loc[[*utterances], "text"].map(lambda text: spoken_words(text, language))
    texts = {
        name: text
        for name, text in spoken.map(written).items()
        if least_frames(text) <= store.index.loc[name, "frames"]
    }
    if not texts:
        raise ValueError(
            "ctc: every training utterance has too few frames for the characters of its text; "
            "lower features.hop_samples, or take ctc out of evaluation.recognisers"
        )
    alphabet = sorted(set("".join(texts.values())))
    symbols = {character: number for number, character in enumerate(alphabet, start=BLANK + 1)}
    targets = {name: torch.tensor([symbols[c] for c in text]) for name, text in texts.items()}
    generator = np.random.default_rng(SEED)
    began, curve = time.process_time(), []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = Network(store.params.mels, params.channels, len(alphabet) + 1).train()
        optimiser = torch.optim.AdamW(network.parameters(), weight_decay=WEIGHT_DECAY)
        steps = math.ceil(params.utterance_gradients / BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, LEARNING_RATE, total_steps=max(2, steps), pct_start=WARM_UP
        )
        drawn, losses = batches([*texts], steps, generator), []
        for step, batch in enumerate(tqdm(drawn, "ctc", steps, unit="step", disable=None), 1):
            frames = [perturb(hearable(store.mel(name)), generator) for name in batch]
            loss = ctc_loss(network, frames, [targets[name] for name in batch])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_NORM)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
            if step % LOG_STEPS == 0 or step == steps:
                done = {"step": step, "utterance_gradients": step * BATCH}
                curve.append({**done, "loss": float(np.mean(losses))})
                losses.clear()
    heard = Ctc(network.eval(), alphabet, store.params, store.sampling_rate)
    return Training(heard, curve, time.process_time() - began)


def least_frames(text: str) -> int:
    """Input frames that `text` needs: an output for each character, and a blank between equals."""
    return STRIDE * (len(text) + sum(a == b for a, b in pairwise(text)))


def batches(
    utterances: Sequence[str], steps: int, generator: np.random.Generator
) -> list[list[str]]:
    """`steps` batches that draw every utterance once, in a new order, before any again."""
    passes = math.ceil(steps * BATCH / len(utterances))
    order = [name for _ in range(passes) for name in generator.permutation(utterances).tolist()]
    return [order[start * BATCH : (start + 1) * BATCH] for start in range(steps)]


def ctc_loss(
    network: Network, frames: Sequence[NDArray[np.float32]], targets: Sequence[Tensor]
) -> Tensor:
    """The mean negative log-likelihood per character; an utterance too short for its text is 0."""
    heard = nn.utils.rnn.pad_sequence([torch.from_numpy(each) for each in frames], batch_first=True)
    symbols, lengths = network(heard, torch.tensor([len(each) for each in frames]))
    sizes = torch.tensor([len(each) for each in targets])
    ahead = symbols.transpose(0, 1)
    return F.ctc_loss(ahead, torch.cat([*targets]), lengths, sizes, BLANK, zero_infinity=True)


def perturb(frames: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
    """Frames [T, mels] as another speaker would say them in another tempo, in part hidden."""
    count, bands = frames.shape
    tempo, tract = np.exp(generator.uniform([-TEMPO, -TRACT], [TEMPO, TRACT]))
    times = np.linspace(0, count - 1, max(2, round(count / tempo)))
    shifted = np.arange(bands) * tract + generator.uniform(-SHIFT, SHIFT)
    heard = stretch(stretch(frames, times).T, np.clip(shifted, 0, bands - 1)).T.copy()
    longest = min(HIDDEN_FRAMES, int(HIDDEN_SHARE * len(heard)))
    for _ in range(HIDDEN):
        heard[:, _draw(generator, min(HIDDEN_BANDS, bands // 4), bands)] = 0
        heard[_draw(generator, longest, len(heard))] = 0
    return heard


def stretch(rows: NDArray[np.float32], places: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows at fractional `places`, each between its two neighbours."""
    before = np.minimum(places.astype(int), max(len(rows) - 2, 0))
    after = np.minimum(before + 1, len(rows) - 1)
    share = (places - before)[:, None].astype(np.float32)
    return (rows[before] * (1 - share) + rows[after] * share).astype(np.float32, copy=False)


def _draw(generator: np.random.Generator, longest: int, whole: int) -> slice:
    """A stretch of up to `longest` somewhere in `whole`."""
    length = int(generator.integers(0, longest + 1))
    start = int(generator.integers(0, whole - length + 1))
    return slice(start, start + length)


def validate(
    recogniser: Ctc, store: FeatureStore, utterances: Sequence[str], language: str
) -> dict[str, float]:
    """The word and character error rates, in %, on recordings of `utterances`."""
    counts = [
        score(
            spoken_words(store.index.loc[name, "text"], language),
            spoken_words(recogniser.read(store.mel(name)), language),
        )
        for name in utterances
    ]
    words, characters = sum(c.words for c in counts), sum(c.characters for c in counts)
    return {
        "utterances": len(counts),
        "wer": 100 * sum(c.word_errors for c in counts) / words,
        "cer": 100 * sum(c.character_errors for c in counts) / characters,
    }


def save(folder: Path, training: Training, validation: dict[str, float]) -> None:
    """Write all into `folder`, but for the seconds: what is alike shall have the same hash."""
    recogniser = training.recogniser
    save_file(recogniser.network.state_dict(), folder / WEIGHTS)
    pd.DataFrame(training.curve).to_csv(folder / CURVE, index=False, lineterminator="\n")
    described = {
        "alphabet": list(recogniser.alphabet),
        "channels": recogniser.network.leave.in_features,
        "features": asdict(recogniser.features),
        "sampling_rate": recogniser.sampling_rate,
        "validation": validation,
    }
    text = json.dumps({"ctc": described}, indent=1, ensure_ascii=False)
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
