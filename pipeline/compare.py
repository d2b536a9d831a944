"""Two experiments side by side: revisions of git, experiments of DVC, or the workspace."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from adaptts import params
from adaptts.params import PointParams
from adaptts.reporting import side_by_side
from pipeline.revision import WORKSPACE, open_tree, read_side


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _parser().parse_args(arguments)
    if (asked.shots is None) != (asked.steps is None):
        sys.exit("compare: --shots and --steps go together")
    try:
        point = None if asked.shots is None else PointParams(asked.shots, asked.steps)
        report = params.read(Path("params.yaml")).report
        a, b = (read_side(open_tree(name), point) for name in (asked.a, asked.b))
        found = side_by_side.compare(a, b, report, asked.common)
        if asked.output is not None:
            side_by_side.write(found, asked.output, report.confidence)
    except (ValueError, OSError) as error:
        sys.exit(f"compare: {error}")
    print(side_by_side.markdown(found, report.confidence))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.compare",
        description="Set two experiments side by side: every arm that both have, paired on the "
        "same utterances and seeds, as B minus A. Bootstrap, confidence and planned metrics are "
        "those of report in params.yaml.",
    )
    what = "a branch, tag, commit, experiment of DVC, or workspace"
    parser.add_argument("a", metavar="A", help=what)
    parser.add_argument(
        "b", metavar="B", nargs="?", default=WORKSPACE, help=f"{what} (the default)"
    )
    parser.add_argument("--common", action="store_true", help="compare the queries of both alone")
    parser.add_argument("--shots", type=int, help="compare there, in place of the headline")
    parser.add_argument("--steps", type=int, help="with --shots")
    parser.add_argument("--output", type=Path, help="also write CSV, Markdown and HTML there")
    return parser


if __name__ == "__main__":
    main()
