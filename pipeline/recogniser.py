"""The recognisers that hear the voices: trained where they learn here, else opened once.

Weights that are missing, and cannot be downloaded, are an error before anything is evaluated.
"""

import json
import sys
from pathlib import Path

from adaptts.episodes import table
from adaptts.evaluation.recognisers import ctc_training
from adaptts.evaluation.recognisers.recogniser import DeafError, Setting
from adaptts.evaluation.recognisers.registry import open_all
from adaptts.evaluation.recognisers.requirements import check
from adaptts.features.store import FeatureStore
from pipeline.stage import Stage, run, whole

CORPUS = Path("data/corpus")


def main(stage: Stage) -> None:
    params = stage.params.evaluation
    check(params)
    language = json.loads((CORPUS / "corpus.json").read_text(encoding="utf-8"))["language"]
    with whole(Path("models/recogniser")) as folder:
        if "ctc" in params.recognisers:
            store = FeatureStore.open(Path("data/features"))
            episodes = table.read(Path("data/episodes/episodes.parquet"))
            training = episodes.loc[episodes["role"] == "train", "utterance"].tolist()
            validation = episodes.loc[episodes["split"] == "validation", "utterance"].unique()
            trained = ctc_training.train(store, training, language, params.ctc)
            rates = ctc_training.validate(trained.recogniser, store, validation, language)
            ctc_training.save(folder, trained, rates)
            print(
                f"ctc: WER {rates['wer']:.1f} %, CER {rates['cer']:.1f} % on the validation "
                f"recordings, after {trained.cpu_seconds:.0f} s of CPU time",
                file=sys.stderr,
            )
        setting = Setting(CORPUS, language, folder, params)
        deaf = {
            name: str(it) for name, it in open_all(setting).items() if isinstance(it, DeafError)
        }
        (folder / "deaf.json").write_text(json.dumps(deaf, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)
