"""The report as a folder: the page, tables, figures, sound, and figures for other programs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adaptts.reporting import (
    advice,
    conventions,
    costs,
    error_rates,
    figures,
    gallery,
    latex,
    listening,
    methods,
    missing,
    opinion,
    recognisers,
    sanity,
    tables,
)
from adaptts.reporting.comparison import Comparison, compare
from adaptts.reporting.decision import Decision, decide
from adaptts.reporting.gallery import Gallery
from adaptts.reporting.listening_test import ListeningTest
from adaptts.reporting.metrics import METRICS
from adaptts.reporting.opinion import Opinions
from adaptts.reporting.page import Provenance, render
from adaptts.reporting.results import Results
from adaptts.reporting.sanity import Check
from adaptts.reporting.standings import PAIRS, RANKS, joined


@dataclass(frozen=True)
class Report:
    """What the results say, ready to be written."""

    results: Results
    comparison: Comparison
    checks: list[Check]
    decision: Decision

    @classmethod
    def make(cls, results: Results) -> "Report":
        """Compare the arms and examine the comparison."""
        comparison = compare(results)
        checks = sanity.examine(results, comparison)
        return cls(results, comparison, checks, decide(results, comparison))

    def write(self, folder: Path, provenance: Provenance) -> None:
        """Write everything into `folder`, which is there and empty."""
        charts = gallery.draw(self.results, self.comparison, self.decision)
        test = ListeningTest.make(self.results, self.comparison.baseline)
        opinions = opinion.of_test(self.results, test.key)
        page = render(
            self.results, self.comparison, self.checks, self.decision, charts, provenance, opinions
        )
        (folder / "index.html").write_text(page, encoding="utf-8")
        _write_json(folder / "metrics.json", self.metrics())
        _write_json(folder / "costs.json", costs.as_json(costs.summarise(self.results)))
        self._write_tables(folder / "tables", opinions)
        self._write_methods(folder / "methods", provenance)
        self._write_curves(folder / "curves")
        _write_figures(folder / "figures", charts)
        (folder / "audio").mkdir()
        listening.copy(self.results, folder)
        test.write(folder / "listening", folder / "listening_key.json")

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

    def _write_tables(self, folder: Path, opinions: Opinions | None) -> None:
        folder.mkdir()
        comparison, costs_table = self.comparison, costs.summarise(self.results)
        by_convention = conventions.tabulate(self.results)
        rates = recognisers.summarise(self.results, comparison)
        both = pd.concat([comparison.references, comparison.at_headline()])
        both = both.assign(standing=[comparison.mark(*key) for key in _keys(both)])
        voice = [metric.name for metric in comparison.metrics(main=False)]
        frames = {
            "headline": both,
            "voice": both[both["metric"].isin(voice)],
            "differences": comparison.differences,
            "differences_by_step": comparison.by_step,
            "ranks": joined(RANKS, [standing.ranks for standing in comparison.standings]),
            "pairs": joined(PAIRS, [standing.pairs for standing in comparison.standings]),
            "conventions": by_convention,
            "steps": comparison.along("steps"),
            "shots": comparison.along("shots"),
            "speakers": comparison.speakers.rename(columns={"speaker": self.results.unit}),
            "options": self.decision.options,
            "steps_to_reach": self.decision.reached,
            "front": self.decision.front,
            "cost": costs_table,
            "tuning": self.results.trials,
            "recognisers": rates,
            "sanity": sanity.tabulate(self.checks),
            "missing": missing.tabulate(self.results),
            "detection": error_rates.detection(self.comparison.trials),
            **({"listening": opinions.table} if opinions else {}),
        }
        for name, frame in frames.items():
            frame.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
        grids = {
            "headline": tables.headline(self.results, comparison),
            "voice": tables.voice(self.results, comparison),
            "differences": tables.differences(comparison),
            "differences_by_step": tables.differences_by_step(comparison),
            "ranks": tables.ranks(comparison),
            "standings": tables.standings(comparison),
            "power": tables.power(comparison),
            "recommended": advice.recommended(self.decision),
            "steps_to_reach": advice.reached(self.decision, comparison),
            "front": advice.front(self.decision),
            "conventions": conventions.grid(self.results, by_convention),
            "cost": tables.cost(costs_table),
            "tuning": tables.tuning(self.results),
            "recognisers": recognisers.grid(rates, comparison),
            "sanity": tables.sanity(self.checks),
            **({"listening": opinions.grid(self._confidence)} if opinions else {}),
        }
        for name, grid in grids.items():
            (folder / f"{name}.md").write_text(tables.markdown(grid), encoding="utf-8")
            if grid.name:
                (folder / f"{name}.tex").write_text(latex.table(grid), encoding="utf-8")
        (folder / "headline.txt").write_text(self.headline(), encoding="utf-8")

    @property
    def _confidence(self) -> float:
        return self.results.experiment.report.confidence

    def _write_methods(self, folder: Path, provenance: Provenance) -> None:
        folder.mkdir()
        text = methods.write(self.results, self.comparison, dict(provenance.software))
        texts = {
            "methods.txt": methods.plain(text),
            "methods.md": text,
            "methods.tex": methods.latex(text),
            "references.bib": methods.bibliography(),
        }
        for name, content in texts.items():
            (folder / name).write_text(content, encoding="utf-8")

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
