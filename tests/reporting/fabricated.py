"""A small results tree, as the stages before the report would leave it, with known effects."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from adaptts import params
from adaptts.params import Experiment
from adaptts.reporting.page import Provenance
from adaptts.reporting.results import TRIALS, VALIDATION

PROVENANCE = Provenance(
    params_text='name: "fabricated"  # </script> & <b>\n',
    software=[("Python", "3.11"), ("adaptts' commit", "0123abc")],
    data=[("data/corpus", "d41d8cd98f00b204e9800998ecf8427e.dir")],
    commit="0123abc",
    outputs={"models/maml/0": "aa.dir", "models/trunk/0": "bb.dir", "results/maml": "cc.dir"},
    runs={"train@maml-0": "f00d", "trunk@0": "beef", "all": "cafe"},
    run_pages="http://localhost:5000/#/experiments/1/runs/",
)

SPEAKERS = ["ann", 'bo "b", <i>&amp;', "גל"]
TEXTS = ['He said "no", then <b>&left</b></script><script>boom()</script>.', "שלום, עולם"]
HYPOTHESIS = "he <b>said</b>"
QUERIES = 4
# Mel distortion (dB) without adaptation, and what is left of it after very many steps.
EFFECTS = {
    "average": (4.0, 4.0),
    "prototype": (3.4, 3.4),
    "pretrain_finetune": (4.0, 1.6),
    "maml": (4.6, 1.5),
}
# Of arms with weighted tasks, λ of mel at the first and at the last step; of pitch, the inverse.
WEIGHTS = {"pretrain_finetune": (1.0, 1.0), "maml": (1.0, 12.0)}
# Other metrics at a mel distortion of 0 dB, and per dB.
CHEAP = {"pitch_error": (0.5, 0.5), "duration_error": (4.0, 3.0)}
HEARD = {
    "mcd": (3.0, 1.5),
    "cer": (1.0, 2.0),
    "similarity": (0.95, -0.08),
    "f0_rmse": (0.6, 0.6),
    "vuv_error": (3.0, 2.0),
    "f0_correlation": (1.0, -0.1),
    "energy_error": (1.0, 0.8),
    "rate_error": (0.5, 2.0),
}


def make_experiment(**changes: Any) -> Experiment:
    """A small experiment; `changes` replace whole sections."""
    one_phase = {
        "utterance_gradients": 80,
        "batch_utterances": 4,
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "gradient_norm": 1.0,
    }
    values: dict[str, Any] = {
        "name": "fabricated",
        "seeds": [0, 1],
        "arms": list(EFFECTS),
        "corpus": {"reader": "folder", "sampling_rate": 16000, "seed": 1, "path": "here"},
        "split": {"test": ["any"], "validation": ["val"]},
        "features": {
            "n_fft": 1024,
            "hop_samples": 256,
            "mels": 80,
            "mel_min_hz": 0.0,
            "mel_max_hz": 8000.0,
            "f0_min_hz": 60.0,
            "f0_max_hz": 500.0,
            "mel_cepstrum_order": 24,
            "frame_period_ms": 5.0,
            "alignment_pooled_iterations": 0,
            "alignment_iterations": 1,
        },
        "episodes": {
            "shots": [1, 5],
            "queries": QUERIES,
            "draws": 2,
            "text_disjoint": True,
            "seed": 1,
        },
        "model": {
            "channels": 8,
            "encoder_blocks": 1,
            "decoder_blocks": 1,
            "kernel": 3,
            "speaker_channels": 8,
            "predictor_channels": 8,
            "vocoder": "griffin_lim",
            "vocoder_iterations": 2,
        },
        "training": {
            "device": "cpu",
            "compile": False,
            "budget": "utterance_gradients",
            "trunk": one_phase,
            "arm": one_phase,
            "loss": {"mel": 1.0, "duration": 0.3, "pitch": 0.3, "voicing": 0.1},
        },
        "strategies": {arm: {"strategy": arm} for arm in EFFECTS},
        "adaptation": {
            "parameters": "all",
            "steps": [0, 2, 10],
            "trials": 3,
            "space": {"adam": [0.0005, 0.005]},
            "seed": 0,
        },
        "evaluation": {
            "headline": {"shots": 5, "steps": 10},
            "points": [
                {"shots": 5, "steps": 0},
                {"shots": 5, "steps": 10},
                {"shots": 1, "steps": 10},
            ],
            "recognisers": ["sphinx", "ctc"],
            "ctc": {"channels": 8, "utterance_gradients": 8},
            "whisper": "base",
            "weights": None,
            "noise_floor": 0.002,
            "sentences_to_hear": 2,
        },
        "report": {
            "comparisons": {"baseline": "pretrain_finetune", "metrics": ["mel_distortion"]},
            "bootstrap_samples": 200,
            "confidence": 0.95,
            "seed": 1,
        },
    }
    experiment = params.parse(Experiment, {**values, **changes}, "")
    if experiment.split.test == ["any"]:
        # Parameters hold names to the manifest's rule; the report has to bear any.
        object.__setattr__(experiment.split, "test", SPEAKERS)
    return experiment


def write_tree(root: Path, experiment: Experiment) -> Path:
    """Write what the stages before the report leave; returns `root`."""
    _write_corpus(root, experiment)
    for arm in experiment.arms:
        folder = root / "results" / arm
        (folder / "audio").mkdir(parents=True)
        table = pd.DataFrame(arm_rows(arm, experiment))
        table.to_parquet(folder / "measures.parquet")
        _write_trials(folder, table)
        _write_audio(folder / "audio", table, experiment)
        costs = [_voice_cost(arm, speaker, experiment) for speaker in experiment.split.test]
        _write_json(folder / "costs.json", costs)
        _write_tuning(root / "tuning" / arm, arm, experiment)
    for run in ["trunk", *experiment.arms]:
        for seed in experiment.seeds:
            _write_training(root / "models" / run / str(seed), run, seed, experiment)
    _write_references(root / "results/references", experiment)
    return root


def arm_rows(arm: str, experiment: Experiment) -> list[dict[str, Any]]:
    """The measures of an arm: distortion decays with steps × shots, plus small fixed noise."""
    start, end = EFFECTS[arm]
    constant = start == end
    points = {(point.shots, point.steps) for point in experiment.evaluation.points}
    rows = []
    for shots in experiment.episodes.shots:
        for steps in [0] if constant else experiment.adaptation.steps:
            left = 1 / (1 + 0.1 * steps * shots**0.5)
            rows += _rows_at(arm, shots, steps, end + (start - end) * left, experiment,
                             heard=constant or (shots, steps) in points)  # fmt: skip
    return rows


def _rows_at(
    arm: str, shots: int, steps: int, level: float, experiment: Experiment, heard: bool
) -> list[dict[str, Any]]:
    rows = []
    noise = np.random.default_rng([shots, steps, 7])
    for number, speaker in enumerate(experiment.split.test):
        for query in range(experiment.episodes.queries):
            for seed in experiment.seeds:
                key = {
                    "arm": arm,
                    "speaker": speaker,
                    "seed": seed,
                    "draw": experiment.draw_of(seed),
                    "shots": shots,
                    "steps": steps,
                    "utterance": f"s{number}_{query}",
                }
                distortion = level + 0.1 * number + 0.02 * seed + 0.05 * noise.standard_normal()
                values = {"mel_distortion": distortion}
                for name, (base, slope) in (CHEAP | (HEARD if heard else {})).items():
                    values[name] = base + slope * distortion
                if heard:
                    errors = int(distortion > 2.5) + int(distortion > 3.8)
                    values |= {"word_errors": errors, "words": 5, "wer": 20.0 * errors}
                    values |= {"character_errors": 3 * errors, "characters": 25}
                    # The second recogniser makes an error more of each.
                    values |= {"word_errors_ctc": errors + 1, "words_ctc": 5}
                    values |= {"character_errors_ctc": 3 * errors + 1, "characters_ctc": 25}
                    values |= {"wer_ctc": 20.0 * (errors + 1), "cer_ctc": 12.0 * errors + 4}
                rows += [
                    {**key, "metric": name, "value": float(value),
                     "note": HYPOTHESIS if name == "wer" else ""}
                    for name, value in values.items()
                ]  # fmt: skip
    return rows


def _write_references(folder: Path, experiment: Experiment) -> None:
    (folder / "audio").mkdir(parents=True)
    rows = []
    for arm, measures in {
        "natural": {"word_errors": 0, "words": 5, "wer": 0.0, "cer": 0.0, "similarity": 0.97,
                    "character_errors": 0, "characters": 25},
        "copy_synthesis": {"word_errors": 0, "words": 5, "wer": 0.0, "cer": 0.0,
                           "character_errors": 0, "characters": 25, "similarity": 0.93,
                           "mcd": 4.5, "f0_rmse": 0.4, "vuv_error": 2.0},
    }.items():  # fmt: skip
        for number, speaker in enumerate(experiment.split.test):
            for query in range(experiment.episodes.queries):
                key = {"arm": arm, "speaker": speaker, "seed": -1, "draw": -1, "shots": 0,
                       "steps": 0, "utterance": f"s{number}_{query}"}  # fmt: skip
                rows += [
                    {**key, "metric": name, "value": float(value), "note": ""}
                    for name, value in measures.items()
                ]
                if query < experiment.evaluation.sentences_to_hear:
                    _tone(folder / "audio" / f"{speaker}-s{number}_{query}-{arm}.flac", 220.0)
    table = pd.DataFrame(rows)
    table.to_parquet(folder / "measures.parquet")
    _write_trials(folder, table)
    reason = "no speaker reads a text twice"
    _write_json(folder / "references.json", {"retakes": 0, "reason": reason})


def _write_trials(folder: Path, table: pd.DataFrame) -> None:
    """Verification: similarity as measured with the speaker's own voice, 0.75 with any other."""
    own = table[table["metric"] == "similarity"].rename(columns={"value": "similarity"})
    speakers = pd.DataFrame({"enrolled": table["speaker"].unique()})
    trials = own.drop(columns=["metric", "note"]).merge(speakers, how="cross")
    other = trials["speaker"] != trials["enrolled"]
    trials.loc[other, "similarity"] = 0.75
    trials = trials.assign(target=~other, same_text=False)
    trials["other_text_similarity"] = trials["similarity"]
    trials.to_parquet(folder / "verification.parquet")


def _write_audio(folder: Path, table: pd.DataFrame, experiment: Experiment) -> None:
    heard = table[(table["metric"] == "mcd") & (table["seed"] == experiment.seeds[0])]
    names = ["speaker", "utterance", "shots", "steps"]
    for speaker, utterance, shots, steps in heard[names].itertuples(index=False):
        if int(utterance.rsplit("_", 1)[1]) < experiment.evaluation.sentences_to_hear:
            name = f"{speaker}-{utterance}-{shots}-{steps}-{experiment.seeds[0]}.flac"
            _tone(folder / name, 200.0 + 10 * steps)


def _tone(path: Path, hertz: float) -> None:
    time = np.arange(800) / 16000
    soundfile.write(path, 0.1 * np.sin(2 * np.pi * hertz * time), 16000)


def _write_corpus(root: Path, experiment: Experiment) -> None:
    corpus, episodes = root / "data/corpus", root / "data/episodes"
    corpus.mkdir(parents=True)
    episodes.mkdir(parents=True)
    rows = [
        {"utterance": f"s{number}_{query}", "speaker": speaker, "text": TEXTS[query % len(TEXTS)],
         "path": f"audio/s{number}_{query}.wav", "seconds": 0.05}
        for number, speaker in enumerate(experiment.split.test)
        for query in range(experiment.episodes.queries)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(corpus / "manifest.csv", index=False)
    _write_json(
        corpus / "corpus.json",
        {"name": "Made <up>", "version": "1", "licence": "CC0-1.0", "citation": "none",
         "source": "a test", "sampling_rate": 16000, "language": "en-us", "exact_phones": True,
         "exclusions": []},
    )  # fmt: skip
    _write_json(
        episodes / "audit.json",
        {
            "relaxed": [],
            "checks": [{"rule": "speakers stand on one side", "breaches": 0, "example": ""}],
        },
    )


def _write_training(folder: Path, run: str, seed: int, experiment: Experiment) -> None:
    folder.mkdir(parents=True)
    steps = np.arange(1, 21)
    loss = (5.0 if run == "trunk" else 1.0) / steps**0.3 + 0.01 * seed
    table = pd.DataFrame(
        {"step": steps, "utterance_gradients": 4 * steps, "seconds": 0.1 * steps,
         "loss": loss, "mel": 0.8 * loss}
    )  # fmt: skip
    if run in WEIGHTS:
        begin, end = WEIGHTS[run]
        change = (end / begin) ** ((steps - 1) / 19)
        table = table.assign(weight_mel=begin * change, weight_pitch=begin / change)
    table.to_csv(folder / "training.csv", index=False)
    _write_json(
        folder / "cost.json",
        {"arm": run, "seed": seed, "start": "trunk", "parameters": 350_000, "steps": 20,
         "utterance_gradients_per_step": 4.0, "utterance_gradients": 80.0, "wall_seconds": 12.5,
         "cpu_seconds": 12.0, "trunk_utterance_gradients": 240.0, "trunk_wall_seconds": 30.0,
         "trunk_cpu_seconds": 29.0, "total_utterance_gradients": 320.0,
         "total_wall_seconds": 42.5, "total_cpu_seconds": 41.0,
         "peak_memory_bytes": 300_000_000},
    )  # fmt: skip


def _write_tuning(folder: Path, arm: str, experiment: Experiment) -> None:
    folder.mkdir(parents=True)
    start, end = EFFECTS[arm]
    trials = [] if start == end else [0.001, 0.002, 0.004]
    least, largest = experiment.adaptation.space["adam"]
    rows = [
        {"arm": arm, "trial": number, "rule": "adam", "step_size": step_size, "least": least,
         "largest": largest, "anchor": 0.0, "distortion": 2.0 + 0.1 * abs(number - 2),
         "state": "complete", "chosen": number == 2}
        for number, step_size in enumerate(trials, 1)
    ]  # fmt: skip
    pd.DataFrame(rows, columns=TRIALS).to_csv(folder / "trials.csv", index=False)
    curve = [
        (arm, 0, shots, steps, validation_distortion(arm, shots, steps))
        for shots in experiment.episodes.shots
        for steps in ([0] if start == end else experiment.adaptation.steps)
    ]
    pd.DataFrame(curve, columns=VALIDATION).to_csv(folder / "validation.csv", index=False)
    _write_json(folder / "chosen.json", {"rule": "adam", "step_size": 0.002} if trials else {})


def validation_distortion(arm: str, shots: int, steps: int) -> float:
    """The decay of the test speakers, of other voices and without noise."""
    start, end = EFFECTS[arm]
    return end + (start - end) / (1 + 0.1 * steps * shots**0.5) + 0.2


def _voice_cost(arm: str, speaker: str, experiment: Experiment) -> dict[str, Any]:
    constant = EFFECTS[arm][0] == EFFECTS[arm][1]
    steps = 0 if constant else experiment.adaptation.steps[-1]
    runs = [
        {"seed": seed, "draw": experiment.draw_of(seed), "shots": shots, "steps": steps,
         "adaptation_seconds": 0.05 * steps}
        for seed in experiment.seeds
        for shots in experiment.episodes.shots
    ]  # fmt: skip
    return {
        "arm": arm,
        "speaker": speaker,
        "adapted_parameters": 64 if constant else 350_000,
        "bytes_per_voice": 256 if constant else 1_400_000,
        "runs": runs,
        "peak_memory_bytes": 200_000_000,
    }


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values), encoding="utf-8")
