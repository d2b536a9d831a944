"""Multi-speaker pretraining that every arm of a seed starts from."""

from pathlib import Path

from safetensors.torch import save_file

from adaptts.episodes.sampler import Sampler
from adaptts.inner_loop import Parameters, estimate_preconditioner
from adaptts.objectives import voice_loss
from adaptts.strategies.learner import Learner, seeded
from adaptts.strategies.pretrain_finetune import PretrainFinetune
from adaptts.strategies.training import save_training, train
from pipeline import tracking
from pipeline.arms import Data, open_data
from pipeline.stage import Stage, run, whole

TASKS = 16  # whose gradients make the preconditioner
TASK_UTTERANCES = 4


def main(stage: Stage) -> None:
    seed = int(stage.item["seed"])
    data = open_data(stage.params)
    with seeded(seed):
        learner = Learner(data.setting)
    strategy = PretrainFinetune(None, data.setting, {})
    sampler = Sampler(data.utterances, data.episodes, seed)
    checkpoint = stage.scratch() / "checkpoint.safetensors"
    with tracking.training(stage) as log:
        training = train(strategy, learner, sampler, stage.params.training.trunk, log, checkpoint)
    with whole(Path("models/trunk") / str(seed)) as folder:
        save_training(folder, learner, training, {"arm": "trunk", "seed": seed})
        save_file(precondition(learner, sampler, data), folder / "preconditioner.safetensors")
    stage.clear_scratch()


def precondition(learner: Learner, sampler: Sampler, data: Data) -> Parameters:
    """The diagonal for preconditioned descent, from the trunk on tasks of training speakers."""
    voice = {n: v.detach() for n, v in learner.voice(learner.average_speaker()).items()}
    tasks = [sampler.episode(step, 1, TASK_UTTERANCES, 0)[0] for step in range(TASKS)]
    batches = [data.utterances.batch(task.support) for task in tasks]
    return estimate_preconditioner(
        [
            lambda moved, batch=batch: voice_loss(learner.acoustic, moved, batch, data.setting.loss)
            for batch in batches
        ],
        voice,
    )


if __name__ == "__main__":
    run(main, ["seed"])
