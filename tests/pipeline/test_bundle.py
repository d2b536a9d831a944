import os
import zipfile
from pathlib import Path

import pytest

from pipeline.bundle import bundle


def make(folder: Path) -> Path:
    (folder / "audio/maml").mkdir(parents=True)
    (folder / "tables").mkdir()
    (folder / "index.html").write_text("<p>page")
    (folder / "listening_key.json").write_text("{}")  # never packed
    (folder / "tables/headline.csv").write_text("arm\n")
    (folder / 'audio/maml/גל "b".flac').write_bytes(b"fLaC")
    return folder


def test_the_same_report_gives_the_same_bytes(tmp_path: Path) -> None:
    reports = make(tmp_path / "reports")
    bundle(reports, tmp_path / "a.zip")
    for path in reports.rglob("*"):
        os.utime(path, (0, 0))
        if path.is_file():
            path.chmod(0o600)
    bundle(reports, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.zip", "reports"]


def test_all_files_are_in_it_under_their_own_names(tmp_path: Path) -> None:
    assert bundle(make(tmp_path / "reports"), tmp_path / "a.zip") == 3
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == [
            'report/audio/maml/גל "b".flac', "report/index.html", "report/tables/headline.csv",
        ]  # fmt: skip
        assert archive.read("report/index.html") == b"<p>page"


def test_sound_can_be_left_out(tmp_path: Path) -> None:
    assert bundle(make(tmp_path / "reports"), tmp_path / "a.zip", audio=False) == 2


def test_what_goes_beside_the_report_stands_at_its_top(tmp_path: Path) -> None:
    reports = make(tmp_path / "reports")
    assert bundle(reports, tmp_path / "a.zip", beside={"episodes.csv": "corpus\n"}) == 4
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("report/episodes.csv") == b"corpus\n"


def test_without_a_report_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run snakemake first"):
        bundle(tmp_path, tmp_path / "a.zip")
