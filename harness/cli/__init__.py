"""The commands: parse, call, print. No logic of their own."""

from __future__ import annotations

import signal
import sys
from typing import Any

import click

from harness.cli import keeping, measuring, reading
from harness.workflow.codes import BAD_ANSWER, BAD_QUESTION, DONE, INTERRUPTED, say
from kernels.api import InputError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="scalemark", prog_name="scalemark")
def cli() -> None:
    """How does this scale, is that number true, and did it get worse?

    Kernels (allreduce, input pipeline, training step, quantum circuits) are measured over ranks, backends and
    parameters; every sample is kept, and the samples become scaling tables.

    \b
    scalemark list                                           what can be measured here
    scalemark run qcnn_layer --set batch=64                  one case
    scalemark sweep allreduce --ranks-per-node 1,2           one kernel over ranks
    scalemark sweep local_strong local_weak                  the sweeps of benchmarks/
    scalemark table                                          the scaling tables once more
    scalemark compare @main results                          did it get worse? (see `scalemark baseline`)
    scalemark history qcnn_layer                             when did it change?
    scalemark report                                         all of it as a page to look at
    scalemark doctor                                         what is here and what will bite
    eval "$(_SCALEMARK_COMPLETE=bash_source scalemark)"      completion in this shell; or zsh_source, fish_source

    Exit codes: 0 done and clean; 1 the answer is bad (a failed or missing case, a failed check, a damaged file in the
    results); 2 the question is bad (usage, a malformed file); 3 nothing is bad, but a comparison stayed inconclusive;
    130 interrupted.
    """


for command in (*measuring.COMMANDS, *reading.COMMANDS, *keeping.COMMANDS):
    cli.add_command(command)


def main() -> None:
    """Entry point: runs a command and turns its outcome into an exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("interrupted; what was measured is kept, and the same command goes on from there")
        code = INTERRUPTED
    except InputError as error:
        say(str(error))
        code = BAD_QUESTION
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()
            sys.exit(DONE)
        place = f"{error.filename}: " if error.filename else ""
        say(f"{place}{error.strerror or error}; what was measured is kept, and the same command goes on from there")
        code = BAD_ANSWER
    sys.exit(code or DONE)


def _interrupt(signum: int, frame: Any) -> None:
    raise KeyboardInterrupt
