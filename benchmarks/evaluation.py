"""What evaluation takes: seconds and CPU seconds, two processes against one, and peak memory.

    python benchmarks/evaluation.py 336 672 2100 [--processes 2]

A synthetic corpus is made in a temporary folder, and for each number of utterances the stage
`evaluate` measures as many with all default measures: 6 test speakers say more and more queries in
7 voices, each the recordings' own features under other noise, through the vocoder. It runs with one
process and with several, one after the other on the same machine, and their results are compared
byte by byte. Efficiency is T₁/(n · Tₙ) of the wall times, which only an otherwise idle machine
tells; overhead is the ratio of the CPU seconds, which tells on a busy one how far it could be from
1. Memory is the peak of the largest process: flat in the number of utterances.

Seen on 2 idle virtual cores, with sounds of 2.2 s:

    utterances  processes  seconds  CPU s  CPU s each  MB  efficiency  overhead
           126          1     39.3   39.2       0.311   678
           126          2     28.0   50.7       0.402   671      0.70      1.29
           504          1    103.1  103.0       0.204   699
           504          2     60.3  114.9       0.228   684      0.85      1.12
          2100          1    380.2  378.6       0.180   728
          2100          2    203.7  394.2       0.188   701      0.93      1.04
"""

import argparse
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from adaptts.adaptation import Spoken, VoiceWriter  # noqa: E402
from adaptts.episodes import table  # noqa: E402
from adaptts.evaluation.instruments import queries  # noqa: E402
from adaptts.evaluation.prosody import phone_pitch  # noqa: E402
from adaptts.features.processes import PROCESSES  # noqa: E402
from adaptts.features.store import FeatureStore  # noqa: E402

ARM, VOICES, NOISE = "pretrain_finetune", 7, 0.1
TEST = ["klatt6", "m8", "hugo", "f3", "steph2", "linda"]


@dataclass(frozen=True)
class Run:
    seconds: float
    cpu_seconds: float
    peak_bytes: int  # resident, of the largest process
    digest: str  # of the results


def main() -> None:
    parser = argparse.ArgumentParser(description="What evaluation takes.")
    parser.add_argument("utterances", type=int, nargs="+")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, max(arguments.utterances))
        print("utterances  processes  seconds  CPU s  CPU s each  MB  efficiency  overhead")
        for wanted in arguments.utterances:
            spoken = speak(folder, wanted)
            one, more = (evaluate(folder, count) for count in (1, arguments.processes))
            if one.digest != more.digest:
                sys.exit("the results hang on the number of processes")
            efficiency = one.seconds / (arguments.processes * more.seconds)
            for count, run, *ratios in (
                (1, one),
                (arguments.processes, more, efficiency, more.cpu_seconds / one.cpu_seconds),
            ):
                row = f"{spoken:10}  {count:9}  {run.seconds:7.1f}  {run.cpu_seconds:5.1f}  "
                row += f"{run.cpu_seconds / spoken:10.3f}  {run.peak_bytes / 1e6:4.0f}"
                print(row + "".join(f"  {ratio:8.2f}" for ratio in ratios), flush=True)


def prepare(folder: Path, utterances: int) -> None:
    """A corpus with enough queries, and its features."""
    shutil.copy(ROOT / "dvc.yaml", folder)
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    most = queries_of(utterances)
    values |= {"arms": [ARM], "seeds": [0]}
    values["split"] = {"test": TEST, "validation": ["ed"]}
    values["corpus"] |= {
        "utterances_per_speaker": most + 12,
        "speakers": [*TEST, "ed", "paul"],
    }
    values["adaptation"]["steps"] = list(range(VOICES))
    points = [{"shots": 1, "steps": steps} for steps in range(VOICES)]
    values["evaluation"] |= {"headline": points[-1], "points": points}
    # What a recogniser has learned does not change how long it listens.
    values["evaluation"]["ctc"]["utterance_gradients"] = 200
    write(folder, values)
    for stage in ("corpus", "features"):
        run(folder, stage, {})


def queries_of(utterances: int) -> int:
    return max(1, round(utterances / len(TEST) / VOICES))


def speak(folder: Path, utterances: int) -> int:
    """Draw the queries, and write what every voice says; return how many utterances these are."""
    values = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    count = queries_of(utterances)
    values["episodes"] |= {"queries": count, "shots": [1, 10], "draws": 1, "text_disjoint": False}
    write(folder, values)
    run(folder, "episodes", {})
    run(folder, "recogniser", {})
    store = FeatureStore.open(folder / "data/features")
    episodes = table.read(folder / "data/episodes/episodes.parquet")
    generator = np.random.default_rng(0)
    for speaker in TEST:
        writer, asked = VoiceWriter(), queries(episodes, speaker)
        for steps in range(VOICES):
            key = {"seed": 0, "draw": 0, "shots": 1, "steps": steps}
            writer.add(key, asked, [say(store, name, generator) for name in asked])
        shutil.rmtree(folder / "voices" / ARM / speaker, ignore_errors=True)
        (folder / "voices" / ARM / speaker).mkdir(parents=True)
        writer.save(folder / "voices" / ARM / speaker, [], {"arm": ARM, "speaker": speaker})
    return VOICES * len(TEST) * count


def say(store: FeatureStore, utterance: str, generator: np.random.Generator) -> Spoken:
    mel, durations = store.mel(utterance), store.durations(utterance)
    noisy = mel + NOISE * generator.standard_normal(mel.shape)
    pitch = phone_pitch(store.f0(utterance), durations)
    return Spoken(*(each.astype(np.float32) for each in (noisy, durations, pitch)))


def evaluate(folder: Path, processes: int) -> Run:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    peak = run(folder, "evaluate", {PROCESSES: str(processes)}, "--arm", ARM)
    seconds = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    digest = hashlib.sha256()
    for path in sorted((folder / "results" / ARM).rglob("*")):
        if path.is_file():
            digest.update(path.read_bytes())
    return Run(seconds, cpu, peak, digest.hexdigest())


def run(folder: Path, stage: str, settings: dict[str, str], *arguments: str) -> int:
    """Run a stage in `folder`; return the peak resident bytes of its largest process."""
    # In a process of its own, which has no other children: their peak is the stage's.
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', *sys.argv[1:]], check=True)\n"
        "print(1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    environment = {**os.environ, **settings, "PYTHONPATH": str(ROOT), "TQDM_DISABLE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, f"pipeline.{stage}", *arguments],
        cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return int(done.stdout.split()[-1])


def write(folder: Path, values: dict) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")


if __name__ == "__main__":
    main()
