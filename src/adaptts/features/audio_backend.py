"""torchaudio, for every module that needs it.

torchaudio's wheel is built for CUDA, so beside a CPU-only torch its compiled extension cannot load
and the import fails. Nothing here needs the extension: when it cannot load, an empty stand-in is
registered in its place. `torchaudio.functional.forced_align` and `torchaudio.load` then don't work.
"""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

__all__ = ["torchaudio"]


def _refuse(*_: object, **__: object) -> NoReturn:
    raise RuntimeError("this function needs torchaudio's compiled extension, which cannot load")


def _refuse_instead(function: Callable[..., Any]) -> Callable[..., NoReturn]:
    return _refuse


def _stand_in() -> ModuleType:
    extension = ModuleType("torchaudio._extension")
    vars(extension).update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False,
        _IS_ALIGN_AVAILABLE=False,
        fail_if_no_align=_refuse_instead,
    )
    return extension


try:
    import torchaudio
except OSError:
    # The failed import leaves modules behind that would be taken for imported ones.
    for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
        del sys.modules[name]
    sys.modules["torchaudio._extension"] = _stand_in()
    import torchaudio
