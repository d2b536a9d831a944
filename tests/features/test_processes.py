import os
import subprocess
import sys
import time
from pathlib import Path

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


def open_base() -> list[int]:
    return [100, os.getpid()]


def add(base: list[int], item: int) -> tuple[int, int, int]:
    return base[0] + item, base[1], id(base)


@pytest.mark.parametrize("count", [1, 2])
def test_each_process_opens_its_tool_once(count):
    with processes.Workers(count, open_base) as workers:
        found = list(workers.in_order_with_tool(add, range(6)))
    assert [value for value, _, _ in found] == [100, 101, 102, 103, 104, 105]
    places = {(process, tool) for _, process, tool in found}
    assert len(places) == len({process for process, _ in places}) <= count


def refuse_to_open() -> None:
    raise ValueError("the tool is broken")


@pytest.mark.parametrize("count", [1, 2])
def test_an_error_of_opening_is_raised(count):
    with (
        processes.Workers(count, refuse_to_open) as workers,
        pytest.raises(ValueError, match="the tool is broken"),
    ):
        list(workers.in_order_with_tool(add, [1, 2]))


def test_a_share_of_the_processors_is_kept_to(monkeypatch):
    monkeypatch.setenv(processes.PROCESSES, "3")
    assert processes.available() == 3
    monkeypatch.setenv(processes.PROCESSES, "none")
    with pytest.raises(ValueError, match=r"1 or more processes, got 'none'; unset it"):
        processes.available()


def test_workers_end_with_a_killed_parent():
    code = (
        "import os, time\n"
        "from adaptts.features.processes import Workers\n"
        "if __name__ == '__main__':\n"
        "    with Workers(2) as workers:\n"
        "        print(*workers.in_order(abs, [1]), flush=True)\n"
        "        print(*workers._executor._processes, flush=True)\n"
        "        time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "1\n"
    children = [int(number) for number in parent.stdout.readline().split()]
    parent.kill()
    parent.communicate()
    assert children
    for child in children:
        wait_until_gone(child)


def wait_until_gone(process: int) -> None:
    for _ in range(300):
        try:
            os.kill(process, 0)
            state = Path(f"/proc/{process}/stat").read_text().split(") ")[1][0]
        except (ProcessLookupError, FileNotFoundError):
            return
        if state == "Z":
            return
        time.sleep(0.1)
    raise AssertionError(f"the worker {process} outlives its parent")
