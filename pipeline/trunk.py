"""Multi-speaker pretraining, which the arms of a seed start from unless they say otherwise."""

from pathlib import Path

from adaptts.episodes.sampler import Sampler
from adaptts.strategies.learner import Learner, seeded
from adaptts.strategies.pretrain_finetune import PretrainFinetune
from adaptts.strategies.training import save_training, train
from pipeline import tracking
from pipeline.arms import open_data
from pipeline.stage import Stage, run, whole


def main(stage: Stage) -> None:
    seed = int(stage.item["seed"])
    data = open_data(stage.params)
    with seeded(seed):
        learner = Learner(data.setting).to(data.device)
    strategy = PretrainFinetune(None, data.setting, {})
    sampler = Sampler(data.utterances, data.episodes, seed)
    checkpoint = stage.scratch() / "checkpoint.safetensors"
    with tracking.training(stage) as log:
        training = train(strategy, learner, sampler, stage.params.training.trunk, log, checkpoint)
    with whole(Path("models/trunk") / str(seed)) as folder:
        save_training(folder, learner, {"arm": "trunk", "seed": seed, **training.cost()}, training)
    stage.clear_scratch()


if __name__ == "__main__":
    run(main, ["seed"])
