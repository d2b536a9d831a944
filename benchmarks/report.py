"""How fast the report's page opens: ten arms, six speakers, 200 clips of sound and more.

    PYTHONPATH=src python benchmarks/report.py [--rounds 5]

A fabricated report is written to a temporary folder and opened from there by headless Chromium,
with an empty profile in each round. Two moments are told, in milliseconds after the navigation
began: when the page was first painted, and when its last chart was drawn.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/reporting"))

import fabricated  # noqa: E402  # pyright: ignore[reportMissingImports]
from browser import browsing  # noqa: E402  # pyright: ignore[reportMissingImports]

from adaptts.reporting.report import Report  # noqa: E402
from adaptts.reporting.results import load  # noqa: E402

# Notes when the page says that all of it is there.
WATCH = """new MutationObserver(() => {
  if (document.documentElement?.dataset.ready) window.opened ??= performance.now();
}).observe(document, {subtree: true, attributes: true, attributeFilter: ["data-ready"]})"""
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def write(folder: Path) -> Path:
    """Write the report below `folder`; returns its page."""
    more = {f"arm_{number}": (4 + number / 10, 1.5 + number / 20) for number in range(6)}
    fabricated.EFFECTS.update(more)
    fabricated.SPEAKERS[:] = [f"voice{number}" for number in range(6)]
    experiment = fabricated.make_experiment()
    tree, reports = folder / "tree", folder / "reports"
    fabricated.write_tree(tree, experiment)
    reports.mkdir()
    Report.make(load(tree, experiment)).write(reports, fabricated.PROVENANCE)
    return reports / "index.html"


def open_once(page: Path) -> tuple[float, float]:
    """Milliseconds until the first paint and until the last chart."""
    with browsing() as browser:
        browser.resize(1280, 900)
        browser.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        browser.open(page, f"window.opened && {PAINTED}")
        return browser.evaluate(PAINTED), browser.evaluate("window.opened")


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast the report's page opens")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        page = write(Path(folder))
        clips = len(list(page.parent.rglob("*.flac")))
        print(f"{page.stat().st_size / 1e6:.2f} MB, {clips} clips")
        times = [open_once(page) for _ in range(rounds)]
    for name, values in zip(("first paint", "last chart"), zip(*times, strict=True), strict=True):
        middle = statistics.median(values)
        print(f"{name:12} median {middle:5.0f} ms, {min(values):.0f} to {max(values):.0f}")


if __name__ == "__main__":
    main()
