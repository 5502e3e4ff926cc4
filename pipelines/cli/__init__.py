"""The command ``tocsin``. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 4 another daemon
took over (a supervisor must not start this one again), 130 interrupted.

0 is also the end of a command that SIGTERM told to leave, or whose output nobody reads any more (``| head -1``).

Results go to stdout (with ``--json`` for programs), logs and progress to stderr. One module per group of commands,
thin; what a command needs is imported when it runs, so that ``subscribe`` or ``--help`` load none of the search.
"""

from pipelines.cli.entry import app, main

__all__ = ["app", "main"]
