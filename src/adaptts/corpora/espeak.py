"""The espeak-ng synthesiser in processes of its own, such that it answers alike every time.

espeak-ng draws from a random generator and carries state from one utterance to the next. Its
output depends on neither only if the generator is seeded and each utterance is made by a process
that has never made one. So this file, run as a script, is a server that forks for every utterance;
it imports nothing large, because a fork costs what its process weighs. `Synthesiser` is its client.
"""

import ctypes
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SAMPLING_RATE = 22050  # Hz, of every espeak-ng voice used here

# From espeak-ng's speak_lib.h.
_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_PHONEME_EVENTS = 0x0001
_INITIALIZE_DONT_EXIT = 0x8000
_EVENT_LIST_TERMINATED = 0
_EVENT_PHONEME = 7
_CHARS_UTF8 = 1
_POS_CHARACTER = 1
_PARAMETERS = {"rate": 1, "pitch": 3, "range": 4}


class SynthesisError(ValueError):
    """espeak-ng cannot be loaded, or refuses a voice or a text; the message says what."""


@dataclass(frozen=True)
class Prompt:
    """What to say and how."""

    text: str
    voice: str  # language and variant: en-us+m8
    rate: int  # words per minute
    pitch: int  # 0 … 100
    range: int  # of the pitch, 0 … 100


@dataclass(frozen=True)
class Speech:
    """What espeak-ng said."""

    pcm: bytes  # 16-bit mono in the machine's byte order, at SAMPLING_RATE
    phones: list[tuple[str, int]]  # espeak-ng's mnemonic and its first sample


class Synthesiser:
    """A server process of espeak-ng; use it in a `with` block, from any one thread at a time."""

    def __init__(self) -> None:
        # -I: neither the working directory nor the environment adds modules to the server.
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._lock = threading.Lock()
        self.version: str = self._read_line()["version"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def say(self, prompt: Prompt) -> Speech:
        """Synthesise `prompt`. Raises `SynthesisError` where espeak-ng refuses it."""
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:
            self._process.stdin.write(json.dumps(vars(prompt)).encode() + b"\n")
            self._process.stdin.flush()
            answer = self._read_line()
            pcm = self._process.stdout.read(answer["bytes"])
        return Speech(pcm, [(name, sample) for name, sample in answer["phones"]])

    def _read_line(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SynthesisError(
                f"the espeak-ng process ended with status {self._process.wait()}; "
                "is the package espeakng-loader installed for this platform?"
            )
        answer = json.loads(line)
        if "error" in answer:
            raise SynthesisError(answer["error"])
        return answer


class _EventId(ctypes.Union):
    _fields_ = [
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    ]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class _Engine:
    """The library in this process, ready to synthesise once."""

    def __init__(self) -> None:
        import espeakng_loader

        self._library: Any = espeakng_loader.load_library()
        self._data = espeakng_loader.get_data_path()
        options = _INITIALIZE_PHONEME_EVENTS | _INITIALIZE_DONT_EXIT
        rate = self._library.espeak_Initialize(
            _OUTPUT_SYNCHRONOUS, 0, os.fsencode(self._data), options
        )
        if rate != SAMPLING_RATE:
            raise SynthesisError(
                f"espeak-ng must answer {SAMPLING_RATE} Hz, got {rate} from {self._data}"
            )
        self._library.espeak_Info.restype = ctypes.c_char_p
        self.version = self._library.espeak_Info(None).decode()
        self._pcm: list[bytes] = []
        self._phones: list[tuple[str, int]] = []
        self._callback = _Callback(self._receive)  # kept: the library holds no reference to it
        self._library.espeak_SetSynthCallback(self._callback)

    def say(self, prompt: Prompt) -> Speech:
        library = self._library
        # espeak-ng would say a variant that it does not know in the language's plain voice.
        variant = Path(self._data, "voices", "!v", prompt.voice.partition("+")[2])
        if not variant.is_file():
            raise SynthesisError(f"espeak-ng has no variant for {prompt.voice!r}")
        if library.espeak_SetVoiceByName(prompt.voice.encode()):
            raise SynthesisError(f"espeak-ng has no voice {prompt.voice!r}")
        for name, number in _PARAMETERS.items():
            library.espeak_SetParameter(number, getattr(prompt, name), 0)
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        text = prompt.text.encode() + b"\0"
        size = ctypes.c_size_t(len(text))
        if library.espeak_Synth(text, size, 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None):
            raise SynthesisError(f"espeak-ng cannot say {prompt.text!r}")
        library.espeak_Synchronize()
        return Speech(b"".join(self._pcm), self._phones)

    def _receive(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._pcm.append(ctypes.string_at(samples, 2 * count))
        index = 0
        while events[index].type != _EVENT_LIST_TERMINATED:
            event = events[index]
            if event.type == _EVENT_PHONEME:
                self._phones.append((event.id.string.decode("utf-8", "replace"), event.sample))
            index += 1
        return 0


def _answer(engine: _Engine, line: bytes) -> None:
    """Say one prompt on standard output: a line of JSON, then the samples."""
    try:
        speech = engine.say(Prompt(**json.loads(line)))
        header = {"bytes": len(speech.pcm), "phones": speech.phones}
        message = json.dumps(header).encode() + b"\n" + speech.pcm
    except SynthesisError as error:
        message = json.dumps({"error": str(error)}).encode() + b"\n"
    sys.stdout.buffer.write(message)
    sys.stdout.buffer.flush()


def _serve() -> None:
    """Answer each line of standard input from a fork that says nothing else."""
    engine = _Engine()
    sys.stdout.write(json.dumps({"version": engine.version}) + "\n")
    sys.stdout.flush()
    for line in sys.stdin.buffer:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                _answer(engine, line)
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        if status:
            sys.exit(1)


if __name__ == "__main__":
    _serve()
