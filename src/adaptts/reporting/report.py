"""The report as a folder: the page, tables, figures, sound, and figures for other programs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adaptts.reporting import costs, figures, gallery, latex, listening, methods, sanity, tables
from adaptts.reporting.comparison import Comparison, compare
from adaptts.reporting.gallery import Gallery
from adaptts.reporting.metrics import METRICS
from adaptts.reporting.page import Provenance, render
from adaptts.reporting.results import Results
from adaptts.reporting.sanity import Check


@dataclass(frozen=True)
class Report:
    """What the results say, ready to be written."""

    results: Results
    comparison: Comparison
    checks: list[Check]

    @classmethod
    def make(cls, results: Results) -> "Report":
        """Compare the arms and examine the comparison."""
        comparison = compare(results)
        return cls(results, comparison, sanity.examine(results, comparison))

    def write(self, folder: Path, provenance: Provenance) -> None:
        """Write everything into `folder`, which is there and empty."""
        charts = gallery.draw(self.results, self.comparison)
        page = render(self.results, self.comparison, self.checks, charts, provenance)
        (folder / "index.html").write_text(page, encoding="utf-8")
        _write_json(folder / "metrics.json", self.metrics())
        _write_json(folder / "costs.json", costs.as_json(costs.summarise(self.results)))
        self._write_tables(folder / "tables")
        self._write_methods(folder / "methods")
        self._write_curves(folder / "curves")
        _write_figures(folder / "figures", charts)
        (folder / "audio").mkdir()
        listening.copy(self.results, folder)

    def metrics(self) -> dict[str, dict[str, float | None]]:
        """arm or reference → metric → value at the headline, None where it is missing."""
        both = pd.concat([self.comparison.references, self.comparison.at_headline()])
        return {
            str(arm): {
                row["metric"]: None if np.isnan(row["value"]) else row["value"]
                for row in table.to_dict("records")
            }
            for arm, table in both.groupby("arm", sort=False)
        }

    def flat_metrics(self) -> dict[str, float]:
        """The same as one level, arm/metric, without what is missing."""
        return {
            f"{arm}/{metric}": value
            for arm, values in self.metrics().items()
            for metric, value in values.items()
            if value is not None
        }

    def headline(self) -> str:
        """The headline table for the terminal, 100 columns at most."""
        table = tables.text(tables.headline(self.results, self.comparison))
        failed = [f"{arm} failed. {reason}" for arm, reason in self.results.failed.items()]
        return "\n".join([table, "", "* best   ~ not told apart from the best", *failed, ""])

    def _write_tables(self, folder: Path) -> None:
        folder.mkdir()
        comparison, costs_table = self.comparison, costs.summarise(self.results)
        both = pd.concat([comparison.references, comparison.at_headline()])
        frames = {
            "headline": both.assign(standing=[self._standing(*key) for key in _keys(both)]),
            "differences": comparison.differences,
            "differences_by_step": comparison.by_step,
            "steps": comparison.along("steps"),
            "shots": comparison.along("shots"),
            "speakers": comparison.speakers.rename(columns={"speaker": self.results.unit}),
            "cost": costs_table,
            "tuning": self.results.trials,
            "sanity": sanity.tabulate(self.checks),
        }
        for name, frame in frames.items():
            frame.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
        grids = {
            "headline": tables.headline(self.results, comparison),
            "differences": tables.differences(comparison),
            "differences_by_step": tables.differences_by_step(comparison),
            "cost": tables.cost(costs_table),
            "tuning": tables.tuning(self.results),
            "sanity": tables.sanity(self.checks),
        }
        for name, grid in grids.items():
            (folder / f"{name}.md").write_text(tables.markdown(grid), encoding="utf-8")
            if grid.name:
                (folder / f"{name}.tex").write_text(latex.table(grid), encoding="utf-8")
        (folder / "headline.txt").write_text(self.headline(), encoding="utf-8")

    def _write_methods(self, folder: Path) -> None:
        folder.mkdir()
        text = methods.write(self.results, self.comparison)
        texts = {
            "methods.txt": methods.plain(text),
            "methods.md": text,
            "methods.tex": methods.latex(text),
            "references.bib": methods.bibliography(),
        }
        for name, content in texts.items():
            (folder / name).write_text(content, encoding="utf-8")

    def _standing(self, arm: str, metric: str) -> str:
        if self.comparison.best.get(metric) == arm:
            return "best"
        return "tied" if arm in self.comparison.tied.get(metric, ()) else ""

    def _write_curves(self, folder: Path) -> None:
        """A file per metric and a column per arm along the steps, as `dvc plots` wants it."""
        folder.mkdir()
        table = self.comparison.along("steps")
        for metric in METRICS:
            rows = table[table["metric"] == metric.name]
            wide = rows.pivot_table("value", "steps", "arm")
            # Arms without results keep a column, for dvc.yaml names them all.
            wide = wide.reindex(columns=self.results.experiment.arms)
            wide.to_csv(folder / f"{metric.name}.csv", lineterminator="\n")


def _write_figures(folder: Path, charts: Gallery) -> None:
    folder.mkdir()
    for place, variants in charts.items():
        for name, chart in variants.items():
            drawing = figures.svg(chart)
            (folder / f"{place}-{name}.svg").write_text(drawing, encoding="utf-8")
            (folder / f"{place}-{name}.png").write_bytes(figures.png(drawing))


def _keys(table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(table[["arm", "metric"]].itertuples(index=False, name=None))


def _write_json(path: Path, values: Any) -> None:
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
