"""What the stages before training take as a corpus grows, and whether their work stays in line.

    python benchmarks/scale.py grow            # CPU seconds, peak memory, growth by stage
    python benchmarks/scale.py grow --utterances 48 --processes 2   # the same up to 11.5 hours
    python benchmarks/scale.py add             # what one speaker more makes the stages do
    python benchmarks/scale.py dvc             # files and idle `dvc status` at VCTK's size

Corpora are generated: recordings of the embedded voices, written again under other speakers' names
with another gain and noise, and read by the reader `folder` with resampling and alignment, since
their phones are not told. For `grow`, each stage runs in a process of its own, whose start-up is
not counted (but that of its workers is, with --processes). What is generated, half a GB an hour,
lies in a temporary folder (TMPDIR says where), one size at a time.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("corpus", "features", "alignment", "episodes", "loader")
VOICES = 24  # at size 1
SOURCE_RATE, RATE = 24000, 16000  # Hz, of what is generated and of the corpus
BYTES_AN_HOUR = 0.5e9  # of what is generated, the corpus and its features
ALIGNMENT_MINUTES = 30.0  # of VCTK's hours with two processes: no more is wanted
VCTK_HOURS, VCTK_UTTERANCES, VCTK_SPEAKERS = 44.0, 44_000, 110
BATCHES, STEPS = 400, 12


@dataclass(frozen=True)
class Taken:
    """What a stage has taken."""

    cpu_seconds: float
    seconds: float
    peak_mib: float  # of its largest process
    notes: dict[str, float]


def say_voices(folder: Path, utterances: int) -> pd.DataFrame:
    """Have each embedded voice say a few sentences; returns their manifest."""
    from adaptts.corpora import manifest
    from adaptts.corpora.readers import READERS
    from adaptts.params import CorpusParams

    params = CorpusParams(
        reader="synthetic", sampling_rate=SOURCE_RATE, seed=1, utterances_per_speaker=utterances
    )
    folder.mkdir()
    READERS["synthetic"].prepare(params, folder, folder)
    return manifest.read(folder).table


def generate(voices: Path, table: pd.DataFrame, size: int, folder: Path) -> pd.DataFrame:
    """Recordings of `size` times as many speakers in `folder`; returns rows for metadata.csv."""
    from adaptts.corpora import audio

    def copy_all(numbered: tuple[int, Mapping]) -> list[dict[str, str]]:
        number, row = numbered
        waveform = audio.read_mono(voices / row["path"], SOURCE_RATE)
        rows = []
        for copy in range(size):
            generator = np.random.default_rng([copy, number])
            speaker = f"{row['speaker']}x{copy:02d}"
            path = f"{speaker}/{row['utterance']}.wav"
            noise = 10 ** generator.uniform(-4, -3) * generator.standard_normal(len(waveform))
            sound = generator.uniform(0.3, 0.9) * waveform + noise
            audio.write(folder / path, sound, SOURCE_RATE)
            rows.append({"path": path, "speaker": speaker, "text": row["text"]})
        return rows

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        copies = pool.map(copy_all, enumerate(table.to_dict("records")))
        return pd.DataFrame([row for rows in copies for row in rows])


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


def environment(processes: int) -> dict[str, str]:
    return {
        **os.environ,
        "ADAPTTS_PROCESSES": str(processes),
        "TQDM_DISABLE": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
    }


def run_stage(stage: str, folder: Path, processes: int) -> Taken:
    command = [sys.executable, __file__, "stage", stage]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(processes),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return Taken(**json.loads(done.stdout.splitlines()[-1]))


def stage_here(name: str) -> None:
    """Run a stage in this process and print what it took, as JSON."""
    from adaptts import params
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
    began, cpu_began = time.perf_counter(), cpu_seconds()
    notes = works[name]() or {}
    cpu_taken, taken = cpu_seconds() - cpu_began, time.perf_counter() - began
    own, workers = (
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(json.dumps(vars(Taken(cpu_taken, taken, max(own, workers) / 2**10, notes))))


def cpu_seconds() -> float:
    """Of this process and of those that it has started and that have ended."""
    return sum(os.times()[:4])


def align(experiment) -> None:
    """The features' alignment once more, alone."""
    from adaptts.features import extraction
    from adaptts.features.processes import Workers, available
    from adaptts.features.store import SHARDS, FeatureStore

    folder = Path("data/features")
    store = FeatureStore.open(folder)
    phones = [store.phones(name).astype(np.int64) for name in store.index.index]
    with Workers(available()) as workers:
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


def grow(sizes: Sequence[int], utterances: int, processes: int) -> None:
    taken: dict[str, list[Taken]] = {stage: [] for stage in STAGES}
    hours = []
    with tempfile.TemporaryDirectory() as temporary:
        top = Path(temporary)
        table = say_voices(top / "voices", utterances)
        hour = table["seconds"].sum() / 3600
        free = shutil.disk_usage(top).free
        needed = BYTES_AN_HOUR * hour * (max(sizes) + 1)
        print(f"{max(sizes) * hour:.2f} h take up to {needed / 1e9:.1f} GB in {top}", flush=True)
        if free < needed:
            sys.exit(f"{free / 1e9:.1f} GB are free there; set TMPDIR, or ask for less")
        for size in sizes:
            folder = top / f"size{size}"
            recordings = folder / "recordings"
            recordings.mkdir(parents=True)
            rows = generate(top / "voices", table, size, recordings)
            rows.to_csv(recordings / "metadata.csv", index=False)
            write_experiment(folder, recordings)
            hours.append(size * hour)
            print(f"size {size}: {len(rows)} utterances, {hours[-1]:.2f} h", flush=True)
            for stage in STAGES:
                own = run_stage(stage, folder, processes)
                taken[stage].append(own)
                print(f"  {stage}: {own.cpu_seconds:.1f} CPU s, {own.seconds:.1f} s", flush=True)
            used = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            print(f"  {used / 1e9:.2f} GB on disk, removed now", flush=True)
            shutil.rmtree(folder)
    summarise(taken, hours, processes)


def summarise(taken: Mapping[str, Sequence[Taken]], hours: Sequence[float], processes: int) -> None:
    print("CPU s and peak MiB by hours | growth of the last step over linear | CPU min of 44 h")
    print("stage", *(f"{each:.2f} h" for each in hours), "growth", "44 h", sep=" | ")
    for stage, found in taken.items():
        if stage == "loader":
            continue
        cpu = [each.cpu_seconds for each in found]
        growth = cpu[-1] / cpu[-2] / (hours[-1] / hours[-2])
        by_size = [f"{each.cpu_seconds:.1f} s, {each.peak_mib:.0f} MiB" for each in found]
        print(stage, *by_size, f"{growth:.2f}", f"{extrapolate(hours, cpu) / 60:.1f}", sep=" | ")
    wall = extrapolate(hours, [each.seconds for each in taken["alignment"]]) / 60
    print(
        f"alignment of {VCTK_HOURS:.0f} h, processes: {processes}; wall time: {wall:.1f} min "
        f"(with 2 at most {ALIGNMENT_MINUTES:.0f} are wanted)"
    )
    for each, own in zip(hours, taken["loader"], strict=True):
        rate = own.notes["step_ms"] / own.notes["batch_ms"]
        notes = ", ".join(f"{name} {value:.1f}" for name, value in own.notes.items())
        print(f"loader, {each:.2f} h: {rate:.1f} × the model's rate; {notes}")


def extrapolate(hours: Sequence[float], seconds: Sequence[float]) -> float:
    """What VCTK's hours would take, on the straight line through the last two sizes."""
    slope = (seconds[-1] - seconds[-2]) / (hours[-1] - hours[-2])
    return seconds[-1] + slope * (VCTK_HOURS - hours[-1])


def add(speakers: int, utterances: int) -> None:
    """Have DVC make the features of a corpus, then add a speaker and have it bring them in line."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "experiment")
        recordings = folder / "recordings"
        recordings.mkdir(parents=True)
        table = say_voices(Path(temporary, "voices"), utterances)
        rows = generate(Path(temporary, "voices"), table, speakers // VOICES + 1, recordings)
        names = rows["speaker"].drop_duplicates().sort_values(key=lambda name: name.str[-2:])
        write_experiment(folder, recordings)
        for name in ("src", "pipeline"):
            (folder / name).symlink_to(ROOT / name)
        subprocess.run(["dvc", "init", "-q", "--no-scm"], cwd=folder, check=True)
        for what, count in (("from nothing", speakers), ("one speaker more", speakers + 1)):
            chosen = rows[rows["speaker"].isin(names[:count])]
            chosen.to_csv(recordings / "metadata.csv", index=False)
            print(f"{what}: {count} speakers, {len(chosen)} recordings", flush=True)
            reproduce(folder, "--force", "--single-item", "corpus")
            reproduce(folder, "features")
        print("nothing changed")
        reproduce(folder, "features")
        print(f"alignment alone: {run_stage('alignment', folder, 1).cpu_seconds:.1f} CPU s")


def reproduce(folder: Path, *arguments: str) -> None:
    """Print what `dvc repro` takes, and what the stages say of their work."""
    command = ["dvc", "repro", *arguments]
    before = cpu_seconds()
    done = subprocess.run(
        command, cwd=folder, env=environment(1), check=True, stdout=subprocess.PIPE, text=True
    )
    print(f"  {' '.join(command)}: {cpu_seconds() - before:.1f} CPU s", flush=True)
    for line in done.stdout.splitlines():
        if "recordings:" in line or "shards:" in line:
            print(f"    {line}", flush=True)


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
            before = cpu_seconds()
            subprocess.run(["dvc", "status", "-q"], cwd=folder, check=True)
            taken = cpu_seconds() - before
            print(f"dvc status of {len(stages)} stages, nothing changed: {taken:.1f} CPU s")


def main() -> None:
    parser = argparse.ArgumentParser(description="what grows how with the corpus")
    commands = parser.add_subparsers(dest="command", required=True)
    growing = commands.add_parser("grow")
    growing.add_argument("--sizes", type=int, nargs="+", default=[1, 4, 16])
    growing.add_argument(
        "--utterances", type=int, default=4, help=f"of each of {VOICES} voices; 4 or more"
    )
    growing.add_argument("--processes", type=int, default=1)
    adding = commands.add_parser("add")
    adding.add_argument("--speakers", type=int, default=100)
    adding.add_argument("--utterances", type=int, default=20, help="of each speaker")
    commands.add_parser("dvc")
    commands.add_parser("stage").add_argument("stage", choices=STAGES)
    arguments = parser.parse_args()
    match arguments.command:
        case "grow":
            if len(arguments.sizes) < 2:
                parser.error("--sizes: growth shows between two or more")
            grow(arguments.sizes, arguments.utterances, arguments.processes)
        case "add":
            add(arguments.speakers, arguments.utterances)
        case "dvc":
            dvc()
        case "stage":
            stage_here(arguments.stage)


if __name__ == "__main__":
    main()
