"""Where models compute: on the processor, or on a GPU."""

import torch

from adaptts.params import Device


def choose_device(name: Device) -> torch.device:
    """The device of `training.device`; `auto` is a GPU where there is one, else the processor.

    Raises ValueError if a GPU is asked for and PyTorch finds none.
    """
    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise ValueError(
            "training.device is cuda, but PyTorch finds no GPU here; set it to cpu or auto, or "
            "install a driver and a build of PyTorch for CUDA, and ask the cluster for a GPU"
        )
    return torch.device("cuda" if found and name != "cpu" else "cpu")
