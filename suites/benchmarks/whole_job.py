"""The whole job on a server of its own: `python -m suites.benchmarks.whole_job DIRECTORY ORDERS` prints JSON.

In a process of its own, so that its peak memory is the client's and nothing else's.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pymongo import MongoClient

from conformance.checks.base import Context
from conformance.connection.decoding import OPTIONS
from conformance.embedded.server import EmbeddedServer
from conformance.rules.catalogue import DATA_FAMILIES
from conformance.run.runner import Run
from conformance.run.session import load_project
from conformance.server import provision
from generator.columns.plan import Plan
from generator.dataset import SHAPES
from generator.loader import load
from suites.benchmarks.tables import processor_seconds


def main(directory: Path, orders: int) -> dict[str, float]:
    """Seconds of each step, by the clock and (_cpu) of client and server together; documents; client's peak memory, MB.

    Raises ValueError when the data rules do not all pass or skip: the figures would be those of another job.
    """
    project = load_project(num_orders=orders)
    found: dict[str, float] = {}
    with EmbeddedServer(directory) as server, MongoClient(server.uri) as client:
        database = client.get_database("zava", codec_options=OPTIONS)

        @contextmanager
        def timed(step: str) -> Iterator[None]:
            clock, used = time.perf_counter(), processor_seconds(server.pid) + time.process_time()
            yield
            found[step] = time.perf_counter() - clock
            found[f"{step}_cpu"] = processor_seconds(server.pid) + time.process_time() - used

        with timed("generate"):
            provision.apply(provision.plan(project.model, database, parts=SHAPES), database)
            plan = Plan(project.model, project.configuration, project.settings)
            counts = load(plan.documents(), database, project.settings.batch_size)
        with timed("provision"):
            provision.apply(provision.plan(project.model, database), database)
        with timed("validate"):
            context = Context(project.model, project.configuration, project.settings, database, True, None)
            with Run([rule for rule in project.rules if rule.family in DATA_FAMILIES], context) as run:
                odd = [result for result in run.results() if result.status not in ("passed", "skipped")]
        if odd:
            raise ValueError(f"{odd[0].id}: {odd[0].status}: {odd[0].reason or odd[0].samples}")
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024
    return found | {"documents": sum(counts.values()), "memory": peak}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
