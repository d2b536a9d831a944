"""Runs in MLflow: one parent run for each experiment, and below it one for each training.

They go to `mlflow.db` and `mlartifacts/` in this folder, or to the server that
MLFLOW_TRACKING_URI names. `mlflow ui --backend-store-uri sqlite:///mlflow.db` shows them.
A run belongs to the fingerprint of its stage: the same training, interrupted, goes on in its run,
and finished, gets no second one; other parameters or data make a new run and mark the old one.
"""

import contextlib
import logging
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from pipeline.stage import Stage, flatten

if TYPE_CHECKING:  # importing MLflow takes seconds, so that only who logs pays for it
    from mlflow import MlflowClient
    from mlflow.entities import Run

EXPERIMENT = "adaptts"
LOCAL = Path("mlflow.db"), Path("mlartifacts")  # without a server
SEND_SECONDS = 5.0  # between two requests to the server
SHOW_SECONDS = 10.0  # between two lines on the terminal
BATCH = 1000  # metrics that the server takes at once

NAME, STAGE = "adaptts.experiment", "adaptts.stage"  # tags that find a run
FINGERPRINT, SUPERSEDED = "adaptts.fingerprint", "adaptts.superseded"
WHOLE = "all"  # in the place of a stage: the parent run, of all stages

Log = Callable[[int, Mapping[str, float]], None]


@contextlib.contextmanager
def training(stage: Stage) -> Iterator[Log]:
    """Yield `log(step, metrics)`, which shows how the stage gets on, and sends it to MLflow.

    Raises ValueError if the tracking server does not answer now; when it falls silent later, that
    is a warning and the training goes on.
    """
    client = connect()
    with _alone():
        run = _training_run(client, stage)
    finished = run.info.status == "FINISHED"
    curve = Curve(stage.address, None if finished else client, run.info.run_id)
    try:
        yield curve.log
    except BaseException as error:
        curve.end("FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    curve.end("FINISHED")


def conclude(stage: Stage, metrics: Mapping[str, float], folder: Path) -> None:
    """Attach the experiment's evaluation and its report, all of `folder`, to the parent run.

    Raises ValueError if the tracking server does not answer.
    """
    client = connect()
    with _alone():
        parent = _parent_run(client, stage.params.name)
    run_id = parent.info.run_id
    with _answering(str(client.tracking_uri)):
        curve = Curve(stage.address, client, run_id)
        curve.add(0, metrics)
        curve.send()
        client.log_artifact(run_id, "params.yaml")
        client.log_artifacts(run_id, str(folder), folder.name)
        client.set_terminated(run_id, "FINISHED")


def tracked(stage: Stage) -> tuple[dict[str, str], str, str]:
    """The trainings of the stage's experiment that no later one has replaced.

    Returns the id of each stage's run; what precedes an id in the address of a run's page, ""
    without a server; and the command that shows the runs then, else "". Raises ValueError if the
    tracking server does not answer.
    """
    client = connect()
    uri = str(client.tracking_uri)
    with _answering(uri):
        experiment = _experiment(client)
        query = f"tags.`{NAME}` = '{stage.params.name}' and tags.`{SUPERSEDED}` = 'false'"
        # The newest comes first, and is what remains.
        found = client.search_runs([experiment], query, order_by=["attributes.start_time DESC"])
    runs = {run.data.tags[STAGE]: run.info.run_id for run in reversed(found)}
    is_server = uri.startswith(("http://", "https://"))
    pages = f"{uri.rstrip('/')}/#/experiments/{experiment}/runs/" if is_server else ""
    command = "" if is_server else f"mlflow ui --backend-store-uri sqlite:///{LOCAL[0]}"
    return dict(sorted(runs.items())), pages, command


def connect() -> "MlflowClient":
    """A client of the tracking server, which has answered.

    Raises ValueError that names the address and the remedy.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # A server that is down must not be waited for: the default is 7 retries of 2 minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    from mlflow import MlflowClient

    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    server = os.environ.get("MLFLOW_TRACKING_URI")
    database, artifacts = (path.resolve() for path in LOCAL)
    uri = server or f"sqlite:///{database}"
    with _alone(), _answering(uri):
        client = MlflowClient(tracking_uri=uri)
        if client.get_experiment_by_name(EXPERIMENT) is None:
            place = None if server else artifacts.as_uri()
            client.create_experiment(EXPERIMENT, artifact_location=place)
    return client


@dataclass
class Curve:
    """Metrics of a run on their way to the terminal and, in batches, to the server."""

    address: str
    client: "MlflowClient | None"  # None: shown only
    run_id: str

    def __post_init__(self) -> None:
        self.waiting: list[Any] = []
        self.started = time.monotonic()
        self.sent = self.shown = self.started
        self.step = 0

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        now = time.monotonic()
        self.step = step
        if now - self.shown >= SHOW_SECONDS:
            values = " ".join(f"{name} {value:.4g}" for name, value in metrics.items())
            print(f"{self.address} step {step} {values}", file=sys.stderr, flush=True)
            self.shown = now
        self.add(step, metrics)
        if now - self.sent >= SEND_SECONDS:
            self.try_to_send()

    def add(self, step: int, metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        self.waiting += [Metric(name, float(v), now_ms, step) for name, v in metrics.items()]

    def send(self) -> None:
        """Send what waits."""
        self.sent = time.monotonic()
        while self.client and self.waiting:
            self.client.log_batch(self.run_id, metrics=self.waiting[:BATCH])
            del self.waiting[:BATCH]

    def try_to_send(self) -> None:
        """Send what waits, or keep it if the server does not answer."""
        from mlflow.exceptions import MlflowException

        try:
            self.send()
        except MlflowException as error:
            print(f"{self.address}: MLflow does not answer; going on. {error}", file=sys.stderr)

    def end(self, status: str) -> None:
        """Send the rest and what it cost, and close the run."""
        from mlflow.exceptions import MlflowException

        if self.client is None:
            return
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cost = {
            "system/wall_seconds": time.monotonic() - self.started,
            "system/cpu_seconds": time.process_time(),
            "system/peak_memory_bytes": float(usage.ru_maxrss * 1024),
        }
        self.add(self.step, cost)
        self.try_to_send()
        with contextlib.suppress(MlflowException):
            self.client.set_terminated(self.run_id, status)


def _alone() -> FileLock:
    """Concurrent first uses would each create the tables, the experiment and the parent run."""
    return FileLock(f"{LOCAL[0].resolve()}.lock")  # beside the database, which may be a link


@contextlib.contextmanager
def _answering(uri: str) -> Iterator[None]:
    """Turn MLflow's errors into one that says what to do."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise ValueError(
            f"MLflow at {uri} does not answer ({error!s:.300}); start its server, set "
            f"MLFLOW_TRACKING_URI to another, or unset it to use {LOCAL[0]}"
        ) from error


def _training_run(client: "MlflowClient", stage: Stage) -> "Run":
    """The run of this very training, resumed or made; runs of its earlier versions are marked."""
    from mlflow.entities import Param

    parent = _parent_run(client, stage.params.name)
    fingerprint = stage.fingerprint()
    mine = None
    for run in _find(client, stage.params.name, stage.address):
        is_mine = run.data.tags.get(FINGERPRINT) == fingerprint
        client.set_tag(run.info.run_id, SUPERSEDED, str(not is_mine).lower())
        mine = run if is_mine else mine
    if mine is None:
        tags = {
            "mlflow.parentRunId": parent.info.run_id,
            FINGERPRINT: fingerprint,
            SUPERSEDED: "false",
        }
        mine = _create(client, stage.params.name, stage.address, stage.address, tags)
        values = {**stage.item, **flatten(stage.parameters())}
        client.log_batch(
            mine.info.run_id, params=[Param(name, str(value)) for name, value in values.items()]
        )
    elif mine.info.status != "FINISHED":
        client.update_run(mine.info.run_id, status="RUNNING")
    return mine


def _parent_run(client: "MlflowClient", name: str) -> "Run":
    """The run of the experiment `name`, found or made."""
    found = _find(client, name, WHOLE)
    return found[0] if found else _create(client, name, WHOLE, name, {})


def _find(client: "MlflowClient", name: str, address: str) -> list["Run"]:
    """The runs of a stage of the experiment `name`."""
    query = f"tags.`{NAME}` = '{name}' and tags.`{STAGE}` = '{address}'"
    return list(client.search_runs([_experiment(client)], query))


def _create(
    client: "MlflowClient", name: str, address: str, title: str, tags: Mapping[str, str]
) -> "Run":
    return client.create_run(
        _experiment(client), tags={**tags, NAME: name, STAGE: address}, run_name=title
    )


def _experiment(client: "MlflowClient") -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None or found.lifecycle_stage != "active":
        raise ValueError(
            f"MLflow's experiment {EXPERIMENT!r} is deleted; bring it back with "
            f"`mlflow experiments restore` or delete it for good with `mlflow gc`"
        )
    return found.experiment_id
