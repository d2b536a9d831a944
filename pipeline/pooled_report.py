"""The report of a cross-validation over all held-out speakers, from the finished folds."""

import contextlib
import sys
from dataclasses import replace
from pathlib import Path

from adaptts import params
from adaptts.reporting.page import Provenance
from adaptts.reporting.pooling import pool
from adaptts.reporting.report import Report
from adaptts.reporting.results import load
from pipeline import tracking
from pipeline.folds import folders
from pipeline.provenance import gather
from pipeline.stage import Stage, whole

REPORT = Path("reports/folds")


def main() -> None:
    try:
        experiment = params.read(Path("params.yaml"))
        places = folders(experiment)
        found = [load(place, params.read(place / "params.yaml")) for place in places]
        report = Report.make(pool(experiment, found))
        with whole(REPORT) as folder:
            report.write(folder, _provenance(places))
    except (ValueError, OSError) as error:
        sys.exit(f"pooled_report: {error}")
    print(report.headline())
    print(f"The report over all folds: {(REPORT / 'index.html').resolve().as_uri()}")


def _provenance(places: list[Path]) -> Provenance:
    """What all folds were made from; outputs and runs are told apart by their fold."""
    each = {str(place): _gather(place) for place in places}
    return replace(
        gather(Path()),
        data=[(f"{place}/{path}", md5) for place, own in each.items() for path, md5 in own.data],
        outputs={
            f"{place}/{path}": md5
            for place, own in each.items()
            for path, md5 in own.outputs.items()
        },
        runs={
            f"{stage} of {place}": run
            for place, own in each.items()
            for stage, run in own.runs.items()
        },
        run_pages=next(iter(each.values())).run_pages,
    )


def _gather(place: Path) -> Provenance:
    with contextlib.chdir(place):
        stage = Stage("report", {}, params.read(Path("params.yaml")))
        return gather(Path(), *tracking.tracked(stage))


if __name__ == "__main__":
    main()
