"""One meta-training step and adaptation, beside learn2learn's MAML and higher's inner loop.

    pip install higher==0.2.1
    pip download --no-deps --no-build-isolation --no-binary :all: learn2learn==0.2.0 -d peers
    tar -xzf peers/learn2learn-0.2.0.tar.gz -C peers
    PYTHONPATH=. python benchmarks/meta_step.py --learn2learn peers/learn2learn-0.2.0 [--rounds 9]
    PYTHONPATH=. python benchmarks/meta_step.py --device cuda [--rounds 9]

The last compares tasks in one pass with one after another, on a GPU or, with `--device cpu`, on one
core; it wants no peer. It has not been run on a GPU yet.

Run these in the environment of this project: without it pip cannot read the archive. learn2learn
0.2.0 does not build on Python 3.11; its MAML module is plain Python, and is imported from the
unpacked archive without the rest of the package.

The model is that of params.yaml; the episodes are random, with the lengths of the default corpus:
4 tasks of 5 + 5 utterances, 5 inner steps, one task after another with its own backward pass.
All contenders take turns in one process with one thread; seconds are CPU seconds, the median over
rounds. The peers run the model twice: with its own blocks, and with the plain operations of
`plain_operations.py`, which is the model without anything of ours. Memory is of one process for
each contender, after two steps to warm up: `tensors` is the peak of what PyTorch's allocator holds
in a step beyond what it held before, `resident` that of the resident set (Linux with glibc).

Seen on two cores, 7 rounds: quicker than learn2learn's step, the quickest peer's, by, and MiB of
tensors: second order 0.97 (36.1), recomputed 0.70 (18.3), compiled 1.52 (16.5; in other runs 1.50
to 1.62), both 1.43 (13.7), learn2learn 1 (81.5), higher 0.97 (81.7); first order 0.97 (5.8),
compiled 1.76 (4.9), learn2learn 1 (7.3), higher 0.92 (8.6). Six speakers in two processes beside a
loop: 1.69, compiled 2.75 (1.38 and 2.11 on another day); one speaker on one core: 0.86 and 1.39. A
step of adaptation that is not compiled takes 0.021 CPU seconds and 14.9 MiB, be they 5 or 40.

Tried, for one task of the second-order step (on two virtual cores of an AMD EPYC with AVX-512,
shared with other work; the plain model took 185 to 200 ms):
- Convolutions in oneDNN's channels-last order instead of a product of taps: 235 -> 190 ms.
- Derivatives of the whole block by hand: half of the memory, 0 to 3 % of the time; they save small
  operations, but Python calls more. By hand for normalisation, SiLU and convolution each: nothing.
- Parameters as one vector in the update: slower by copying; one fused operation for each: kept.
- Four tasks in one pass by vmap, model plain: 165 ms a task, for four times the memory.
- torch.utils.checkpoint around a step: 60 % more time, as it recomputes for the step's own gradient
  too; `recompute` makes each step anew once.
- Products of taps for the few phones of the encoder, a product for each tap: as quick as oneDNN, in
  more operations. One product with the taps side by side: three quarters of oneDNN's time at 125
  places, a tenth more at 655, where oneDNN's convolution is kept.
- A predictor's layer by hand: a seventh of the step's memory, a sixth of the predictors' time at
  second order, some time lost at first order.
- Where the time goes, alone on the core: products 35 % (oneDNN's at 655 places run at the rate of a
  large product), operations on next to no data, which is what calls cost, 33 %, the rest passes
  over memory. No quicker product alone makes the step 1.5 times as quick.
- The meta-gradient as an explicit recursion of Hessian-vector products over kept parameters: as a
  gradient of a gradient 1.35 times our time, 20.7 MiB for 37.3 (`recompute`, beside it: 1.40 and
  19.5); as a forward derivative of a gradient (torch.func.jvp), model plain: 2.25 and 41.6 MiB.
- glibc's allocator with thresholds at which nothing is mapped or given back (mallopt): some 10,000
  page faults in a step of second order -> at most 1,300, but the kernel has only 2 to 4 % of the
  time; first order has no faults. Denormals flushed to zero: no gain seen.
- torch.compile with oneDNN's convolutions and lengths fixed, first order: 1.59 times as quick as
  ours, but compiled anew for each length. With convolutions as products of taps and lengths free:
  1.53 times as quick as learn2learn's step.
- Second order, compiled, by a product with the Hessian that begins anew from each step's
  parameters: 1.29 times, 30.0 MiB. Utterances joined into one, without padding (7 % of the frames,
  11 % of the phones): 1.41. The convolution as one product of a batch, whose windows overlap in
  memory and are no copies: 1.47, in 5 MiB less. Linear layers of the speaker vector, some 80 calls
  on next to no data, written out: 1.50 in 22.2 MiB. A batch in two pieces: 5 MiB less, for 4 ms
  each time.
- The blocks' derivatives by hand inside the compiled code: no gain at first, 13.9 MiB in a product
  with the Hessian as before, because Inductor computes together with what was first what is to be
  computed anew. With fusion of operations near one another alone, results written early and the
  order of the program kept (`adaptts.fusion`): 8.5 MiB, a tenth quicker. Two of the three: 12 to
  13.5. No fusion of what only reads the same, or few buffers in a pass: 14.
- Differentiating the compiled gradient, where AOTAutograd keeps what is read again: 2 to 4 %
  quicker in three times the memory. All parameters as one vector: slower, by copies. Inductor's
  cpp_wrapper: no gain. The sum over windows as a product with ones: 3 % slower.
- The product as a forward derivative of the gradient (torch.func.jvp): as quick, 2.4 MiB less, but
  forward differentiation fixes every length, and of index_select's second derivative Inductor made
  0 where aot_eager was right.
- torch.autograd.Function inside torch.func.grad, differentiated twice: what Dynamo makes of it
  loses, without a word, all that depends on what the Function saved from a former one (at PyTorch
  2.13); `torch.compiler.allow_in_graph` around it is right.
- What makes the compiler fix a length: F.linear of three axes inside torch.func.grad (a product of
  matrices does not), F.embedding differentiated twice (index_select does not), a batch cut from
  another, for how it lies in memory (hence contiguous). It does not take torch.abs twice, whose
  second derivative it holds to be on another device.
- What compiling takes: 51 CPU seconds for first order, 76 more for second. From the cache: 12 and
  28, as all is traced anew.
- Where a compiled adaptation, 14 ms a step, has its time: 9 ms in the gradient, 3 to 5 in Adam,
  whose temporaries are memory new to the process, and which takes the root of zeros, that no
  gradient has reached, in 0.8 ms for 0.15; as PyTorch's fused operation, whose bits differ, 0.25.
  Adam in place, with the same bits: a sixth to a quarter quicker; not kept.
- Several tasks in one pass on the processor: 8 to 15 % quicker, for the memory of all; one task by
  the same way is a fifth slower at second order, a third at first. `together` stays off there.
"""

import argparse
import copy
import ctypes
import importlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from adaptts import params
from adaptts.adaptation import adapt
from adaptts.compilation import FEWER_FRAMES, PIECE_FRAMES, compiled_voice_loss
from adaptts.episodes.batch import Batch, place_frames, stack
from adaptts.inner_loop import Adam, GradientDescent, Parameters, descend
from adaptts.models.acoustic import SPEAKER
from adaptts.objectives import voice_loss, voice_losses
from adaptts.strategies.learner import Learner, Setting, seeded
from benchmarks.plain_operations import plain_operations

ROOT = Path(__file__).resolve().parents[1]
TASKS, SHOTS, INNER_STEPS, RATE = 4, 5, 5, 0.01
SPEAKERS, ADAPTATION_STEPS, ADAPTATION_RATE = 6, 20, 0.002
PHONES, MELS = 50, 80
MANNER = params.MannerParams(parameters="all", space={"adam": (ADAPTATION_RATE, ADAPTATION_RATE)})
EXPERIMENT = params.read(ROOT / "params.yaml")
SETTING = Setting(EXPERIMENT.model, EXPERIMENT.training.loss, PHONES, MELS, 14)


def draw_batch(seed: int) -> Batch:
    """Utterances of 20 to 25 phones and some 5.5 frames each."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.randint(20, 26, (SHOTS,), generator=generator).tolist()
    durations = [torch.randint(2, 10, (n,), generator=generator).float() for n in counts]
    phones = [torch.randint(1, PHONES, (n,), generator=generator) for n in counts]
    voicing = [torch.randint(0, 2, (n,), generator=generator).float() for n in counts]
    frames = [int(d.sum()) for d in durations]
    mel = [torch.randn(t, MELS, generator=generator) for t in frames]
    pad = partial(pad_sequence, batch_first=True)
    padded = pad(phones)
    return Batch(
        phones=padded,
        phone_mask=padded > 0,
        durations=pad(durations),
        pitch=pad([v * torch.randn(len(v), generator=generator) for v in voicing]),
        voicing=pad(voicing),
        frames=place_frames(pad(durations)),
        mel=pad(mel),
        speaker=torch.full((SHOTS,), -1),
    )


class Voice(nn.Module):
    """The acoustic model with the speaker vector that adapts with it; gives the loss."""

    def __init__(self) -> None:
        super().__init__()
        with seeded(0):
            learner = Learner(SETTING)
        self.acoustic = learner.acoustic
        self.speaker = nn.Parameter(learner.average_speaker().detach())

    def parts(self) -> Parameters:
        return {**dict(self.acoustic.named_parameters()), SPEAKER: self.speaker}

    def forward(self, batch: Batch) -> Tensor:
        return voice_loss(self.acoustic, self.parts(), batch, SETTING.loss)


@dataclass(frozen=True)
class Task:
    support: Batch
    query: Batch


MetaStep = Callable[[Voice, Task], None]


def own_loss(
    voice: Voice, adapted: Parameters, batch: Batch, compiled: bool, frames: int = PIECE_FRAMES
) -> Tensor:
    if compiled:
        return compiled_voice_loss(voice.acoustic, {}, adapted, batch, SETTING.loss, frames)
    return voice_loss(voice.acoustic, adapted, batch, SETTING.loss)


def ours(voice: Voice, task: Task, *, recompute: bool = False, compiled: bool = False) -> None:
    """As `Maml.accumulate_gradients`."""
    own_task_loss(voice, task, recompute, compiled).backward()


def own_task_loss(voice: Voice, task: Task, recompute: bool, compiled: bool) -> Tensor:
    frames = FEWER_FRAMES if recompute else PIECE_FRAMES
    steps = descend(
        lambda adapted: own_loss(voice, adapted, task.support, compiled, frames),
        voice.parts(),
        GradientDescent(RATE),
        differentiable=True,
        recompute=recompute and not compiled,
    )
    adapted, _ = next(islice(steps, INNER_STEPS - 1, None))
    return own_loss(voice, adapted, task.query, compiled, frames)


def ours_first_order(voice: Voice, task: Task, *, compiled: bool = False) -> None:
    steps = descend(
        lambda adapted: own_loss(voice, adapted, task.support, compiled),
        voice.parts(),
        GradientDescent(RATE),
    )
    adapted, _ = next(islice(steps, INNER_STEPS - 1, None))
    adapted = {name: value.requires_grad_() for name, value in adapted.items()}
    loss = own_loss(voice, adapted, task.query, compiled)
    gradients = torch.autograd.grad(loss, list(adapted.values()))
    for parameter, gradient in zip(voice.parts().values(), gradients, strict=True):
        parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


@cache
def learn2learn_maml(folder: Path) -> type:
    for name in ("learn2learn", "learn2learn.algorithms"):
        package = types.ModuleType(name)
        package.__path__ = [str(folder / name.replace(".", "/"))]
        sys.modules[name] = package
    return importlib.import_module("learn2learn.algorithms.maml").MAML


def learn2learn(voice: Voice, task: Task, *, folder: Path, first_order: bool = False) -> None:
    learner = learn2learn_maml(folder)(voice, lr=RATE, first_order=first_order).clone()
    for _ in range(INNER_STEPS):
        learner.adapt(learner(task.support))
    learner(task.query).backward()


def higher(voice: Voice, task: Task, *, first_order: bool = False) -> None:
    import higher as package

    optimiser = torch.optim.SGD(voice.parameters(), lr=RATE)
    with package.innerloop_ctx(
        voice, optimiser, copy_initial_weights=False, track_higher_grads=not first_order
    ) as (functional, inner):
        for _ in range(INNER_STEPS):
            inner.step(functional(task.support))
        loss = functional(task.query)
        if not first_order:
            loss.backward()
            return
        # Its own backward pass would not reach the initial weights.
        gradients = torch.autograd.grad(loss, list(functional.parameters()))
        for parameter, gradient in zip(voice.parameters(), gradients, strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


def ours_together(voice: Voice, tasks: list[Task], *, second_order: bool = True) -> None:
    """All tasks in one pass, as `Maml.accumulate_gradients` takes them with `together`."""
    support, query = stack([t.support for t in tasks]), stack([t.query for t in tasks])

    def loss(adapted: Parameters, batches: Batch) -> Tensor:
        return voice_losses(voice.acoustic, {}, adapted, batches, SETTING.loss).sum()

    steps = descend(
        lambda adapted: loss(adapted, support),
        {n: value.expand(len(tasks), *value.shape) for n, value in voice.parts().items()},
        GradientDescent(RATE),
        differentiable=True,
        second_order=second_order,
    )
    adapted, _ = next(islice(steps, INNER_STEPS - 1, None))
    loss(adapted, query).backward()


def plain(step: MetaStep) -> MetaStep:
    def run(voice: Voice, task: Task) -> None:
        with plain_operations():
            step(voice, task)

    return run


def contenders(folder: Path) -> dict[str, dict[str, MetaStep]]:
    peer = partial(learn2learn, folder=folder)
    peer_first = partial(peer, first_order=True)
    higher_first = partial(higher, first_order=True)
    return {
        "second order": {
            "ours": ours,
            "ours, recomputed": partial(ours, recompute=True),
            "ours, compiled": partial(ours, compiled=True),
            "ours, compiled, recomputed": partial(ours, recompute=True, compiled=True),
            "learn2learn": plain(peer),
            "higher": plain(higher),
            "learn2learn, our blocks": peer,
            "higher, our blocks": higher,
        },
        "first order": {
            "ours": ours_first_order,
            "ours, compiled": partial(ours_first_order, compiled=True),
            "learn2learn": plain(peer_first),
            "higher": plain(higher_first),
            "learn2learn, our blocks": peer_first,
            "higher, our blocks": higher_first,
        },
    }


def meta_step(step: MetaStep, voice: Voice, tasks: list[Task]) -> None:
    for task in tasks:
        step(voice, task)


def draw_tasks() -> list[Task]:
    return [Task(draw_batch(2 * seed), draw_batch(2 * seed + 1)) for seed in range(TASKS)]


def cpu_seconds(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def take_turns(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    for call in calls.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            seconds[name].append(cpu_seconds(call))
    return seconds


def gradient_of(step: MetaStep, voice: Voice, tasks: list[Task]) -> Tensor:
    voice.zero_grad()
    meta_step(step, voice, tasks)
    return torch.cat([p.grad.flatten() for p in voice.parameters() if p.grad is not None])


def compare_meta_steps(folder: Path, rounds: int) -> None:
    tasks, voice = draw_tasks(), Voice()
    for order, steps in contenders(folder).items():
        reference = gradient_of(steps["ours"], voice, tasks)
        apart = {
            name: (gradient_of(step, voice, tasks) - reference).abs().max().item()
            for name, step in steps.items()
        }
        calls = {name: partial(meta_step, step, voice, tasks) for name, step in steps.items()}
        seconds = take_turns(calls, rounds)
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        peer = min(
            (name for name in medians if not name.startswith("ours")), key=medians.__getitem__
        )
        print(
            f"\n{order}: contender, seconds, quicker than the quickest peer by, gradient apart "
            f"from ours (max) of {reference.abs().max().item():.1e}"
        )
        for name, values in seconds.items():
            ratios = [other / own for other, own in zip(seconds[peer], values, strict=True)]
            print(
                f"{name}: {medians[name]:.3f} s, {statistics.median(ratios):.2f}, "
                f"{apart[name]:.1e}",
                flush=True,
            )


def compare_compilation(folder: Path) -> None:
    """Into a cache that is empty at first, so that each finds what those before it compiled."""
    print("\nfirst step, CPU seconds with the compiler's; again, in a new process:", flush=True)
    environment = {**os.environ, "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    for order, steps in reversed(contenders(folder).items()):
        for name in (name for name in steps if "compiled" in name):
            for _ in range(2):
                command = [sys.executable, __file__, "--learn2learn", str(folder)]
                command += ["--compilation", order, name]
                subprocess.run(command, check=True, env=environment)


def measure_compilation(folder: Path, order: str, name: str) -> None:
    step, voice = contenders(folder)[order][name], Voice()
    seconds, compiled = [], []
    for task in draw_tasks()[:2]:
        before = sum(os.times()[:4])
        step(voice, task)
        seconds.append(sum(os.times()[:4]) - before)
        compiled.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    print(
        f"{order}, {name}: {seconds[0]:.1f}, {compiled[0]} functions; a step of other lengths "
        f"{seconds[1]:.2f}, {compiled[1] - compiled[0]} more",
        flush=True,
    )


def measure_memory(folder: Path, order: str, name: str) -> None:
    """Peak extra MiB of a step, in a process of its own."""
    step, task, voice = contenders(folder)[order][name], draw_tasks()[0], Voice()
    for _ in range(2):
        step(voice, task)
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # else the step would fill what the first ones left
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    step(voice, task)
    resident = _status("VmHWM") - before
    tensors = peak_of_tensors(lambda: step(voice, task))
    print(f"{order}, {name}: tensors {tensors:.1f}, resident {resident:.1f}", flush=True)


def peak_of_tensors(call: Callable[[], object]) -> float:
    """The most MiB that PyTorch's allocator holds in a call beyond what it held before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak / 2**20


def _status(field: str) -> float:
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(rf"{field}:\s+(\d+)", text).group(1)) / 1024


def compare_memory(folder: Path) -> None:
    print("\npeak extra MiB of one task:", flush=True)
    for order, steps in contenders(folder).items():
        for name in steps:
            command = [sys.executable, __file__, "--learn2learn", str(folder)]
            subprocess.run([*command, "--memory", order, name], check=True)


def adapt_ours(speaker: int, steps: int = ADAPTATION_STEPS, compiled: bool = False) -> float:
    """The loss in the end, to be compared."""
    voice, support, rule = Voice(), draw_batch(speaker), Adam(ADAPTATION_RATE)
    *_, last = adapt(
        voice.acoustic,
        voice.parts(),
        support,
        rule,
        MANNER,
        SETTING.loss,
        [0, steps],
        compile=compiled,
    )
    return last.support_loss


def adapt_naively(voice: Voice, support: Batch) -> float:
    own = copy.deepcopy(voice)
    optimiser = torch.optim.Adam(own.parameters(), lr=ADAPTATION_RATE)
    value = float("nan")
    for _ in range(ADAPTATION_STEPS):
        optimiser.zero_grad()
        loss = own(support)
        loss.backward()
        optimiser.step()
        value = loss.item()
    return value


def compare_adaptation(rounds: int) -> None:
    """Wall seconds, as the two use the cores differently. Workers are started beforehand."""
    supports, voice = [draw_batch(s) for s in range(SPEAKERS)], Voice()
    threads = torch.get_num_threads()
    with ProcessPoolExecutor(
        threads, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        ways = {"ours": adapt_ours, "ours, compiled": partial(adapt_ours, compiled=True)}
        own = {name: list(pool.map(way, range(SPEAKERS))) for name, way in ways.items()}
        seconds: dict[str, list[float]] = {name: [] for name in (*ways, "loop")}
        first = []
        for _ in range(rounds):
            for name, way in ways.items():
                started = time.perf_counter()
                list(pool.map(way, range(SPEAKERS)))
                seconds[name].append(time.perf_counter() - started)
            started = time.perf_counter()
            with plain_operations():
                first = [adapt_naively(voice, support) for support in supports]
            seconds["loop"].append(time.perf_counter() - started)
    print(
        f"\nadapting {SPEAKERS} speakers, {ADAPTATION_STEPS} steps, {threads} cores: a loop with "
        f"deepcopy and torch.optim.Adam {statistics.median(seconds['loop']):.2f} s"
    )
    for name, losses in own.items():
        ratios = [loop / mine for loop, mine in zip(seconds["loop"], seconds[name], strict=True)]
        apart = max(abs(a - b) for a, b in zip(losses, first, strict=True))
        print(
            f"{name}: {statistics.median(seconds[name]):.2f} s, ratio "
            f"{statistics.median(ratios):.2f}, losses apart by {apart:.1e}",
            flush=True,
        )


def compare_adaptation_of_one(rounds: int) -> None:
    """One speaker on one thread, in CPU seconds: what a busy machine tells more surely."""
    torch.set_num_threads(1)
    voice, support = Voice(), draw_batch(0)

    def loop() -> None:
        with plain_operations():
            adapt_naively(voice, support)

    seconds = take_turns(
        {
            "ours": partial(adapt_ours, 0),
            "ours, compiled": partial(adapt_ours, 0, compiled=True),
            "loop": loop,
        },
        rounds,
    )
    print(f"\nadapting a speaker, {ADAPTATION_STEPS} steps, CPU seconds, ratio:")
    for name, values in seconds.items():
        ratios = [one / own for one, own in zip(seconds["loop"], values, strict=True)]
        print(
            f"{name}: {statistics.median(values):.3f} s, {statistics.median(ratios):.2f}",
            flush=True,
        )


def compare_together(device: str, rounds: int) -> None:
    """Tasks in one pass beside one after another, and how much of the device either uses."""
    voice = Voice().to(device)
    tasks = [
        Task(*[batch.map(lambda tensor: tensor.to(device)) for batch in (t.support, t.query)])
        for t in draw_tasks()
    ]
    peak = peak_of_products(device)
    name = torch.cuda.get_device_name() if device == "cuda" else "one core of the processor"
    print(f"{name}: a large product of matrices runs at {peak / 1e12:.2f} TFLOP/s (float32)")
    for order, own, second_order in (
        ("second order", ours, True),
        ("first order", ours_first_order, False),
    ):
        together = partial(ours_together, voice, tasks, second_order=second_order)
        calls = {"one by one": partial(meta_step, own, voice, tasks), "together": together}
        seconds: dict[str, list[float]] = {way: [] for way in calls}
        for call in calls.values():
            call()
        for _ in range(rounds):
            for way, call in calls.items():
                seconds[way].append(device_seconds(call, device))
        print(f"\n{order}: way, seconds, quicker than one by one, TFLOP/s, share of that product")
        for way, values in seconds.items():
            ratio = statistics.median(
                one / other for one, other in zip(seconds["one by one"], values, strict=True)
            )
            with FlopCounterMode(display=False) as counter:
                calls[way]()
            speed = counter.get_total_flops() / statistics.median(values)
            print(
                f"{way}: {statistics.median(values):.4f} s, {ratio:.2f}, {speed / 1e12:.3f}, "
                f"{speed / peak:.1%}",
                flush=True,
            )


def peak_of_products(device: str, size: int = 2048) -> float:
    """FLOP/s of the quickest of a few products of square matrices."""
    matrix = torch.randn(size, size, device=device)
    return 2 * size**3 / min(device_seconds(lambda: matrix @ matrix, device) for _ in range(10))


def device_seconds(call: Callable[[], object], device: str) -> float:
    """CPU seconds, or the wall's until a GPU has done all of a call."""
    if device == "cpu":
        return cpu_seconds(call)
    torch.cuda.synchronize()
    started = time.perf_counter()
    call()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def measure_growth(rounds: int) -> None:
    """What one more inner step of an adaptation takes: time, and memory of the allocator."""
    torch.set_num_threads(1)
    print("\nadaptation steps, CPU seconds a step, peak extra MiB of tensors:")
    for steps in (5, 10, 20, 40):
        call = partial(adapt_ours, 0, steps)
        call()
        seconds = statistics.median(cpu_seconds(call) for _ in range(rounds)) / steps
        print(f"{steps}, {seconds:.4f}, {peak_of_tensors(call):.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learn2learn", type=Path, help="the unpacked archive")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="tasks together there, alone")
    parser.add_argument("--rounds", type=int, default=9)
    for what in ("--memory", "--compilation"):
        parser.add_argument(what, nargs=2, metavar=("ORDER", "CONTENDER"), help="that one alone")
    arguments = parser.parse_args()
    if not (arguments.learn2learn or arguments.device):
        parser.error("--learn2learn names its unpacked archive: see the top of this file")
    if arguments.device:
        torch.set_num_threads(1)
        compare_together(arguments.device, arguments.rounds)
        return
    if arguments.memory:
        torch.set_num_threads(1)
        measure_memory(arguments.learn2learn, *arguments.memory)
        return
    if arguments.compilation:
        torch.set_num_threads(1)
        measure_compilation(arguments.learn2learn, *arguments.compilation)
        return
    with tempfile.TemporaryDirectory() as cache:
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", cache)
        compare(arguments.learn2learn, arguments.rounds)


def compare(folder: Path, rounds: int) -> None:
    compare_compilation(folder)
    compare_adaptation(rounds)
    compare_adaptation_of_one(rounds)
    measure_growth(rounds)
    compare_meta_steps(folder, rounds)
    compare_memory(folder)


if __name__ == "__main__":
    main()
