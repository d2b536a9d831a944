"""How quickly features are made: the whole stage, and mel and F0 beside other scripts' ways.

    python benchmarks/features.py [--utterances 30] [--rate 16000] [--processes 2]

A synthetic corpus of 24 voices is made in a temporary folder. The stage `features` then runs on it
as it is, with exact phone times, and with these forgotten, so that texts are pronounced and phones
are aligned; with one process and with several, one after the other, whose results are compared byte
by byte. `x real time` is seconds of sound for each CPU second: per core, whatever else runs, with
the start of Python (2 s a process) in it. Efficiency is T₁/(n · Tₙ) of the wall times, which only
an otherwise idle machine tells; overhead is the ratio of the CPU seconds, which tells on a busy one
how far it could be from 1. Memory is the peak of the largest process.

Then mel and F0 of the same recordings are made in turns, round by round, by

ours       the store's way: numpy's FFT; DIO for whole arrays, refined by WORLD's StoneMask
espnet     ESPnet's text-to-speech recipes: librosa's mels, pyworld's DIO and StoneMask
harvest    the same with WORLD's harvest, as Parallel WaveGAN's recipes have it
pyin       librosa alone: its mels and its probabilistic YIN

the last two of a few recordings alone, for they are slow.

Seen on 2 idle virtual cores, with `--utterances 60`:

    1440 utterances, 53.4 minutes, 16000 Hz
    phones   processes  seconds  CPU s  x real time  MB  efficiency  overhead
    exact            1     46.8   46.5           69  270
    exact            2     26.5   49.6           65  281      0.88      1.07
    aligned          1     52.2   51.7           62  281
    aligned          2     29.0   54.3           59  281      0.90      1.05
    mel and F0  x real time  ours is so many times as fast
    ours                198                            1.0
    espnet              137                            1.4
    harvest               6                           35.6
    pyin                 17                           11.8

So two processes are 1.77 and 1.80 times as quick as one, the start of Python in it.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import librosa
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from adaptts import params  # noqa: E402
from adaptts.corpora import audio, manifest  # noqa: E402
from adaptts.corpora.manifest import Manifest  # noqa: E402
from adaptts.corpora.readers import READERS  # noqa: E402
from adaptts.features import mel, prosody  # noqa: E402
from adaptts.params import Experiment, FeatureParams  # noqa: E402

import pyworld  # isort: skip  # noqa: E402  after prosody, which hushes its announcements

ROUNDS = 3
SLOW, FEW = ("harvest", "pyin"), 12  # recordings


@dataclass(frozen=True)
class Run:
    seconds: float
    cpu_seconds: float
    peak_bytes: int  # resident, of the largest process
    digest: str  # of the features


def main() -> None:
    parser = argparse.ArgumentParser(description="How quickly features are made.")
    parser.add_argument("--utterances", type=int, default=30, help="of each of 24 voices")
    parser.add_argument("--rate", type=int, default=16000, help="Hz")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    experiment = params.read(ROOT / "presets/default.yaml")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = make_corpus(experiment, folder, arguments.utterances, arguments.rate)
        seconds = corpus.table["seconds"].sum()
        print(f"{len(corpus.table)} utterances, {seconds / 60:.1f} minutes, {arguments.rate} Hz")
        print("phones   processes  seconds  CPU s  x real time  MB  efficiency  overhead")
        for phones in ("exact", "aligned"):
            one, more = (run(folder, phones, count) for count in (1, arguments.processes))
            if one.digest != more.digest:
                sys.exit("the features hang on the number of processes")
            efficiency = one.seconds / (arguments.processes * more.seconds)
            for count, each, *ratios in (
                (1, one),
                (arguments.processes, more, efficiency, more.cpu_seconds / one.cpu_seconds),
            ):
                row = f"{phones:7}  {count:9}  {each.seconds:7.1f}  {each.cpu_seconds:5.1f}  "
                row += f"{seconds / each.cpu_seconds:11.0f}  {each.peak_bytes / 1e6:3.0f}"
                print(row + "".join(f"  {ratio:8.2f}" for ratio in ratios), flush=True)
        compare(corpus, experiment.features)


def make_corpus(experiment: Experiment, folder: Path, utterances: int, rate: int) -> Manifest:
    """The corpus exact/, and aligned/ with the same recordings and texts alone."""
    exact, aligned = folder / "exact", folder / "aligned"
    exact.mkdir()
    aligned.mkdir()
    values = replace(experiment.corpus, utterances_per_speaker=utterances, sampling_rate=rate)
    READERS[values.reader].prepare(values, exact, folder)
    corpus = manifest.read(exact)
    (aligned / "audio").symlink_to(exact / "audio")
    manifest.write(aligned, corpus.table, replace(corpus.info, exact_phones=False), grammar="")
    return corpus


def run(folder: Path, phones: str, processes: int) -> Run:
    """Extract all features in a process of its own, whose children are the workers."""
    code = (
        "import json, resource, sys\n"
        "from pathlib import Path\n"
        "from adaptts import params\n"
        "from adaptts.features import extraction\n"
        "if __name__ == '__main__':\n"
        "    preset, corpus, out, processes = sys.argv[1:]\n"
        "    values = params.read(Path(preset)).features\n"
        "    extraction.extract(Path(corpus), values, Path(out), int(processes))\n"
        "    used = [resource.getrusage(who) for who in"
        " (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]\n"
        "    print(json.dumps([sum(u.ru_utime + u.ru_stime for u in used),"
        " 1024 * max(u.ru_maxrss for u in used)]))\n"
    )
    script = folder / "extract.py"  # workers import it again, which they cannot from a -c
    script.write_text(code, encoding="utf-8")
    preset = ROOT / "presets/default.yaml"
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    environment = {**os.environ, "PYTHONPATH": path, "TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(dir=folder) as out:
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, script, preset, folder / phones, out, str(processes)],
            env=environment, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        seconds = time.monotonic() - started
        digest = hashlib.sha256()
        for path in sorted(Path(out).rglob("*")):
            if path.is_file():
                digest.update(path.read_bytes())
    cpu_seconds, peak_bytes = json.loads(done.stdout.splitlines()[-1])
    return Run(seconds, cpu_seconds, peak_bytes, digest.hexdigest())


def compare(corpus: Manifest, features: FeatureParams) -> None:
    """Mel and F0 by each way, in turns; the least CPU seconds of all rounds."""
    rate = corpus.info.sampling_rate
    paths = [corpus.folder / path for path in corpus.table["path"]]
    step = max(1, len(paths) // 100)
    sounds = [audio.read(path).samples[:, 0] for path in paths[::step]]
    ways: dict[str, Callable[[np.ndarray], object]] = {
        "ours": lambda sound: ours(sound, rate, features),
        "espnet": lambda sound: (librosa_mel(sound, rate, features), dio(sound, rate, features)),
        "harvest": lambda sound: (
            librosa_mel(sound, rate, features),
            harvest(sound, rate, features),
        ),
        "pyin": lambda sound: (librosa_mel(sound, rate, features), pyin(sound, rate, features)),
    }
    chosen = {name: sounds[:FEW] if name in SLOW else sounds for name in ways}
    least = dict.fromkeys(ways, np.inf)
    for way, own in chosen.items():
        ways[way](own[0])  # filters, and what numba compiles
    for _ in range(ROUNDS):
        for name, way in ways.items():
            started = time.process_time()
            for sound in chosen[name]:
                way(sound)
            spent = (time.process_time() - started) / sum(map(len, chosen[name])) * rate
            least[name] = min(least[name], spent)
    print("mel and F0  x real time  ours is so many times as fast")
    for name, spent in least.items():
        print(f"{name:10}  {1 / spent:11.0f}  {spent / least['ours']:29.1f}", flush=True)


def ours(sound: np.ndarray, rate: int, features: FeatureParams) -> None:
    mel.log_mel(sound, rate, features)
    bounds = (features.f0_min_hz, features.f0_max_hz)
    prosody.track_f0(sound, rate, bounds, features.frame_period_ms)


def librosa_mel(sound: np.ndarray, rate: int, features: FeatureParams) -> np.ndarray:
    """As ESPnet's `logmelfilterbank`: the filters made once."""
    spectrum = librosa.stft(sound, n_fft=features.n_fft, hop_length=features.hop_samples)
    filters = _filters(rate, features)
    return np.log(np.maximum(filters @ np.abs(spectrum), 1e-5))


_FILTERS: dict[int, np.ndarray] = {}


def _filters(rate: int, features: FeatureParams) -> np.ndarray:
    if rate not in _FILTERS:
        _FILTERS[rate] = librosa.filters.mel(
            sr=rate, n_fft=features.n_fft, n_mels=features.mels, fmax=features.mel_max_hz
        )
    return _FILTERS[rate]


def dio(sound: np.ndarray, rate: int, features: FeatureParams) -> np.ndarray:
    coarse, times = pyworld.dio(
        sound, rate, features.f0_min_hz, features.f0_max_hz, frame_period=features.frame_period_ms
    )
    return pyworld.stonemask(sound, coarse, times, rate)


def harvest(sound: np.ndarray, rate: int, features: FeatureParams) -> np.ndarray:
    f0_hz, _ = pyworld.harvest(
        sound, rate, features.f0_min_hz, features.f0_max_hz, frame_period=features.frame_period_ms
    )
    return f0_hz


def pyin(sound: np.ndarray, rate: int, features: FeatureParams) -> np.ndarray:
    f0_hz, _, _ = librosa.pyin(
        sound, fmin=features.f0_min_hz, fmax=features.f0_max_hz, sr=rate,
        frame_length=features.n_fft, hop_length=features.hop_samples,
    )  # fmt: skip
    return f0_hz


if __name__ == "__main__":
    main()
