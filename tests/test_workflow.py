"""One DAG, two runners: DVC and Snakemake agree on what is stale, whatever happened before."""

import contextlib
import functools
import itertools
import json
import operator
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx
import pytest
import yaml
from dvc.repo import Repo

ROOT = Path(__file__).resolve().parents[1]
CHECKED_OUT = [
    ".dvc/config", ".dvc/plots", ".dvcignore", ".gitignore", "Snakefile", "dvc.yaml", "listening",
    "pipeline", "profiles", "splits", "src",
]  # fmt: skip


FIRST_OUTPUT, READ = "first_output.txt", "parameters_read"

# Put at the end of the copy of params.py: notes which parameters each stage reads.
RECORDER = f'''

import dataclasses, os

SECTIONS = {{}}
read_unnoted = read


def read(path):
    experiment = read_unnoted(path)
    if "DVC_STAGE" in os.environ:
        watch(experiment, "")
    return experiment


def watch(section, name):
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            watch(value, name + field.name + ".")
    SECTIONS[id(section)] = (section, name)


def note(section, field):
    value = object.__getattribute__(section, field)
    watched, name = SECTIONS.get(id(section), (None, ""))
    is_field = field in type(section).__dataclass_fields__
    if watched is section and is_field and not dataclasses.is_dataclass(value):
        with open("{READ}/" + os.environ["DVC_STAGE"], "a") as file:
            file.write(name + field + "\\n")
    return value


for kind in list(globals().values()):
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        kind.__getattribute__ = note
'''

# DVC's own use of pygtrie.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")


@dataclass(frozen=True)
class Checkout:
    """A copy of the repository, with an experiment that takes less than a minute."""

    folder: Path

    def run(self, *command: str, ok: bool = True) -> str:
        """The output of a command, which must succeed, or fail if `ok` is false."""
        done = subprocess.run(
            command, cwd=self.folder, env=environment(), capture_output=True, text=True
        )
        text = done.stdout + done.stderr
        assert (done.returncode == 0) == ok, f"{command} ended with {done.returncode}:\n{text}"
        return text

    def stale_to_dvc(self) -> set[str]:
        """What DVC finds changed, and all that depends on it."""
        changed = json.loads(self.run("dvc", "status", "--json").splitlines()[0])
        with Repo(str(self.folder)) as repo:
            graph = repo.index.graph
            stages = [stage for stage in graph if stage.name in changed]
            later = set(stages).union(*(networkx.ancestors(graph, stage) for stage in stages))
            return {stage.name for stage in later}

    def stale_to_snakemake(self) -> set[str]:
        return set(re.findall(r"would run (\S+):", self.run("snakemake", "-n")))

    def stale(self) -> set[str]:
        """What is stale to both; they must agree."""
        to_dvc = self.stale_to_dvc()
        assert self.stale_to_snakemake() == to_dvc
        return to_dvc

    @contextlib.contextmanager
    def with_param(self, key: str, value: Any) -> Iterator[None]:
        """Have another value of a parameter, by its dotted name, for a while."""
        path = self.folder / "params.yaml"
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        *sections, name = key.split(".")
        functools.reduce(operator.getitem, sections, values)[name] = value
        with changed(path, yaml.safe_dump(values, sort_keys=False)):
            yield


@contextlib.contextmanager
def changed(path: Path, text: str) -> Iterator[None]:
    """Have another text in a file for a while."""
    former = path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(former, encoding="utf-8")


def environment() -> dict[str, str]:
    """This process' environment, with its own Python first and no settings of the user's."""
    settings = ("SNAKEMAKE_PROFILE", "MLFLOW_TRACKING_URI", "PYTHONPATH")
    variables = {name: value for name, value in os.environ.items() if name not in settings}
    path = os.pathsep.join([str(Path(sys.executable).parent), variables["PATH"]])
    return {**variables, "PATH": path, "OMP_NUM_THREADS": "1"}


def make_experiment() -> dict[str, Any]:
    """The smoke preset, smaller still."""
    values = yaml.safe_load((ROOT / "presets/smoke.yaml").read_text(encoding="utf-8"))
    values["arms"] = ["average", "multitask"]
    values["corpus"] |= {"utterances_per_speaker": 6, "speakers": ["m8", "f3", "ed", "m1", "f1"]}
    values["split"] |= {"test": ["m8", "f3"], "validation": ["ed"]}
    values["episodes"] |= {"shots": [1, 2], "queries": 1}
    values["model"] |= {
        "channels": 8,
        "encoder_blocks": 1,
        "decoder_blocks": 1,
        "speaker_channels": 8,
        "predictor_channels": 8,
        "vocoder_iterations": 2,
    }
    for phase in ("trunk", "arm"):
        values["training"][phase]["utterance_gradients"] = 40
    values["adaptation"] |= {"steps": [0, 1], "trials": 2}
    values["evaluation"] |= {
        "headline": {"shots": 2, "steps": 1},
        "points": [{"shots": 2, "steps": 1}],
        "recognisers": ["sphinx", "ctc"],
        "ctc": {"channels": 8, "utterance_gradients": 32},
    }
    values["report"]["bootstrap_samples"] = 20
    return values


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which plain `snakemake` has run everything."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in CHECKED_OUT:
        (folder / name).parent.mkdir(exist_ok=True)
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)
    (folder / "reports").mkdir()
    (folder / READ).mkdir()
    with (folder / "src/adaptts/params.py").open("a", encoding="utf-8") as file:
        file.write(RECORDER)
    params = yaml.safe_dump(make_experiment(), sort_keys=False)
    (folder / "params.yaml").write_text(params, encoding="utf-8")
    checkout = Checkout(folder)
    checkout.run("git", "init", "--quiet")
    checkout.run("git", "add", "--all")
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    checkout.run("git", *identity, "commit", "--quiet", "--message=all")
    output = checkout.run("snakemake", "--cores=2")
    (folder / FIRST_OUTPUT).write_text(output, encoding="utf-8")
    return checkout


def test_after_snakemake_nothing_is_left_to_do(checkout: Checkout) -> None:
    assert checkout.stale() == set()
    assert "Running stage" not in checkout.run("dvc", "repro")


def test_dvc_shows_all_arms_in_one_chart_and_compares_the_headline(checkout: Checkout) -> None:
    checkout.run("dvc", "plots", "show")
    page = (checkout.folder / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert page.count("vega-lite/v5") == 4
    assert all(f'"field": "{arm}"' in page for arm in ("average", "multitask"))
    compared = json.loads(checkout.run("dvc", "metrics", "diff", "--json").splitlines()[0])
    assert compared["reports/metrics.json"]["multitask.mel_distortion"]["new"] > 0


def test_snakemake_reports_the_same_figures_and_tables(checkout: Checkout) -> None:
    checkout.run("snakemake", "--report", "report.html")
    page = (checkout.folder / "report.html").read_text(encoding="utf-8")
    for name in ("index.html", "headline.csv", "steps-mel_distortion.svg"):
        assert name in page


def test_after_dvc_nothing_is_left_to_do(checkout: Checkout) -> None:
    # Everything vanishes but DVC's cache of earlier runs, which spares the computation.
    for name in ("data", "models", "tuning", "voices", "results", ".snakemake"):
        shutil.rmtree(checkout.folder / name)
    (checkout.folder / "dvc.lock").unlink()
    everything = checkout.stale()
    assert {"corpus", "trunk@0", "train@average-0", "adapt@multitask-m8"} < everything
    checkout.run("dvc", "repro")
    assert checkout.stale() == set()


def test_a_removed_snakemake_folder_makes_nothing_stale(checkout: Checkout) -> None:
    shutil.rmtree(checkout.folder / ".snakemake")
    assert checkout.stale() == set()


def test_a_parameter_makes_stale_what_depends_on_it_until_it_is_set_back(
    checkout: Checkout,
) -> None:
    with checkout.with_param("strategies.multitask.auxiliary.phone", 0.03):
        assert checkout.stale() == {
            "train@multitask-0", "tune@multitask", "adapt@multitask-m8", "adapt@multitask-f3",
            "evaluate@multitask", "report",
        }  # fmt: skip
    assert checkout.stale() == set()


def test_a_run_with_another_parameter_and_back_leaves_nothing_to_do(checkout: Checkout) -> None:
    with checkout.with_param("report.seed", 2):
        assert "report: report.seed 1 → 2" in checkout.run("snakemake")
        assert checkout.stale() == set()
    assert checkout.stale() == {"report"}
    checkout.run("dvc", "repro")
    assert checkout.stale() == set()


def test_an_edit_in_the_library_makes_stale_what_imports_it(checkout: Checkout) -> None:
    path = checkout.folder / "src/adaptts/reporting/page.py"
    with changed(path, path.read_text(encoding="utf-8") + "\n"):
        assert checkout.stale() == {"report"}
    assert checkout.stale() == set()


def test_an_edited_split_makes_stale_what_is_drawn_from_it(checkout: Checkout) -> None:
    path = checkout.folder / "splits/paper.csv"
    checkout.run("python", "-m", "pipeline.episodes", "--export", str(path))
    with checkout.with_param("episodes.manifest", "splits/paper.csv"):
        former = (checkout.folder / "data/episodes/episodes.parquet").read_bytes()
        checkout.run("dvc", "repro", "episodes")
        assert (checkout.folder / "data/episodes/episodes.parquet").read_bytes() == former
        # The same episodes: only the report, which shows all parameters, is to be made again.
        assert checkout.stale() == {"report"}
        with changed(path, path.read_text(encoding="utf-8") + "\n"):
            assert "episodes" in checkout.stale()
        assert checkout.stale() == {"report"}
    path.unlink()
    checkout.run("dvc", "repro")
    assert checkout.stale() == set()


def test_a_deleted_output_comes_back(checkout: Checkout) -> None:
    measures = checkout.folder / "results/references/measures.parquet"
    former = measures.read_bytes()
    shutil.rmtree(measures.parent)
    assert checkout.stale() == {"references", "report"}
    checkout.run("snakemake")
    assert measures.read_bytes() == former
    assert checkout.stale() == set()


def test_a_killed_run_goes_on(checkout: Checkout) -> None:
    with checkout.with_param("report.seed", 3):
        kill_at("start report", checkout)
        assert checkout.stale() == {"report"}
        checkout.run("snakemake")
        assert checkout.stale() == set()
    checkout.run("dvc", "repro")


def kill_at(line: str, checkout: Checkout) -> None:
    """Kill Snakemake and all that it has started, soon after it has written `line`."""
    log = checkout.folder / ".snakemake/killed.log"
    with log.open("w") as stream:
        run = subprocess.Popen(
            "snakemake",
            cwd=checkout.folder,
            env=environment(),
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    while line not in log.read_text():
        assert run.poll() is None, log.read_text()
        time.sleep(0.1)
    time.sleep(2)  # only to import its libraries takes a stage longer than that
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    with contextlib.suppress(ProcessLookupError):
        while True:  # until the last of them is gone
            os.killpg(run.pid, 0)
            time.sleep(0.1)


def test_a_failing_stage_says_why_and_is_all_that_is_left_to_do(checkout: Checkout) -> None:
    with checkout.with_param("split.validation", ["nobody"]):
        output = checkout.run("snakemake", ok=False)
        assert re.search(r"episodes: .*nobody", output)
        assert "episodes" in checkout.stale()
    checkout.run("dvc", "repro")
    assert checkout.stale() == set()


def test_an_arm_that_diverges_is_told_of_in_the_report_on_the_others(checkout: Checkout) -> None:
    with checkout.with_param("strategies.multitask.auxiliary.phone", 1e30):
        output = checkout.run("snakemake")
        assert re.search(r"multitask failed. train@multitask-0: training diverged at step", output)
        assert checkout.stale() == set()
        page = (checkout.folder / "reports/index.html").read_text(encoding="utf-8")
        assert "The arm multitask failed and has no results." in page
        metrics = json.loads((checkout.folder / "reports/metrics.json").read_text(encoding="utf-8"))
        assert "average" in metrics
        assert "multitask" not in metrics
    checkout.run("dvc", "repro")
    assert checkout.stale() == set()


def test_params_that_break_a_rule_stop_both_runners(checkout: Checkout) -> None:
    with checkout.with_param("report.bootstrap_samples", -1):
        for command in (["snakemake"], ["dvc", "repro"]):
            assert "report.bootstrap_samples: got -1" in checkout.run(*command, ok=False)
    checkout.run("dvc", "repro")
    assert checkout.stale() == set()


def test_independent_stages_run_side_by_side(checkout: Checkout) -> None:
    output = (checkout.folder / FIRST_OUTPUT).read_text(encoding="utf-8")
    events = re.findall(r"(?m)^[\d:]+ (start|done) ", output)
    changes = [1 if event == "start" else -1 for event in events]
    assert max(itertools.accumulate(changes)) == 2


def test_every_stage_names_the_parameters_that_it_reads(checkout: Checkout) -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for path in sorted((checkout.folder / READ).iterdir()):
        stage = path.name.partition("@")[0]
        named = {name.partition(".$")[0] for name in stages[stage]["params"]}
        # Trainings read the experiment's name to call their run by it; it changes no output.
        read = set(path.read_text(encoding="utf-8").split()) - {"name"}
        unnamed = {name for name in read if not any(covers(other, name) for other in named)}
        assert not unnamed, f"{stage} reads {unnamed}; dvc.yaml does not say so"


def covers(named: str, read: str) -> bool:
    """strategies covers strategies.maml, and an entry of strategies is read by way of the whole."""
    return f"{read}.".startswith(f"{named}.") or (read == "strategies" == named.partition(".")[0])
