"""The report as one archive: `python -m pipeline.bundle [report.zip] [--without-audio]`.

With it goes episodes.csv, the split and the sets that it was made with, where these are at hand
(see `pipeline.episodes`); without listening_key.json, which tells listeners what is what: whoever
collects their answers keeps it. The same report gives the same bytes: names are sorted, and times
are left out. It is not a stage: DVC would keep the sound twice.
"""

import argparse
import zipfile
from collections.abc import Mapping
from pathlib import Path

from pipeline import episodes

REPORTS = Path("reports")
TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a ZIP file can say
KEY = "listening_key.json"
COMPRESSED = {".flac", ".png"}


def bundle(
    folder: Path, archive: Path, audio: bool = True, beside: Mapping[str, str] | None = None
) -> int:
    """Write what lies in `folder` to the ZIP file `archive`; returns the number of files.

    beside: texts of further files by their names.
    Raises FileNotFoundError where there is no page.
    """
    if not (folder / "index.html").is_file():
        raise FileNotFoundError(f"there is no {folder / 'index.html'}; run snakemake first")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [path for path in files if path.name[0] != "." and path not in (archive, folder / KEY)]
    if not audio:
        files = [path for path in files if path.relative_to(folder).parts[0] != "audio"]
    partial = archive.with_name(archive.name + ".partial")
    with zipfile.ZipFile(partial, "w") as written:
        for path in files:
            _add(written, path.relative_to(folder), path.read_bytes())
        for name, text in sorted((beside or {}).items()):
            _add(written, Path(name), text.encode())
    partial.rename(archive)
    return len(files) + len(beside or {})


def _add(archive: zipfile.ZipFile, path: Path, data: bytes) -> None:
    entry = zipfile.ZipInfo((Path("report") / path).as_posix(), TIME)
    entry.external_attr = 0o644 << 16
    packed = path.suffix in COMPRESSED
    entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    archive.writestr(entry, data)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.bundle")
    parser.add_argument("archive", nargs="?", type=Path, default=Path("report.zip"))
    parser.add_argument("--without-audio", action="store_true")
    arguments = parser.parse_args()
    try:
        made_with = episodes.CORPUS, episodes.FEATURES, episodes.EPISODES
        known = all(folder.is_dir() for folder in made_with)
        beside = {"episodes.csv": episodes.exported()} if known else {}
        count = bundle(REPORTS, arguments.archive, not arguments.without_audio, beside)
    except (OSError, ValueError) as error:
        raise SystemExit(f"bundle: {error}") from None
    print(f"{arguments.archive}: {count} files, {arguments.archive.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
