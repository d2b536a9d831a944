from collections.abc import Callable
from pathlib import Path

import pytest
from fabricated import make_experiment, write_tree

from adaptts.params import Experiment


@pytest.fixture
def experiment() -> Experiment:
    return make_experiment()


@pytest.fixture
def tree(tmp_path: Path, experiment: Experiment) -> Path:
    """A whole tree of the fixture's experiment."""
    return write_tree(tmp_path / "tree", experiment)


@pytest.fixture
def make_tree(tmp_path: Path) -> Callable[[Experiment], Path]:
    """Writes a tree for another experiment."""
    return lambda experiment: write_tree(tmp_path / "other", experiment)
