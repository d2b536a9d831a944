import os

import pytest

from adaptts.features import processes


@pytest.mark.parametrize("count", [1, 2])
def test_results_come_in_order(count):
    with processes.Workers(count) as workers:
        assert list(workers.in_order(abs, range(-5, 0))) == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("count", [1, 2])
def test_an_error_of_the_work_is_raised(count):
    with processes.Workers(count) as workers, pytest.raises(ValueError, match="invalid literal"):
        list(workers.in_order(int, ["1", "x", "2"]))


def test_no_more_processors_are_available_than_there_are():
    assert 1 <= processes.available() <= (os.cpu_count() or 1)
