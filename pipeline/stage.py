"""What every stage script shares: its entry in dvc.yaml, its parameters, its whole outputs."""

import argparse
import contextlib
import functools
import hashlib
import json
import operator
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from adaptts import params

FAILED = "failed.json"  # in the place of an arm's output: by stage, why there is none


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml, for one item of its matrix."""

    name: str
    item: dict[str, str]  # of the matrix: {"arm": "maml", "seed": "0"}
    params: params.Experiment

    @property
    def address(self) -> str:
        """The name that `dvc repro` and Snakemake give it, such as train@maml-0."""
        return "@".join([self.name, "-".join(self.item.values())] if self.item else [self.name])

    def _entry(self, key: str) -> list[str]:
        """A list of the stage's entry in dvc.yaml, with the item filled in."""
        entry = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"][self.name]
        lines = []
        for line in entry.get(key, []):
            text = line if isinstance(line, str) else next(iter(line))
            for variable, value in self.item.items():
                text = text.replace(f"${{item.{variable}}}", value)
            lines.append(text)
        return lines

    def fingerprint(self) -> str:
        """A hash of all that determines the stage's outputs: dependencies and parameters."""
        digest = hashlib.sha256(self.address.encode())
        for dependency in self._entry("deps"):
            for path in sorted([Path(dependency), *Path(dependency).rglob("*")]):
                if path.is_file() and "__pycache__" not in path.parts:
                    digest.update(f"\0{path.as_posix()}\0".encode())
                    with path.open("rb") as file:
                        digest.update(hashlib.file_digest(file, "sha256").digest())
        digest.update(json.dumps(self.parameters(), sort_keys=True).encode())
        return digest.hexdigest()

    def parameters(self) -> dict[str, Any]:
        """The sections of params.yaml that the stage depends on, by their dotted names."""
        values = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
        return {
            section: functools.reduce(operator.getitem, section.split("."), values)
            for section in self._entry("params")
        }

    def scratch(self) -> Path:
        """A folder for checkpoints, kept over interruptions while the fingerprint is the same.

        It lies outside the outs, which DVC and Snakemake delete before a stage runs. Checkpoints
        of other fingerprints of this stage are removed.
        """
        folder = Path("scratch") / self.address / self.fingerprint()[:16]
        for stale in folder.parent.glob("*"):
            if stale != folder:
                shutil.rmtree(stale)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def clear_scratch(self) -> None:
        """Remove the stage's checkpoints, once its outputs stand."""
        shutil.rmtree(Path("scratch") / self.address, ignore_errors=True)

    def failures(self) -> dict[str, str]:
        """Why the stage's arm has failed, by the address of the stage where it did."""
        found = {}
        for dependency in self._entry("deps") if "arm" in self.item else []:
            for path in sorted(Path(dependency).rglob(FAILED)):
                found |= json.loads(path.read_text(encoding="utf-8"))
        return found

    def fail(self, reasons: Mapping[str, str]) -> None:
        """Leave the reasons in the place of the outputs."""
        for out in self._entry("outs"):
            with whole(Path(out)) as folder:
                text = json.dumps(reasons, indent=1, ensure_ascii=False)
                (folder / FAILED).write_text(text + "\n", encoding="utf-8")
        self.clear_scratch()


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` if the block succeeds, and vanishes if not."""
    partial = path.with_name(path.name + ".partial")
    remove(partial)
    partial.mkdir(parents=True)
    try:
        yield partial
    except BaseException:
        remove(partial)
        raise
    remove(path)
    partial.rename(path)


def remove(path: Path) -> None:
    """Remove a file or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def run(
    main: Callable[[Stage], None],
    items: Sequence[str] = (),
    failure: type[Exception] | tuple[()] = (),
) -> None:
    """Run `main` as the stage named like its module; `items` are the matrix variables it takes.

    failure: errors that are a result of the stage's arm, see `carry_out`. Another one that the
    library foresees (ValueError, OSError) ends the stage with its message alone; any other is a
    defect and keeps its traceback.
    """
    name = Path(sys.argv[0]).stem
    parser = argparse.ArgumentParser(prog=f"python -m pipeline.{name}")
    for item in items:
        parser.add_argument(f"--{item}", required=True)
    arguments = vars(parser.parse_args())
    address = "@".join([name, "-".join(arguments.values())] if arguments else [name])
    try:
        stage = Stage(name, arguments, params.read(Path("params.yaml")))
        with alone(address):
            carry_out(main, stage, failure)
    except KeyboardInterrupt:
        sys.exit(f"{address}: interrupted")
    except Exception as error:
        if "arm" in arguments and not isinstance(error, params.ParamsError):
            error.add_note(
                f"The other arms' stages go on. For a report without {arguments['arm']}, remove it "
                "from arms in params.yaml and run again."
            )
        if os.environ.get("ADAPTTS_TRACEBACK") or not isinstance(error, ValueError | OSError):
            raise
        sys.exit("\n".join([f"{address}: {error}", *getattr(error, "__notes__", [])]))


def carry_out(
    main: Callable[[Stage], None], stage: Stage, failure: type[Exception] | tuple[()] = ()
) -> None:
    """Run `main`, unless the stage's arm has failed already.

    An error of the type `failure` does not end the run of the pipeline: it is noted in place of the
    outputs, passed on by the arm's later stages and told of by the report on the other arms.
    """
    reasons = stage.failures()
    if not reasons:
        try:
            main(stage)
        except failure as error:
            reasons = {stage.address: str(error)}
        else:
            return
    stage.fail(reasons)
    for address, reason in reasons.items():
        print(f"{stage.address}: the arm has failed, in {address}: {reason}", file=sys.stderr)


@contextlib.contextmanager
def alone(address: str) -> Iterator[None]:
    """Run the block while no other process runs this stage: a killed runner may leave one behind.

    Both would write the same partial outputs and checkpoints.
    """
    path = Path("scratch") / f"{address}.lock"
    path.parent.mkdir(exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{address} waits for another process that runs it", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"training": {"loss": {"mel": 1}}} becomes {"training.loss.mel": 1}."""
    flat = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
