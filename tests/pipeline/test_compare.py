"""Comparing revisions of a real repository of git and DVC."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from reporting.fabricated import make_experiment, write_tree
from small_experiment import ROOT

from pipeline import compare

# DVC's own use of pygtrie.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")

ARMS = ["average", "pretrain_finetune", "maml"]
SPEAKERS = ["ann", "bob", "cid"]
STAGES = {
    "stages": {
        "evaluate": {
            "matrix": {"arm": "${arms}"},
            "cmd": "true",
            "deps": ["src/adaptts/evaluation"],
            "params": ["strategies.${item.arm}"],
            "outs": ["results/${item.arm}"],
        },
        "references": {"cmd": "true", "outs": ["results/references"]},
        "corpus": {"cmd": "true", "outs": ["data/corpus"]},
    }
}


def run(*command: str) -> None:
    """Run git or dvc of this environment in the current folder."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
    name, *rest = command
    line = [name, *(identity if name == "git" else []), *rest]
    done = subprocess.run(line, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def save(message: str) -> None:
    """Record the results in DVC's cache and commit."""
    run("dvc", "commit", "--force", "--quiet")
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "--message", message)


def edit(arm: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Have other measures of an arm."""
    path = Path("results") / arm / "measures.parquet"
    table = pd.read_parquet(path)
    path.unlink()  # it may be a link into the cache
    change(table).to_parquet(path)


def lower(metric: str, by: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Lowers a metric of adapted voices."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        chosen = (table["metric"] == metric) & (table["steps"] > 0)
        return table.assign(value=table["value"] - by * chosen)

    return change


def edit_params(change: Callable[[dict], object]) -> None:
    path = Path("params.yaml")
    values = yaml.safe_load(path.read_text("utf-8"))
    change(values)
    path.write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository: tag `first`, and a second commit in which maml is 0.3 dB better."""
    folder = tmp_path_factory.mktemp("repository")
    split = {"test": SPEAKERS, "validation": ["val"]}
    write_tree(folder, make_experiment(split=split, arms=ARMS))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        shutil.copytree("data/corpus", "corpus")
        for path in ("models", "tuning", "data"):
            shutil.rmtree(path)
        Path("data").mkdir()
        Path("corpus").rename("data/corpus")
        Path("src/adaptts/evaluation").mkdir(parents=True)
        Path("src/adaptts/evaluation/measure.py").write_text("1\n")
        shutil.copy(ROOT / "presets/default.yaml", "params.yaml")
        headline = {"shots": 5, "steps": 10}
        edit_params(lambda values: values.update(
            arms=ARMS, split=split, seeds=[0, 1],
            episodes={**values["episodes"], "shots": [1, 5], "queries": 4},
            adaptation={**values["adaptation"], "steps": [0, 2, 10]},
            evaluation={**values["evaluation"], "headline": headline, "points": [headline]},
            report={**values["report"], "bootstrap_samples": 100},
        ))  # fmt: skip
        Path("dvc.yaml").write_text(yaml.safe_dump(STAGES))
        run("git", "init", "--quiet")
        run("dvc", "init", "--quiet")
        save("first")
        run("git", "tag", "first")
        edit("maml", lower("mel_distortion", 0.3))
        edit_params(lambda values: values["strategies"]["maml"].update(outer_rate=0.123))
        save("second")
    return folder


@pytest.fixture
def repository(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in which the test runs and which it may change."""
    folder = tmp_path / "copy"
    shutil.copytree(made, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


def figures(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "changes.csv").set_index(["arm", "metric"])


def test_a_revision_beside_the_workspace(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path for path in repository.rglob("*") if ".dvc" not in path.parts)
    compare.main(["first", "--output", str(tmp_path / "out")])
    printed = capsys.readouterr().out
    found = figures(tmp_path / "out")
    row = found.loc[("maml", "mel_distortion")]
    assert row["difference"] == pytest.approx(-0.3)
    assert row["b"] - row["a"] == pytest.approx(-0.3)
    assert (row["low"], row["high"]) == pytest.approx((-0.3, -0.3))
    assert row["p"] == 0.25  # the least that three speakers give
    assert row["p_holm"] == 0.25  # the two other arms are the same in both
    assert row["pairs"] == 3 * 4 * 2
    assert found.loc[("average", "mel_distortion"), "difference"] == 0
    assert found.loc[("maml", "wer"), "difference"] == 0
    assert "strategies.maml.outer\\_rate | 0.0003 | 0.123" in printed
    assert "| **−0.30** | −0.30 to −0.30 | 0.25 | 0.25 |" in printed
    page = (tmp_path / "out/changes.html").read_text("utf-8")
    assert "<b>−0.30</b>" in page
    assert (tmp_path / "out/changes.md").read_text("utf-8").strip() == printed.strip()
    assert before == sorted(path for path in repository.rglob("*") if ".dvc" not in path.parts)


def test_two_revisions_come_out_of_the_cache_alone(repository: Path, tmp_path: Path) -> None:
    shutil.rmtree("results")
    shutil.rmtree("data")
    compare.main(["HEAD", "first", "--output", str(tmp_path / "out")])
    assert figures(tmp_path / "out").loc[("maml", "mel_distortion"), "difference"] == (
        pytest.approx(0.3)
    )
    assert not Path("results").exists()


def test_an_experiment_of_dvc_is_a_revision(repository: Path, tmp_path: Path) -> None:
    edit("maml", lower("mel_distortion", 0.5))
    run("dvc", "commit", "--force", "--quiet")
    run("dvc", "exp", "save", "--name", "better")
    compare.main(["HEAD", "better", "--output", str(tmp_path / "out")])
    assert figures(tmp_path / "out").loc[("maml", "mel_distortion"), "difference"] == (
        pytest.approx(-0.5)
    )


def test_an_arm_of_one_side_is_named(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit_params(lambda values: values.update(arms=["average", "maml"]))
    compare.main(["first"])
    printed = capsys.readouterr().out
    assert "first alone has pretrain_finetune." in printed
    assert "| pretrain" not in printed


def test_recordings_that_measure_otherwise_are_told_of(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def worse(table: pd.DataFrame) -> pd.DataFrame:
        chosen = (table["arm"] == "natural") & (table["metric"] == "similarity")
        return table.assign(value=table["value"] - 0.1 * chosen)

    edit("references", worse)
    compare.main(["first"])
    assert "The recordings themselves measure otherwise (Similarity)" in capsys.readouterr().out


def test_other_queries_are_refused_and_what_is_common_compared(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arm in ARMS:
        edit(arm, lambda table: table[table["utterance"] != "s0_3"])
    refused = r"the query utterances differ: first alone has s0_3 of ann; --common compares"
    with pytest.raises(SystemExit, match=refused):
        compare.main(["first"])
    compare.main(["first", "--common", "--output", str(tmp_path / "out")])
    assert "Of 11 utterances that both say alone" in capsys.readouterr().out
    assert figures(tmp_path / "out").loc[("maml", "mel_distortion"), "pairs"] == 11 * 2


def test_an_utterance_that_says_something_else_is_another(repository: Path) -> None:
    path = Path("data/corpus/manifest.csv")
    table = pd.read_csv(path, dtype=str)
    path.unlink()
    table.assign(text="other").to_csv(path, index=False)
    with pytest.raises(SystemExit, match="first alone has s0_0 of ann, s0_1 of ann, s0_2 of ann"):
        compare.main(["first"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["features"].update(mels=40), "features.mels is 80 in first and 40 in"),
        (lambda v: v["evaluation"].update(headline={"shots": 1, "steps": 10},
                                          points=[{"shots": 1, "steps": 10}]), "--shots"),
    ],
)  # fmt: skip
def test_what_is_measured_otherwise_is_refused(
    repository: Path, change: Callable[[dict], object], message: str
) -> None:
    edit_params(change)
    with pytest.raises(SystemExit, match=message):
        compare.main(["first"])


def test_seeds_that_both_have_are_compared(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arm in ARMS:
        edit(arm, lambda table: table[table["seed"] == 1])
    compare.main(["first", "--output", str(tmp_path / "out")])
    assert "Of the seeds that both have alone: [1]." in capsys.readouterr().out
    assert figures(tmp_path / "out").loc[("maml", "mel_distortion"), "pairs"] == 12


def test_an_unknown_revision_is_refused(repository: Path) -> None:
    with pytest.raises(SystemExit, match="there is no revision 'nowhere'; `git branch`"):
        compare.main(["nowhere"])


def test_a_revision_without_results_is_refused(repository: Path) -> None:
    Path("dvc.lock").unlink()
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "--message", "no results")
    with pytest.raises(SystemExit, match="HEAD has no results of any arm of .* commit dvc.lock"):
        compare.main(["HEAD"])


def test_a_revision_without_an_experiment_is_refused(repository: Path) -> None:
    run("git", "rm", "--quiet", "params.yaml", "--cached")
    run("git", "commit", "--quiet", "--message", "none")
    with pytest.raises(SystemExit, match="DVC cannot read params.yaml of HEAD: "):
        compare.main(["HEAD"])
    run("git", "rm", "--quiet", "dvc.yaml", "--cached")
    run("git", "commit", "--quiet", "--message", "none at all")
    with pytest.raises(SystemExit, match="HEAD has no params.yaml with arms"):
        compare.main(["HEAD"])


def test_results_of_other_parameters_are_refused(repository: Path) -> None:
    edit_params(lambda values: values["strategies"]["maml"].update(inner_steps=7))
    rule = r"results of workspace are of other values of strategies\.maml\.inner_steps .* first"
    with pytest.raises(SystemExit, match=rule):
        compare.main(["first"])
    edit_params(lambda values: values.update(arms=["average", "pretrain_finetune"]))
    compare.main(["first"])  # nothing of maml is asked for any more


def test_a_point_that_was_not_measured_is_refused_with_those_that_were(repository: Path) -> None:
    rule = r"not measured with 3 shots after 5 steps; .*: 1/0, 1/2, 1/10, 5/0, 5/2, 5/10"
    with pytest.raises(SystemExit, match=rule):
        compare.main(["first", "--shots", "3", "--steps", "5"])


def test_an_arm_that_is_the_same_in_both_takes_no_power(repository: Path, tmp_path: Path) -> None:
    compare.main(["first", "--output", str(tmp_path / "out")])
    table = figures(tmp_path / "out").xs("mel_distortion", level="metric")
    changed = table.loc["maml"]
    assert changed["p_holm"] == changed["p"]
    same = table.drop(index="maml")
    assert (same["difference"] == 0).all()
    assert same["p_holm"].isna().all()


def test_results_that_are_not_in_the_cache_are_asked_for(repository: Path) -> None:
    shutil.rmtree(".dvc/cache")
    with pytest.raises(SystemExit, match="not in DVC's cache; get it with `dvc fetch --rev first"):
        compare.main(["first"])


def test_without_git_there_are_no_revisions(repository: Path) -> None:
    shutil.rmtree(".git")
    with pytest.raises(SystemExit, match="revisions need a git repository with DVC"):
        compare.main(["first"])
