"""The report as one archive: `python -m pipeline.bundle [report.zip] [--without-audio]`.

Without listening_key.json, which tells listeners what is what: whoever collects their answers keeps
it. The same report gives the same bytes: names are sorted, and times are left out. It is not a
stage: DVC would keep the sound twice.
"""

import argparse
import zipfile
from pathlib import Path

REPORTS = Path("reports")
TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a ZIP file can say
KEY = "listening_key.json"
COMPRESSED = {".flac", ".png"}


def bundle(folder: Path, archive: Path, audio: bool = True) -> int:
    """Write what lies in `folder` to the ZIP file `archive`; returns the number of files.

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
            entry = zipfile.ZipInfo((Path("report") / path.relative_to(folder)).as_posix(), TIME)
            entry.external_attr = 0o644 << 16
            packed = path.suffix in COMPRESSED
            entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
            written.writestr(entry, path.read_bytes())
    partial.rename(archive)
    return len(files)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.bundle")
    parser.add_argument("archive", nargs="?", type=Path, default=Path("report.zip"))
    parser.add_argument("--without-audio", action="store_true")
    arguments = parser.parse_args()
    try:
        count = bundle(REPORTS, arguments.archive, not arguments.without_audio)
    except OSError as error:
        raise SystemExit(f"bundle: {error}") from None
    print(f"{arguments.archive}: {count} files, {arguments.archive.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
