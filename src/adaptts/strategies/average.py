"""The floor: no adaptation at all, the mean of the training speakers for everyone."""

from adaptts.strategies.pretrain_finetune import PretrainFinetune


class Average(PretrainFinetune):
    """Trained as transfer learning is; takes no steps, and ignores the support set."""

    takes_steps = False
    uses_support = False
