"""DVC's lock file, in which a stage's entry is replaced without reading those of all others.

DVC parses the whole file for every stage that it records, comments and all, and writes it anew. For
148 stages that takes seconds each time, longer than what many a stage costs before it works.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dvc.dvcfile import Lockfile
from dvc.stage import PipelineStage
from dvc.stage.serialize import to_lockfile
from dvc.utils.serialize import dumps_yaml

SCHEMA = {"schema": "2.0"}
HEAD = "schema: '2.0'\nstages:\n"
# A stage's address, and what is known of its last run.
ENTRY = re.compile(r"  (?! )(.+):\n(?: {4}.+\n)+")


def record_quickly() -> None:
    """Let DVC record stages by `record`, in this process."""
    by_dvc = Lockfile.dump_stages

    def dump_stages(lockfile: Lockfile, stages: Sequence[PipelineStage], **options: Any) -> None:
        if not record(lockfile, stages, **options):
            by_dvc(lockfile, stages, **options)

    Lockfile.dump_stages = dump_stages


def record(lockfile: Lockfile, stages: Sequence[PipelineStage], **options: Any) -> bool:
    """Write the stages' entries as DVC would; False, and nothing, where the file is not as DVC's.

    It then holds comments, or other things than stages.
    """
    path = Path(lockfile.path)
    text = path.read_text(encoding="utf-8") if path.exists() else HEAD
    parts = [
        split(dumps_yaml({**SCHEMA, "stages": to_lockfile(stage, **options)})) for stage in stages
    ]
    entries: dict[str, str] = {}
    for part in [split(text), *parts]:
        if part is None:
            return False
        entries |= part
    # Whoever is interrupted leaves the old file or the new one.
    partial = path.with_name(path.name + ".partial")
    partial.write_text(HEAD + "".join(entries.values()), encoding="utf-8")
    partial.replace(path)
    lockfile.repo.scm_context.track_file(lockfile.relpath)
    return True


def split(text: str) -> dict[str, str] | None:
    """The text of each stage's entry, by its address; None where there is anything else."""
    found = {entry[1]: entry[0] for entry in ENTRY.finditer(text, len(HEAD))}
    return found if HEAD + "".join(found.values()) == text else None
