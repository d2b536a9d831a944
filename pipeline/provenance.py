"""What a report was made from and with: parameters, versions, commit, and hashes of the data."""

import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import yaml

from adaptts.reporting.page import Provenance

# The packages whose version may change a number of the report.
PACKAGES = (
    "adaptts", "torch", "torchaudio", "numpy", "scipy", "pandas", "librosa", "pyworld", "pysptk",
    "pocketsphinx", "jiwer", "Resemblyzer", "espeakng-loader", "phonemizer-fork", "soundfile",
    "altair", "vl-convert-python", "dvc", "snakemake", "mlflow",
)  # fmt: skip


def gather(
    folder: Path,
    runs: Mapping[str, str] | None = None,
    run_pages: str = "",
    run_command: str = "",
) -> Provenance:
    """Describe the experiment in `folder`; `runs`, `run_pages`, `run_command`: of MLflow."""
    head, outputs = commit(folder), hashes(folder / "dvc.lock")
    software = [
        ("adaptts' commit", head),
        ("Python", f"{platform.python_version()} ({platform.python_implementation()})"),
        ("Platform", platform.platform()),
        *[(package, version(package)) for package in PACKAGES],
    ]
    text = (folder / "params.yaml").read_text(encoding="utf-8")
    data = [(path, md5) for path, md5 in outputs.items() if path.startswith("data/")]
    return Provenance(text, software, data, head, outputs, runs or {}, run_pages, run_command)


def commit(folder: Path) -> str:
    """The commit that `folder` stands at, and whether files differ from it."""
    head = _git(folder, "rev-parse", "HEAD")
    if head is None:
        return "unknown: there is no git commit"
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{head}, with changes since" if changes else head


def version(package: str) -> str:
    """The installed version of a package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def hashes(lock: Path) -> dict[str, str]:
    """The hash of every output that DVC has recorded in `lock`, by its path."""
    if not lock.is_file():
        return {}
    stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
    outs = [out for stage in stages.values() for out in stage.get("outs", [])]
    return dict(sorted((out["path"], out["md5"]) for out in outs))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
