"""What the stages before training take as a corpus grows, and whether their work stays in line.

    python benchmarks/scale.py grow [--sizes 1 4 16]   # CPU seconds, peak memory, growth by stage
    python benchmarks/scale.py dvc                     # files and idle `dvc status` at VCTK's size

Corpora are generated: recordings of the embedded voices, written again under other speakers' names
with another gain and noise, and read by the reader `folder` with alignment, since their phones are
not told. Each stage runs in a process of its own, with one worker; start-up is not counted.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("corpus", "features", "alignment", "episodes", "loader")
UTTERANCES = 4  # of each voice; at size 1 there are 24 voices
RATE = 16000
VCTK_HOURS, VCTK_UTTERANCES, VCTK_SPEAKERS = 44.0, 44_000, 110
BATCHES, STEPS = 400, 12


@dataclass(frozen=True)
class Taken:
    """What a stage has taken."""

    cpu_seconds: float
    peak_mib: float
    notes: dict[str, float]


def say_voices(folder: Path) -> pd.DataFrame:
    """Have the embedded voices say a few sentences; returns their manifest."""
    from adaptts.corpora import READERS, manifest
    from adaptts.params import CorpusParams

    params = CorpusParams(
        reader="synthetic", sampling_rate=RATE, seed=1, utterances_per_speaker=UTTERANCES
    )
    folder.mkdir()
    READERS["synthetic"].prepare(params, folder, folder)
    return manifest.read(folder).table


def generate(voices: Path, table: pd.DataFrame, size: int, folder: Path) -> None:
    """Recordings of `size` times as many speakers, with metadata.csv."""
    from adaptts.corpora import audio

    rows = []
    for row in table.to_dict("records"):
        waveform = audio.read_mono(voices / row["path"], RATE)
        for copy in range(size):
            generator = np.random.default_rng([copy, len(rows)])
            speaker = f"{row['speaker']}x{copy:02d}"
            path = f"{speaker}/{row['utterance']}.wav"
            noise = 10 ** generator.uniform(-4, -3) * generator.standard_normal(len(waveform))
            audio.write(folder / path, generator.uniform(0.3, 0.9) * waveform + noise, RATE)
            rows.append({"path": path, "speaker": speaker, "text": row["text"]})
    pd.DataFrame(rows).to_csv(folder / "metadata.csv", index=False)


def write_experiment(folder: Path, recordings: Path) -> None:
    """params.yaml of an experiment on generated recordings, and dvc.yaml."""
    values = yaml.safe_load((ROOT / "presets/default.yaml").read_text(encoding="utf-8"))
    values["corpus"] = {"reader": "folder", "path": str(recordings), "sampling_rate": RATE,
                        "seed": 1, "language": "en-us"}  # fmt: skip
    values["split"] = {"test": ["m8x00", "f3x00"], "validation": ["edx00"]}
    values["episodes"] |= {"shots": [1, 2], "queries": 1}
    values["evaluation"] |= {
        "headline": {"shots": 2, "steps": 20},
        "points": [{"shots": 2, "steps": 20}],
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    (folder / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())


def run_stage(stage: str, folder: Path) -> Taken:
    environment = {
        **os.environ,
        "ADAPTTS_PROCESSES": "1",
        "TQDM_DISABLE": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
    }
    command = [sys.executable, __file__, "stage", stage]
    done = subprocess.run(
        command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return Taken(**json.loads(done.stdout.splitlines()[-1]))


def stage_here(name: str) -> None:
    """Run a stage in this process and print what it took, as JSON."""
    from adaptts import params
    from adaptts.strategies.training import peak_memory_bytes
    from pipeline import corpus, episodes, features
    from pipeline.stage import Stage

    experiment = params.read(Path("params.yaml"))
    stage = Stage(name, {}, experiment)
    works = {
        "corpus": lambda: corpus.main(stage),
        "features": lambda: features.main(stage),
        "alignment": lambda: align(experiment),
        "episodes": lambda: episodes.main(stage),
        "loader": lambda: load(experiment),
    }
    began = time.process_time()
    notes = works[name]() or {}
    taken = time.process_time() - began
    print(json.dumps(vars(Taken(taken, peak_memory_bytes() / 2**20, notes))))


def align(experiment) -> None:
    """The features' alignment once more, alone."""
    from adaptts.features import extraction
    from adaptts.features.processes import Workers
    from adaptts.features.store import SHARDS, FeatureStore

    folder = Path("data/features")
    store = FeatureStore.open(folder)
    phones = [store.phones(name).astype(np.int64) for name in store.index.index]
    with Workers(1) as workers:
        extraction.align_texts(
            folder / SHARDS, store.index.reset_index(), phones, experiment.features, workers,
            len(store.inventory),
        )  # fmt: skip


def load(experiment) -> dict[str, float]:
    """Draw batches, and train on some, with the experiment's model."""
    import torch

    from adaptts.episodes.sampler import Sampler
    from adaptts.objectives import voice_loss
    from adaptts.strategies.learner import Learner
    from pipeline.arms import open_data

    data = open_data(experiment)
    sampler = Sampler(data.utterances, data.episodes, 0)
    size = experiment.training.trunk.batch_utterances
    used = []
    began = time.process_time()
    for step in range(BATCHES):
        sampler.batch(step, size)
        if step in (BATCHES // 4, BATCHES - 1):
            used.append(anonymous_mib())
    loading = (time.process_time() - began) / BATCHES
    learner = Learner(data.setting)
    optimiser = torch.optim.AdamW(learner.parameters(), lr=1e-3, fused=True)
    batches = [sampler.batch(step, size) for step in range(STEPS)]
    began = time.process_time()
    for batch in batches:
        voice = learner.voice(learner.average_speaker())
        voice_loss(learner.acoustic, voice, batch, experiment.training.loss).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    training = (time.process_time() - began) / STEPS
    return {
        "batch_ms": 1000 * loading,
        "step_ms": 1000 * training,
        "anonymous_mib_a_quarter_through": used[0],
        "anonymous_mib_at_the_end": used[1],
    }


def anonymous_mib() -> float:
    """Memory of this process that is no page of a mapped file, which the system takes back."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith("RssAnon"))
    return int(value) / 2**10


def grow(sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        top = Path(temporary)
        table = say_voices(top / "voices")
        taken: dict[str, list[Taken]] = {stage: [] for stage in STAGES}
        hours = []
        for size in sizes:
            folder = top / f"size{size}"
            (folder / "recordings").mkdir(parents=True)
            generate(top / "voices", table, size, folder / "recordings")
            write_experiment(folder, folder / "recordings")
            hours.append(size * table["seconds"].sum() / 3600)
            print(f"size {size}: {size * len(table)} utterances, {hours[-1]:.2f} h", flush=True)
            for stage in STAGES:
                taken[stage].append(run_stage(stage, folder))
                print(f"  {stage}: {taken[stage][-1]}", flush=True)
    print("stage; CPU s and peak MiB by size; growth of the last step over linear; CPU min of 44 h")
    for stage, found in taken.items():
        if stage == "loader":
            continue
        by_size = ", ".join(f"{each.cpu_seconds:.1f} s {each.peak_mib:.0f} MiB" for each in found)
        growth = found[-1].cpu_seconds / found[-2].cpu_seconds / (sizes[-1] / sizes[-2])
        whole = found[-1].cpu_seconds * VCTK_HOURS / hours[-1] / 60
        print(f"{stage}; {by_size}; {growth:.2f}; {whole:.1f}")
    for size, each in zip(sizes, taken["loader"], strict=True):
        rate = each.notes["step_ms"] / each.notes["batch_ms"]
        print(f"loader, size {size}: {rate:.1f} × the model's rate; {each.notes}")


def dvc() -> None:
    """As many files of features as of VCTK beside 44,000 recordings, all of them small.

    A status looks at the files' sizes and times, and not into what did not change.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for speaker in range(VCTK_SPEAKERS):
            own = folder / f"data/corpus/audio/p{speaker}"
            own.mkdir(parents=True)
            for number in range(VCTK_UTTERANCES // VCTK_SPEAKERS):
                (own / f"{number}.wav").write_bytes(f"{speaker} {number}".encode().ljust(1000))
        for name in ("manifest.csv", "corpus.json", "grammar.jsgf"):
            (folder / "data/corpus" / name).write_text(name)
        shards = folder / "data/features/shards"
        shards.mkdir(parents=True)
        for speaker in range(VCTK_SPEAKERS):
            (shards / f"p{speaker}-000.safetensors").write_bytes(os.urandom(100_000))
        for name in ("index.parquet", "phones.safetensors", "inventory.json", "features.json"):
            (shards.parent / name).write_text(name)
        stages = {
            "corpus": {"cmd": "true", "outs": ["data/corpus"]},
            "features": {"cmd": "true", "deps": ["data/corpus"], "outs": ["data/features"]},
        }
        for number in range(20):
            stages[f"later{number}"] = {
                "cmd": "true",
                "deps": ["data/corpus/corpus.json", "data/features"],
                "outs": [f"results/{number}"],
            }
            (folder / f"results/{number}").mkdir(parents=True)
            (folder / f"results/{number}/measures").write_text(str(number))
        (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
        for command in (
            ["git", "init", "-q"],
            ["dvc", "init", "-q"],
            ["dvc", "commit", "-q", "-f"],
        ):
            subprocess.run(command, cwd=folder, check=True)
        print(f"{len([*shards.iterdir()]) + 4} files of features")
        for _ in range(2):
            before = os.times()
            subprocess.run(["dvc", "status", "-q"], cwd=folder, check=True)
            after = os.times()
            seconds = sum(after[2:4]) - sum(before[2:4])
            print(f"dvc status of {len(stages)} stages, nothing changed: {seconds:.1f} CPU s")


def main() -> None:
    parser = argparse.ArgumentParser(description="what grows how with the corpus")
    commands = parser.add_subparsers(dest="command", required=True)
    growing = commands.add_parser("grow")
    growing.add_argument("--sizes", type=int, nargs="+", default=[1, 4, 16])
    commands.add_parser("dvc")
    commands.add_parser("stage").add_argument("stage", choices=STAGES)
    arguments = parser.parse_args()
    match arguments.command:
        case "grow":
            grow(arguments.sizes)
        case "dvc":
            dvc()
        case "stage":
            stage_here(arguments.stage)


if __name__ == "__main__":
    main()
