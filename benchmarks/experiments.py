"""What whole experiments take: wall time, peak memory, idle runs, and whether a rerun is identical.

    python benchmarks/experiments.py smoke default fsdd [--twice]

Each preset runs in a fresh clone of this checkout's last commit, in a temporary folder, with all
cores. --twice runs it again from nothing and compares reports/metrics.json byte by byte.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_SECONDS = 0.5


@dataclass(frozen=True)
class Run:
    seconds: float
    peak_bytes: int  # resident, of all processes together; shared pages count once for each


def measure(command: list[str], folder: Path) -> Run:
    """Run a command to its end. Raises CalledProcessError if it fails."""
    started, peak = time.monotonic(), 0
    process = psutil.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    ended = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(SAMPLE_SECONDS):
            peak = max(peak, resident_bytes(process))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    ended.set()
    watcher.join()
    if code:
        raise subprocess.CalledProcessError(code, command)
    return Run(time.monotonic() - started, peak)


def resident_bytes(process: psutil.Process) -> int:
    total = 0
    try:
        for member in [process, *process.children(recursive=True)]:
            total += member.memory_info().rss
    except psutil.NoSuchProcess:
        return 0  # one ended meanwhile; the next sample counts
    return total


def clone(preset: str, folder: Path) -> None:
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    shutil.copy(ROOT / "presets" / f"{preset}.yaml", folder / "params.yaml")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--twice", action="store_true")
    arguments = parser.parse_args()
    print("preset, run, seconds, peak GiB", flush=True)
    for preset in arguments.presets:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / preset
            clone(preset, folder)
            snakemake = [sys.executable, "-m", "snakemake"]
            dvc = [sys.executable, "-m", "dvc", "repro"]
            for name, command in [
                ("whole", snakemake),
                ("snakemake, nothing to do", snakemake),
                ("dvc repro, nothing to do", dvc),
            ]:
                run = measure(command, folder)
                print(
                    f"{preset}, {name}, {run.seconds:.1f}, {run.peak_bytes / 2**30:.2f}", flush=True
                )
            if arguments.twice:
                again = Path(temporary) / "again"
                clone(preset, again)
                measure(snakemake, again)
                metrics = [(f / "reports/metrics.json").read_bytes() for f in (folder, again)]
                same = "identical" if metrics[0] == metrics[1] else "DIFFERENT"
                print(f"{preset}, metrics of a second run from nothing: {same}", flush=True)


if __name__ == "__main__":
    main()
