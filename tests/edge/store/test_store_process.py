"""The store when its process is forked, killed, or left by the SDK: nothing hangs, and committed documents stay."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from edge.store.sdk import unavailable
from edge.store.statements import BATCH
from tests.edge.store.processes import ROWS, output_of, read, started

pytestmark = [
    pytest.mark.ditto,
    pytest.mark.skipif(unavailable() is not None, reason=str(unavailable())),
]


def test_store_is_unusable_after_a_fork(tmp_path: Path) -> None:
    script = """
with Store.open(paths[0]) as store:
    child = os.fork()
    if not child:
        report(lambda: store.count("c"))
        store.close()
        sys.stdout.flush()
        os._exit(0)
    print(os.waitpid(child, 0)[1], store.insert("c", [{"_id": 1}]))
"""
    refusal, rest = output_of(script, tmp_path)
    assert refusal.startswith(
        f"TargetError {tmp_path}: the store was opened before a fork, which Ditto does not survive"
    )
    assert rest == "0 1"


def test_unclosed_store_is_closed_at_exit(tmp_path: Path) -> None:
    script = """
store = Store.open(paths[0])
called = threading.Event()
store.observe("SELECT * FROM c", lambda rows: called.set() or time.sleep(10**6))
store.insert("c", [{"_id": 1}])
print(called.wait(30))
"""
    assert output_of(script, tmp_path) == ["True"]
    assert output_of("with Store.open(paths[0]) as store: print(store.count('c'))", tmp_path) == ["1"]


def test_process_ends_although_the_sdk_does_not(tmp_path: Path) -> None:
    """A held handle makes closing wait for ever, as a call inside the SDK did once."""
    script = """
store = Store.open(paths[0])
store.insert("c", [{"_id": 1}])
held = store._peer._native_handle
sdk_thread.PATIENCE = 0.1
report(store.close)
"""
    (line,) = output_of(script, tmp_path)
    assert line.startswith(f"TargetError {tmp_path}: the store did not close within 0.1 seconds; end the process")
    assert output_of("with Store.open(paths[0]) as store: print(store.count('c'))", tmp_path) == ["1"]


LOAD = (
    ROWS
    + """
with Store.open(paths[0]) as store:
    written = 0
    while True:
        written += store.insert("c", [{**row, "_id": [written, row["_id"]]} for row in rows])
        print(written, flush=True)
"""
)


@pytest.mark.parametrize(("number", "ending"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGKILL, -signal.SIGKILL)])
def test_killed_load_keeps_acknowledged_documents(tmp_path: Path, number: signal.Signals, ending: int) -> None:
    """Acknowledged documents of the load exist afterwards, in whole thousands."""
    process = started(LOAD, tmp_path)
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(3)]
    process.send_signal(number)
    rest, err = read(process)
    assert process.returncode == ending
    assert err.strip().splitlines()[-1:] == (["KeyboardInterrupt"] if number is signal.SIGINT else [])
    last = int((rest.split() or [acknowledged[-1]])[-1])
    (count,) = output_of("with Store.open(paths[0]) as store: print(store.count('c'))", tmp_path)
    assert int(count) in (last, last + BATCH)
