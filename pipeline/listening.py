"""Bring listeners' answers into the report: check their files, and keep what they say."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from adaptts import params
from adaptts.reporting import answers, opinion, tables

KEY = Path("reports/listening_key.json")
KEPT = Path("listening/answers.csv")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.listening",
        description=f"Check the files that listeners have saved and keep their answers in {KEPT}, "
        "in place of what is there: name all files each time.",
    )
    parser.add_argument("results", nargs="+", type=Path, help="files that the page has saved")
    parser.add_argument("--key", type=Path, default=KEY, help="of the test (default: %(default)s)")
    asked = parser.parse_args(arguments)
    try:
        experiment = params.read(Path("params.yaml"))
        table = answers.accept(asked.results, answers.read_key(asked.key))
        answers.write(table, KEPT)
    except ValueError as error:
        sys.exit(f"listening: {error}")
    found = opinion.summarise(table, experiment.arms, experiment.report)
    print(tables.markdown(found.grid(experiment.report.confidence)))
    for listener, reason in found.excluded.items():
        print(f"Left out: listener {listener} {reason}.")
    total = found.listeners + len(found.excluded)
    print(f"{KEPT} holds {len(table)} answers of {total} listeners; `dvc repro report` shows them.")


if __name__ == "__main__":
    main()
