"""The answer: a page, tables, figures and sound, from the results of all stages."""

from pathlib import Path

from adaptts.reporting.report import Report
from adaptts.reporting.results import load
from pipeline import tracking
from pipeline.provenance import gather
from pipeline.stage import Stage, remove, run, whole

REPORTS = Path("reports")


def main(stage: Stage) -> None:
    tracking.connect()  # a server that is down is told of before the work
    report = Report.make(load(Path(), stage.params))
    finished = REPORTS / "finished"
    with whole(finished) as folder:
        report.write(folder, gather(Path(), *tracking.tracked(stage)))
    # reports/ also holds files that are not of this stage, so it is not replaced as a whole.
    for path in finished.iterdir():
        remove(REPORTS / path.name)
        path.rename(REPORTS / path.name)
    finished.rmdir()
    tracking.conclude(stage, report.flat_metrics(), REPORTS)
    print(report.headline())
    print(f"The report: {(REPORTS / 'index.html').resolve().as_uri()}")


if __name__ == "__main__":
    run(main)
