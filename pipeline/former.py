"""What the last run of a stage has left, as DVC keeps it: outputs are removed before a run."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo

from pipeline.stage import Stage


def former_files(stage: Stage, out: str) -> dict[str, Path]:
    """Where DVC's cache has the files of a folder that the stage has written, by path within it.

    There are none after an edit of the code that the stage depends on, as dvc.yaml names it: what
    it made may not be what it would make now. Nor where no DVC runs the stage.
    """
    try:
        with Repo() as repo:
            (entry,) = (each for each in repo.index.stages if each.addressing == stage.address)
            if any(_is_code(dep.def_path) and dep.status() for dep in entry.deps):
                return {}
            (written,) = (each for each in entry.outs if each.def_path == out)
            tree = written.get_obj() if written.hash_info else None
            return {
                "/".join(key): Path(written.cache.oid_to_path(found.value))
                for key, _, found in tree or []
            }
    except DvcException:
        return {}


def former_reader(stage: Stage, out: str) -> Callable[[str], bytes | None]:
    """What reads a file of a folder as the stage has last written it, by path within the folder.

    It gives None for a file that is not there or damaged. A damaged one is removed from DVC's
    cache, which would keep it in place of a good one, and told of.
    """
    files = former_files(stage, out)

    def read(name: str) -> bytes | None:
        path = files.get(name)
        if path is None or not path.is_file():
            return None
        content = path.read_bytes()
        # The cache names a file by the MD5 of its bytes, the first two digits being a folder.
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if digest == path.parent.name + path.name:
            return content
        path.unlink(missing_ok=True)
        print(f"{stage.address}: {path} (former {name}) was damaged, so removed", file=sys.stderr)
        return None

    return read


def _is_code(path: str) -> bool:
    return path.startswith(("src/", "pipeline/"))
