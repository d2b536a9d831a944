"""What recognisers need that is not here by itself: told before anything runs.

Reads no weights, asks no network and imports no model, so that every plan can afford it.
"""

from importlib.util import find_spec
from pathlib import Path

from adaptts.params import EvaluationParams

WAV2VEC2_WEIGHTS = "wav2vec2_fairseq_base_ls960_asr_ls960.pth"


def check(params: EvaluationParams) -> None:
    """Raise `ValueError` where a recogniser that is asked for lacks its package or its weights.

    Without evaluation.weights, whether weights are to be had shows when they are loaded: in the
    stage recogniser.
    """
    if "wav2vec2" in params.recognisers and params.weights is not None:
        path = Path(params.weights) / WAV2VEC2_WEIGHTS
        if not path.is_file():
            raise ValueError(f"wav2vec2: {path} is missing; {wav2vec2_remedy()}")
    if "whisper" not in params.recognisers:
        return
    if find_spec("transformers") is None:
        raise ValueError(
            "whisper: the package transformers is not installed; run pip install -e '.[whisper]', "
            "or take whisper out of evaluation.recognisers"
        )
    if params.weights is not None and not (Path(whisper_source(params)) / "config.json").is_file():
        raise ValueError(
            f"whisper: {whisper_source(params)} holds no model; {whisper_remedy(params)}"
        )


def whisper_source(params: EvaluationParams) -> str:
    """The folder of Whisper's model, or its repository."""
    name = f"whisper-{params.whisper}"
    return f"openai/{name}" if params.weights is None else str(Path(params.weights) / name)


def whisper_remedy(params: EvaluationParams) -> str:
    name = f"whisper-{params.whisper}"
    return (
        f"put the files of https://huggingface.co/openai/{name} into a folder {name} and name the "
        "one that holds it in evaluation.weights, or take whisper out of evaluation.recognisers"
    )


def wav2vec2_remedy() -> str:
    return (
        f"put https://download.pytorch.org/torchaudio/models/{WAV2VEC2_WEIGHTS} into a folder and "
        "name that in evaluation.weights, or take wav2vec2 out of evaluation.recognisers"
    )
