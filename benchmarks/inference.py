"""How often intervals, tests and promises of power are right, and how fast they come.

    python benchmarks/inference.py calibration    # the tables of docs/statistics.md
    python benchmarks/inference.py speed          # beside scipy.stats; and of results/, if there

Calibration simulates experiments whose truth is known, with effects of speakers, utterances and
seeds. Speed compares, in one process and in alternation, intervals and tests of ten arms by ten
metrics with the same by scipy.stats (over speakers alone, which is all that it knows of).
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.stats

from adaptts.evaluation import statistics
from adaptts.evaluation.power import sensitivity
from adaptts.evaluation.statistics import Array

CONFIDENCE, ALPHA = 0.95, 0.05
TRIALS, ROUNDS = 4000, 3
UTTERANCES = 6
SPEAKERS = (6, 12, 30)


@dataclass(frozen=True)
class Noise:
    """Standard deviations of what moves one arm's values beside its true mean."""

    speaker: float = 1.0  # the arm does better with some voices
    utterance: float = 0.5
    seed: float = 0.0  # one training went better, for all voices
    speaker_seed: float = 0.3  # or for some
    rest: float = 0.5


NOISES = {
    "seeds alike": Noise(),
    "seeds differ a fifth as much as speakers": Noise(seed=0.2),
    "seeds differ half as much as speakers": Noise(seed=0.5),
    "seeds differ as much as speakers": Noise(seed=1.0),
}


def simulate(
    shape: tuple[int, ...], noise: Noise, generator: np.random.Generator, skewed: bool = False
) -> Array:
    """Values [..., speakers, utterances, seeds] whose true mean is 0.

    Skewed speakers are of an exponential distribution, with the same deviation.
    """
    *lead, speakers, utterances, seeds = shape
    sizes = {
        "utterance": (speakers, utterances, 1),
        "seed": (1, 1, seeds),
        "speaker_seed": (speakers, 1, seeds),
        "rest": (speakers, utterances, seeds),
    }
    draw = generator.exponential if skewed else generator.normal
    values = noise.speaker * (draw(size=(*lead, speakers, 1, 1)) - (1 if skewed else 0))
    for name, size in sizes.items():
        values = values + getattr(noise, name) * generator.normal(size=(*lead, *size))
    return values


def coverage(values: Array, samples: int, generator: np.random.Generator) -> float:
    """The share of intervals that hold the truth, 0."""
    resampled = statistics.bootstrap(values, samples, generator)
    found = statistics.interval(values, resampled, CONFIDENCE)
    return float(np.mean(~found.apart))


def apart_error(
    values: Array, samples: int, generator: np.random.Generator, together: int | None = None
) -> float:
    """The share of experiments in which any arm is told apart from another, by the intervals of
    all their pairs together.

    values [trials, arms, speakers, utterances, seeds]; together: of how many intervals, if not all.
    """
    first, second = np.triu_indices(values.shape[1], 1)
    wrong = [
        statistics.interval(
            arms[first] - arms[second], means[:, first] - means[:, second], CONFIDENCE,
            together=together or len(first),
        ).apart.any()
        for arms in values
        for means in [statistics.bootstrap(arms, samples, generator)]
    ]  # fmt: skip
    return float(np.mean(wrong))


def family_error(values: Array, generator: np.random.Generator) -> float:
    """The share of experiments in which Holm's correction lets any comparison through.

    values [trials, arms, speakers, utterances, seeds]; the first arm is the baseline.
    """
    differences = values[:, 1:] - values[:, :1]
    p = statistics.permutation_test(differences, 1999, generator)
    return float(np.mean([(statistics.holm(row) <= ALPHA).any() for row in p]))


def promised(speakers: int, seeds: int, noise: Noise, tests: int) -> tuple[float, float]:
    """The true differences that a test is promised to find four times in five."""
    deviation = noise.speaker**2 + noise.utterance**2 / UTTERANCES
    deviation += noise.speaker_seed**2 / seeds + noise.rest**2 / (UTTERANCES * seeds)
    error = np.array(np.sqrt(deviation / speakers))
    found = sensitivity(error, np.array(speakers - 1.0), speakers, tests, ALPHA)
    return float(found.alone), float(found.corrected)


def found_share(
    difference: float, values: Array, level: float, source: np.random.Generator
) -> float:
    """The share of tests at `level` that find `difference`, added to `values`."""
    return float(np.mean(statistics.permutation_test(values + difference, 1999, source) <= level))


def print_calibration() -> None:
    source = np.random.default_rng(1)
    print("coverage of 95 % intervals: speakers, seeds, noise, share; skewed speakers, share")
    for speakers in SPEAKERS:
        for seeds in (1, 2, 3, 5):
            for name, noise in NOISES.items():
                if seeds == 1 and noise.seed:
                    continue  # one training tells nothing of others
                shape = (TRIALS, speakers, UTTERANCES, seeds)
                shares = [
                    coverage(simulate(shape, noise, source, skewed), 1000, source)
                    for skewed in (False, True)
                ]
                print(f"{speakers}, {seeds}, {name}, {shares[0]:.3f}, {shares[1]:.3f}", flush=True)
    print("family-wise error of nine comparisons: speakers, seeds, noise, share")
    for speakers in SPEAKERS:
        for seeds in (1, 2, 3, 5):
            for name, noise in NOISES.items():
                if seeds == 1 and noise.seed:
                    continue
                values = simulate((1000, 10, speakers, UTTERANCES, seeds), noise, source)
                print(
                    f"{speakers}, {seeds}, {name}, {family_error(values, source):.3f}", flush=True
                )
    print("any of 14 equal arms told apart: speakers, seeds, noise, share; skewed speakers, share")
    for speakers, seeds in ((6, 2), (6, 3), (6, 5), (12, 3), (12, 5)):
        for name, noise in NOISES.items():
            shape = (500, 14, speakers, UTTERANCES, seeds)
            shares = [
                apart_error(simulate(shape, noise, source, skewed), 200, source)
                for skewed in (False, True)
            ]
            print(f"{speakers}, {seeds}, {name}, {shares[0]:.3f}, {shares[1]:.3f}", flush=True)
    print("power, promised 0.8: speakers, comparisons, difference, share found")
    for speakers in SPEAKERS:
        for tests in (1, 9):
            difference = promised(speakers, 3, Noise(), tests)[1]
            if np.isfinite(difference):
                values = simulate((TRIALS, speakers, UTTERANCES, 3), Noise(), source)
                share = found_share(difference, values, ALPHA / tests, source)
                print(f"{speakers}, {tests}, {difference:.2f}, {share:.3f}", flush=True)


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def print_speed() -> None:
    source = np.random.default_rng(2)
    values = simulate((10, 10, 6, UTTERANCES, 2), Noise(), source)  # arms, metrics, ...
    differences = values[1:] - values[:1]

    def ours() -> None:
        for part in (values, differences):
            statistics.interval(part, statistics.bootstrap(part, 2000, source), CONFIDENCE)
        statistics.permutation_test(differences, 2000, source)

    def theirs() -> None:
        for part in (values, differences):
            for means in statistics.speaker_means(part).reshape(-1, 6):
                scipy.stats.bootstrap((means,), np.mean, n_resamples=2000, rng=source)
        for means in statistics.speaker_means(differences).reshape(-1, 6):
            scipy.stats.permutation_test(
                (means, np.zeros(6)), lambda a, b, axis: (a - b).mean(axis=axis),
                permutation_type="samples", n_resamples=2000, rng=source, vectorized=True,
            )  # fmt: skip

    print("ten arms, ten metrics: ours s, scipy.stats s, ratio")
    for _ in range(ROUNDS):
        one, other = seconds(ours), seconds(theirs)
        print(f"{one:.3f}, {other:.3f}, {other / one:.1f}", flush=True)
    if Path("results").is_dir():
        # Here alone, so that calibration runs without an experiment.
        from adaptts import params
        from adaptts.reporting.comparison import compare
        from adaptts.reporting.results import load

        results = load(Path(), params.read(Path("params.yaml")))
        rounds = [seconds(lambda: compare(results)) for _ in range(ROUNDS)]
        print(f"compare() of {len(results.arms)} arms: {min(rounds):.2f} s of CPU")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["calibration", "speed"])
    print_calibration() if parser.parse_args().what == "calibration" else print_speed()
