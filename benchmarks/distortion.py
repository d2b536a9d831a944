"""Mel-cepstral distortion of 500 pairs of sounds, beside pymcd's call and ESPnet's script.

    pip install pymcd==0.2.1
    PYTHONPATH=. OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/distortion.py

A pair is one matrix sentence said by two voices of the embedded synthesiser, as 16-bit WAVE files
of 16 kHz. Everyone reads and analyses both files of every pair anew, aligns them and gives one
figure; all take turns in one process with one thread, and seconds are CPU seconds. ESPnet's script
is the analysis and alignment of its egs2/TEMPLATE/asr1/pyscripts/utils/evaluate_mcd.py (commit
de189f2), stated again below. A figure by a tool's own convention must be the tool's, and ours that
of an exact reference: pyworld's own F0, SPTK's transform frame by frame, and time warping as its
recursion is written. `read before` finds the reference analysed, as the features stage leaves it.

Seen with 500 pairs (2.2 s each), on two virtual cores of an AMD EPYC shared with much other work:
69 ms a pair by the default convention, 37 ms where the reference is read before; pymcd took 4.4
times and ESPnet's script 5.4 times as long as the 69 ms. At equal work, by the tool's own
convention: 5.3 times as quick as pymcd, and 18 times as quick as ESPnet's script, for the same
figures to 1.6e-14 dB; the default is within 8.9e-15 dB of the exact reference. What is left is
WORLD's CheapTrick and StoneMask, which pyworld computes for all of them.
"""

import argparse
import itertools
import math
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pysptk
import soundfile
from scipy.signal import resample_poly
from scipy.spatial.distance import cdist, euclidean
from tqdm import tqdm

from adaptts import params
from adaptts.corpora import audio, espeak, synthetic
from adaptts.evaluation.conventions import ADAPTTS, ESPNET, PYMCD, Convention
from adaptts.evaluation.distortion import cepstral_speech
from adaptts.evaluation.toolkits import Frames, analyse, compare, distortion
from adaptts.features import prosody

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fastdtw import fastdtw
    from pymcd.mcd import Calculate_MCD

RATE = 16000
FEATURES = params.read(Path(__file__).resolve().parents[1] / "params.yaml").features
CHECKED = 10  # pairs that are compared with the exact reference

Pair = tuple[Path, Path]


def make_pairs(count: int, folder: Path) -> list[Pair]:
    """Sentences said by every two voices in turn."""
    voices = itertools.cycle(itertools.permutations(synthetic.voices(), 2))
    sentences = synthetic.draw_sentences(count, np.random.default_rng(0))
    pairs = []
    with espeak.Synthesiser() as synthesiser:
        for number, (sentence, both) in enumerate(zip(sentences, voices, strict=False)):
            paths = [folder / f"{number}-{voice.speaker}.wav" for voice in both]
            for path, voice in zip(paths, both, strict=True):
                said = synthesiser.say(voice.prompt(sentence, synthetic.PLAIN))
                samples = np.frombuffer(said.pcm, dtype=np.int16).astype(np.float64)
                waveform = resample_poly(samples, 320, 441)
                audio.write(path, audio.finish(waveform, RATE, path.stem), RATE)
            pairs.append((paths[0], paths[1]))
    return pairs


def ours(convention: Convention) -> Callable[[Path, Path], float]:
    def measure(said: Path, read: Path) -> float:
        sounds = [soundfile.read(path)[0] for path in (said, read)]
        return distortion(convention, *sounds, RATE)

    return measure


def read_before(said: Path, read: Path) -> float:
    """As the evaluation does it: the reference's mel-cepstra lie in the features."""
    samples, _ = soundfile.read(said)
    return compare(ADAPTTS, analyse(samples, RATE, ADAPTTS.analysis), features(read))


@cache
def features(read: Path) -> Frames:
    return analyse(soundfile.read(read)[0], RATE, ADAPTTS.analysis)


def espnet(said: Path, read: Path) -> float:
    """ESPnet's script for one pair: at 16 kHz, order 23 and α 0.42."""
    window = pysptk.sptk.hamming(1024)
    cepstra = []
    for path in (said, read):
        pcm, _ = soundfile.read(path, dtype="int16")
        frames = [pcm[k : k + 1024] * window for k in range(0, len(pcm) - 1023, 256)]
        cepstra.append(np.stack([pysptk.mcep(x, 23, 0.42, eps=1e-6, etype=1) for x in frames]))
    _, path = fastdtw(*cepstra, dist=euclidean)
    first, second = np.array(path).T
    apart = cepstra[0][first] - cepstra[1][second]
    return float(np.mean(10 / np.log(10) * np.sqrt(2 * (apart**2).sum(axis=1))))


def pymcd(said: Path, read: Path) -> float:
    return Calculate_MCD(MCD_mode="dtw").calculate_mcd(str(read), str(said))


def exact(said: Path, read: Path) -> float:
    """The default convention, one step after another."""
    cepstra = []
    for path in (said, read):
        samples, _ = soundfile.read(path)
        f0, times = prosody.pyworld.dio(samples, RATE, f0_floor=60.0, f0_ceil=500.0)
        f0 = prosody.pyworld.stonemask(samples, f0, times, RATE)
        envelope = prosody.pyworld.cheaptrick(samples, f0, times, RATE, f0_floor=60.0)
        each = pysptk.sp2mc(envelope, 24, pysptk.util.mcepalpha(RATE))
        cepstra.append(each[cepstral_speech(each), 1:])
    costs = cdist(*cepstra)
    totals = np.full((len(costs) + 1, costs.shape[1] + 1), math.inf)
    lengths = np.zeros(totals.shape, dtype=int)
    totals[0, 0] = 0.0
    for i, j in np.ndindex(costs.shape):
        before = min(((i, j), (i, j + 1), (i + 1, j)), key=lambda cell: totals[cell])
        totals[i + 1, j + 1] = totals[before] + costs[i, j]
        lengths[i + 1, j + 1] = lengths[before] + 1
    return float(10 * math.sqrt(2) / math.log(10) * totals[-1, -1] / lengths[-1, -1])


CONTENDERS = {
    "adaptts": ours(ADAPTTS),
    "adaptts, read before": read_before,
    "adaptts, pymcd's convention": ours(PYMCD),
    "adaptts, ESPnet's convention": ours(ESPNET),
    "pymcd": pymcd,
    "ESPnet's script": espnet,
}
# Whose figures must be whose.
SAME = {
    "adaptts, pymcd's convention": "pymcd",
    "adaptts, ESPnet's convention": "ESPnet's script",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=500)
    count = parser.parse_args().pairs
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        pairs = make_pairs(count, Path(folder))
        seconds = sum(soundfile.info(path).duration for pair in pairs for path in pair)
        for contender in CONTENDERS.values():
            contender(*pairs[0])
        for _, read in pairs:
            features(read)
        spent: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        figures: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        for pair in tqdm(pairs, unit="pair", disable=None):
            for name, contender in CONTENDERS.items():
                started = time.process_time()
                figures[name].append(contender(*pair))
                spent[name].append(time.process_time() - started)
        apart = [
            abs(exact(*pair) - figure)
            for pair, figure in zip(pairs[:CHECKED], figures["adaptts"], strict=False)
        ]
    print(f"{count} pairs, {seconds / 2 / count:.2f} s of sound each; CPU time of all pairs:\n")
    print("| who | ms a pair | median | times as long as adaptts | mean MCD, dB |")
    print("|---|---:|---:|---:|---:|")
    for name, each in spent.items():
        ratio = sum(each) / sum(spent["adaptts"])
        print(
            f"| {name} | {1000 * sum(each) / count:.1f} | {1000 * statistics.median(each):.1f} "
            f"| {ratio:.2f} | {np.mean(figures[name]):.3f} |"
        )
    print()
    for mine, theirs in SAME.items():
        ratio = sum(spent[theirs]) / sum(spent[mine])
        gap = np.abs(np.subtract(figures[mine], figures[theirs])).max()
        print(f"{mine}: {ratio:.1f} times as quick as {theirs}, figures apart by {gap:.1e} dB")
    print(f"adaptts and the exact reference: apart by {max(apart):.1e} dB in {len(apart)} pairs")


if __name__ == "__main__":
    main()
