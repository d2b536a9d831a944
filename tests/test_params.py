from pathlib import Path

import pytest
import yaml

from adaptts import params

ROOT = Path(__file__).parents[1]
FILES = [ROOT / "params.yaml", *sorted((ROOT / "presets").glob("*.yaml"))]


def values() -> dict:
    return yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_shipped_file_is_valid(path: Path) -> None:
    experiment = params.read(path)
    assert experiment.evaluation.headline in experiment.evaluation.points


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        ([{"test": ["m8"], "validation": ["f3"]}], "folds has one fold; name two or more"),
        (
            [{"test": ["m8"], "validation": ["f3"]}, {"test": ["ed", "m8"], "validation": ["f3"]}],
            "fold 2 of folds tests 'm8', which fold 1 tests",
        ),
        (
            [{"test": ["m8"], "validation": ["f3"]}, {"test": ["ed"], "validation": ["ed"]}],
            r"fold 2 of folds: \['ed'\] stand under both test and validation",
        ),
        (
            [{"test": ["m8"], "validation": []}, {"test": ["ed"], "validation": ["f3"]}],
            "fold 1 of folds: validation must name at least one speaker",
        ),
    ],
)
def test_an_error_names_the_fold(folds: list, message: str) -> None:
    with pytest.raises(params.ParamsError, match=message):
        params.parse(params.Experiment, {**values(), "folds": folds}, "")


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("episodes", "shotz", [1], "episodes.shotz: unknown key"),
        ("model", "channels", "64", "model.channels: got '64'"),
        ("model", "channels", True, "model.channels: got True"),
        ("model", "kernel", 4, "kernel must be odd, got 4"),
        ("episodes", "shots", [5, 1], "must be some numbers that rise strictly"),
        ("adaptation", "steps", [1, 2], "steps must begin with 0"),
        ("adaptation", "trials", 1, "one or more for each update rule of space, got 1 for 2"),
        ("adaptation", "space", {"adam": [0.2, 0.1]}, "the lower bound comes first"),
        ("adaptation", "space", {}, "adaptation.space: "),
        ("adaptation", "parameters", "low_rank", "give parameters: low_rank with its rank under"),
        ("training", "device", "gpu", "training.device: got 'gpu'"),
        ("corpus", "sampling_rate", -1, "corpus.sampling_rate: got -1"),
        ("split", "validation", ["f3"], "under both test and validation"),
        ("split", "test", [], "test must name at least one"),
        ("split", "test", ["two words"], "split.test.0: got 'two words'"),
        ("split", "test", [1089], "split.test.0: got 1089; it must be text: put it in quotes"),
        ("split", "test", ["en-gb"], "got 'en-gb'; it must be of A-Z, a-z, 0-9, _ and ."),
        ("report", "confidence", 1.0, "report.confidence: got 1.0"),
        ("evaluation", "headline", {"shots": 3, "steps": 20}, "asks for 3 shots"),
        ("features", "mel_max_hz", 9000.0, "above half of"),
        ("features", "mel_min_hz", 8000.0, "mel_min_hz must lie below mel_max_hz"),
        ("features", "hop_samples", 2048, "hop_samples must not exceed n_fft"),
        ("episodes", "shots", [], "must be some numbers"),
        ("adaptation", "steps", [], "steps must begin with 0"),
        (
            "training",
            "loss",
            dict.fromkeys(("mel", "duration", "pitch", "voicing"), 0.0),
            "training.loss: all weights are 0",
        ),
        ("training", "loss", {"mel": -1.0}, "training.loss.mel: got -1.0"),
        ("evaluation", "noise_floor", float("nan"), "evaluation.noise_floor: got nan"),
        (
            "report",
            "comparisons",
            {"baseline": "maml", "metrics": ["eer"]},
            "report.comparisons.metrics.0: got 'eer'",
        ),
        (
            "report",
            "comparisons",
            {"baseline": "maml", "metrics": ["mcd", "mcd"]},
            "report.comparisons: metrics names one twice",
        ),
    ],
)
def test_an_error_names_key_value_and_rule(section, key, value, message) -> None:
    broken = values()
    broken[section][key] = value
    with pytest.raises(params.ParamsError, match="(?s).*".join(message.split("*"))) as error:
        params.parse(params.Experiment, broken, "")
    assert message in str(error.value)


def test_a_budget_of_the_processors_time_wants_the_processor() -> None:
    broken = values()
    broken["training"].update(budget="cpu_seconds", device="cuda")
    with pytest.raises(params.ParamsError, match="cpu_seconds counts the processor's time alone"):
        params.parse(params.Experiment, broken, "")


def test_compiled_code_wants_the_processor() -> None:
    broken = values()
    broken["training"].update(compile=True, device="auto")
    with pytest.raises(params.ParamsError, match="compile is for the processor alone, got .* auto"):
        params.parse(params.Experiment, broken, "")


def test_every_breach_is_told_at_once() -> None:
    broken = values()
    broken["model"]["channels"] = 0
    broken["corpus"]["sead"] = 3
    del broken["split"]["test"]
    with pytest.raises(params.ParamsError) as error:
        params.parse(params.Experiment, broken, "")
    lines = str(error.value).splitlines()
    assert {line.split(":")[0] for line in lines} == {"model.channels", "corpus.sead", "split.test"}


def test_an_arm_without_settings_is_refused() -> None:
    broken = values()
    broken["arms"].append("unheard_of")
    with pytest.raises(params.ParamsError, match="unheard_of.*no entry under strategies"):
        params.parse(params.Experiment, broken, "")


def test_a_name_that_would_leave_its_folder_is_refused() -> None:
    broken = values()
    broken["name"] = "../elsewhere"
    with pytest.raises(params.ParamsError, match="name: got '../elsewhere'"):
        params.parse(params.Experiment, broken, "")


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "\x00"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(params.ParamsError, match="params.yaml"):
        params.read(path)


def test_a_missing_file_points_to_the_presets(tmp_path: Path) -> None:
    with pytest.raises(params.ParamsError, match="copy one of presets/"):
        params.read(tmp_path / "params.yaml")


def test_seeds_take_the_draws_in_turn() -> None:
    changed = values()
    changed["seeds"] = [7, 8, 9]
    changed["episodes"]["draws"] = 2
    experiment = params.parse(params.Experiment, changed, "")
    assert [experiment.draw_of(seed) for seed in (7, 8, 9)] == [0, 1, 0]
