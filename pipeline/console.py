"""Snakemake's progress on the terminal, a line for each event."""

import logging
import re
import sys
import time

from snakemake_interface_logger_plugins.common import LogEvent

# What the summary of pipeline.plan has said, or what says nothing about the stages.
NOISE = re.compile(
    r"Assuming |Building DAG|Using shell|Select jobs|Execute \d|Reasons:|Nothing to be done"
    r"|\d+ jobs have missing|Complete log|RuleException:\nCalledProcessError|Exiting because"
)
SILENT = {
    LogEvent.WORKFLOW_STARTED,
    LogEvent.RESOURCES_INFO,
    LogEvent.SHELLCMD,
    LogEvent.JOB_STARTED,
}


class Console(logging.Handler):
    """Tells of each stage when it starts, ends or fails, between the stages' own lines."""

    def __init__(self, dry_run: bool) -> None:
        super().__init__()
        self.start = "would run" if dry_run else "start"
        self.finished = ""
        self.targets = 0  # jobs that only ask for others: the rule `all`

    def emit(self, record: logging.LogRecord) -> None:
        line = self.describe(record)
        if line:
            print(line, file=sys.stderr, flush=True)

    def describe(self, record: logging.LogRecord) -> str | None:
        """The line for an event; None if there is nothing to say."""
        fields = vars(record)
        now = time.strftime("%H:%M:%S")
        match fields.get("event"):
            case LogEvent.JOB_INFO:
                reason = fields["rule_msg"]
                return f"{now} {self.start} {reason}" if reason else None
            case LogEvent.RUN_INFO:
                self.targets = fields["stats"].get("all", 0)
                return None
            case LogEvent.JOB_FINISHED:  # PROGRESS follows at once
                self.finished = record.getMessage().partition("Rule: ")[2].rstrip(")")
                return None
            case LogEvent.PROGRESS:
                if self.finished == "all":
                    return None
                total = fields["total"] - self.targets
                return f"{now} done {self.finished} ({fields['done']} of {total})"
            case LogEvent.JOB_ERROR:
                where = ", ".join(f"{name} {value}" for name, value in fields["aux"].items())
                return f"{now} FAILED {fields['rule_name']}: see {where or 'its message above'}"
            case event if event in SILENT:
                return None
        message = record.getMessage()
        return None if NOISE.match(message) else message


def simplify(dry_run: bool) -> None:
    """Put a Console in the place of Snakemake's own handler, unless another one was asked for."""
    logger = logging.getLogger("snakemake.logging")
    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            logger.removeHandler(handler)
            logger.addHandler(Console(dry_run))
