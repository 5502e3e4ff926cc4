"""The process that draws event pages for :mod:`pipelines.show.live_pages`: jobs on standard input, answers on output.

``python -m pipelines.show.page_writer FOLDER KEPT NICENESS``. A job is its length (8 bytes, little endian) and a
pickle, from the daemon that started this and from nobody else. It answers ``ok PAGE`` or ``no REASON``, one line each.
"""

from __future__ import annotations

import os
import pickle
import struct
import sys
from pathlib import Path
from typing import BinaryIO, TextIO

from pipelines.show.evidence import PageJob
from pipelines.show.page_folder import PageFolder
from stream.codec.alert import decode
from stream.errors import TocsinError
from stream.text import clean

_LENGTH = struct.Struct("<Q")


def serve(folder: PageFolder, jobs: BinaryIO, answers: TextIO) -> None:
    """Write a page for each job until there are no more."""
    while len(head := jobs.read(_LENGTH.size)) == _LENGTH.size:
        job: PageJob = pickle.loads(jobs.read(*_LENGTH.unpack(head)))
        try:
            answer = f"ok {folder.add(*decode(job.value, job.headers), job.evidence)}"
        except (TocsinError, OSError) as error:
            answer = f"no {error}"
        except Exception as error:  # a supervisor: one alert that cannot be drawn costs no other its page
            answer = f"no {error!r}"
        print(clean(answer), file=answers, flush=True)


if __name__ == "__main__":
    os.nice(int(sys.argv[3]))
    kept = PageFolder(Path(sys.argv[1]), int(sys.argv[2]))
    kept.write_index()
    serve(kept, sys.stdin.buffer, sys.stdout)
