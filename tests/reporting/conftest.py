from collections.abc import Callable
from pathlib import Path

import pytest
from fabricated import PROVENANCE, make_experiment, write_tree

from adaptts.params import Experiment
from adaptts.reporting.report import Report
from adaptts.reporting.results import Results, load


@pytest.fixture(scope="session")
def experiment() -> Experiment:
    return make_experiment()


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory, experiment: Experiment) -> Path:
    """A whole tree; tests only read it."""
    return write_tree(tmp_path_factory.mktemp("tree"), experiment)


@pytest.fixture(scope="session")
def results(tree: Path, experiment: Experiment) -> Results:
    return load(tree, experiment)


@pytest.fixture(scope="session")
def report(results: Results) -> Report:
    return Report.make(results)


@pytest.fixture(scope="session")
def written(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the whole report."""
    folder = tmp_path_factory.mktemp("reports")
    report.write(folder, PROVENANCE)
    return folder


@pytest.fixture
def make_tree(tmp_path: Path) -> Callable[[Experiment], Path]:
    """Writes a tree that a test may break."""

    def make(experiment: Experiment) -> Path:
        return write_tree(tmp_path / "broken", experiment)

    return make
