"""What each convention of mel-cepstral distortion says of the same sounds, and what moves it.

    PYTHONPATH=. OMP_NUM_THREADS=1 python benchmarks/conventions.py

Prints the two tables of docs/measures.md. Sentences of the embedded synthesiser, each by another
voice, stand beside the same sentence: through the vocoder, said a tenth slower, and said by the
next voice. Then the last comparison is made again with the one sound changed as a listener would
hardly notice.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from adaptts import params
from adaptts.corpora import audio, espeak, synthetic
from adaptts.corpora.audio import FLOOR, Waveform
from adaptts.evaluation.conventions import CONVENTIONS, Convention
from adaptts.evaluation.level import finish
from adaptts.evaluation.measure import NotMeasurableError
from adaptts.evaluation.toolkits import distortion
from adaptts.features.mel import log_mel
from adaptts.models.vocoder import GriffinLim

EXPERIMENT = params.read(Path(__file__).resolve().parents[1] / "params.yaml")
RATE = EXPERIMENT.corpus.sampling_rate
SENTENCES = 4
SLOWER = 0.9

Pairs = list[tuple[Waveform, Waveform]]
Change = Callable[[Waveform], Waveform]


def say(synthesiser: espeak.Synthesiser, text: str, voice: synthetic.Voice) -> Waveform:
    said = synthesiser.say(voice.prompt(text, synthetic.PLAIN))
    samples = np.frombuffer(said.pcm, dtype=np.int16).astype(np.float64)
    return audio.finish(resample_poly(samples, 320, 441), RATE, f"{text} {voice.speaker}")


def silence(milliseconds: float, floor: float) -> Change:
    def pad(sound: Waveform) -> Waveform:
        edge = floor * np.random.default_rng(1).standard_normal(round(RATE * milliseconds / 1000))
        return np.concatenate([edge, sound, edge])

    return pad


CHANGES: dict[str, Change] = {
    "a tenth of the level": lambda sound: 0.1 * sound,
    "half of the level": lambda sound: 0.5 * sound,
    "1.5 times the level": lambda sound: 1.5 * sound,
    "0.5 s of silence before and after, digital": silence(500, 0.0),
    "0.5 s of silence before and after, at the noise floor": silence(500, FLOOR),
    "2.5 ms later": silence(2.5, FLOOR),
}


def compared() -> dict[str, Pairs]:
    """Pairs of a prediction and a reference, by kind."""
    voices = synthetic.voices()[:: len(synthetic.voices()) // SENTENCES]
    sentences = synthetic.draw_sentences(SENTENCES, np.random.default_rng(0))
    vocoder = GriffinLim(EXPERIMENT.features, RATE, EXPERIMENT.model)
    kinds: dict[str, Pairs] = {
        "itself": [],
        "itself, 2.5 ms later": [],
        "copy synthesis": [],
        "a tenth slower": [],
        "another voice": [],
    }
    with espeak.Synthesiser() as synthesiser:
        for number in range(SENTENCES):
            text, voice = sentences[number], voices[number]
            reference = say(synthesiser, text, voice)
            later = CHANGES["2.5 ms later"](reference)
            copy = finish(vocoder(log_mel(reference, RATE, EXPERIMENT.features)), text)
            slow = say(synthesiser, text, replace(voice, rate=int(voice.rate * SLOWER)))
            other = say(synthesiser, text, voices[(number + 1) % SENTENCES])
            for kind, sound in zip(kinds, (reference, later, copy, slow, other), strict=True):
                kinds[kind].append((sound, reference))
    return kinds


def mean(convention: Convention, pairs: Pairs) -> float:
    """NaN where the convention cannot tell all of them."""
    try:
        return float(np.mean([distortion(convention, *pair, RATE) for pair in pairs]))
    except NotMeasurableError:
        return float("nan")


def row(name: str, texts: list[str]) -> str:
    return f"| {name} | {' | '.join(texts)} |"


def main() -> None:
    kinds = compared()
    head = row("", list(CONVENTIONS)) + "\n|---|" + "---:|" * len(CONVENTIONS)
    print(head)
    figures = {
        kind: {name: mean(each, pairs) for name, each in CONVENTIONS.items()}
        for kind, pairs in kinds.items()
    }
    for kind, of in figures.items():
        print(row(kind, [f"{value:.2f}" if value == value else "–" for value in of.values()]))
    print(f"\n{head}")
    for change, alter in CHANGES.items():
        pairs = [(alter(sound), reference) for sound, reference in kinds["another voice"]]
        moved = [
            mean(each, pairs) - figures["another voice"][name] for name, each in CONVENTIONS.items()
        ]
        print(row(change, [f"{value:+.2f}" if value == value else "–" for value in moved]))


if __name__ == "__main__":
    main()
