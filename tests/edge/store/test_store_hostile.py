"""The store during failures: one error line with the fix, no loss of committed documents, and no hanging.

Everything here runs in processes of its own: native code may end them.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

from edge.store.sdk import unavailable
from tests.edge.store.processes import ROWS, output_of, read, started

pytestmark = [
    pytest.mark.ditto,
    pytest.mark.skipif(unavailable() is not None, reason=str(unavailable())),
]

PACKAGES = Path(sysconfig.get_path("purelib"))


# The machine


def test_missing_sdk_is_one_error() -> None:
    script = "sys.modules['ditto'] = None\nfrom edge.store.sdk import unavailable\nprint(unavailable())"
    (line,) = output_of(script)
    assert line.startswith("the Ditto SDK is not installed (")
    assert "pip install 'zava-conformance[ditto]'" in line
    assert line.endswith(
        "it runs on Linux with glibc 2.35 or newer (Debian 12, Ubuntu 22.04) and on macOS with Apple silicon"
    )


@pytest.fixture
def bare_sdk(tmp_path: Path) -> Path:
    """A folder with a copy of the SDK without its native library."""
    shutil.copytree(PACKAGES / "ditto", tmp_path / "packages" / "ditto", ignore=shutil.ignore_patterns("_native"))
    return tmp_path / "packages"


OPEN = "report(lambda: Store.open(paths[0]))"


def test_missing_native_library_is_one_error(bare_sdk: Path, tmp_path: Path) -> None:
    (line,) = output_of(OPEN, tmp_path / "store", PYTHONPATH=str(bare_sdk))
    assert line.startswith("TargetError the Ditto SDK cannot be loaded (Could not load libdittoffi.")
    assert "install it again; it runs on Linux with glibc 2.35" in line


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no glibc")
def test_old_c_library_is_one_error(bare_sdk: Path, tmp_path: Path) -> None:
    """The library requires a newer glibc than installed: its copy has another version requirement."""
    (some, *_) = PACKAGES.glob("_cbor2*.so")
    library = tmp_path / "libdittoffi.so"
    library.write_bytes(some.read_bytes().replace(b"GLIBC_2.14\0", b"GLIBC_9.14\0"))
    (line,) = output_of(OPEN, tmp_path / "store", PYTHONPATH=str(bare_sdk), DITTOFFI_LIB_PATH=str(library))
    assert line.startswith(
        "TargetError the Ditto SDK cannot be loaded (it wants glibc 9.14): install it again; it runs on"
    )


def test_signal_during_the_import_of_the_sdk_ends_the_command(tmp_path: Path) -> None:
    """The import takes a moment: zava sync had failed with UnboundLocalError."""
    (tmp_path / "ditto.py").write_text("import os\nos.kill(os.getpid(), 2)\n", encoding="utf-8")
    script = "try:\n    Store.open(paths[0])\nexcept KeyboardInterrupt:\n    print('interrupted')"
    assert output_of(script, tmp_path / "store", PYTHONPATH=str(tmp_path)) == ["interrupted"]


def test_stderr_stays_quiet_and_may_be_closed(tmp_path: Path) -> None:
    script = "os.close(2)\n" if os.name == "posix" else ""
    lines = "report(lambda: [Store.open(paths[0]).insert('c', [{'_id': 1}]), Store.open(paths[1]).count('c')])"
    assert output_of(lines, tmp_path / "a", tmp_path / "b") == ["[1, 0]"]
    assert output_of(script + lines, tmp_path / "c", tmp_path / "d") == ["[1, 0]"]


# The directory


def test_store_in_use_by_another_process_is_rejected(tmp_path: Path) -> None:
    holder = started("with Store.open(paths[0]):\n    print('open', flush=True); threading.Event().wait()", tmp_path)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "open\n"
        (line,) = output_of(OPEN, tmp_path)
    finally:
        holder.kill()
        read(holder)
    assert line.startswith(f"TargetError {tmp_path}: the store is open already, in this process or another; close it")
    assert output_of("with Store.open(paths[0]) as store: print(store.count('c'))", tmp_path) == ["0"]


def test_store_in_use_by_this_process_is_rejected(tmp_path: Path) -> None:
    lines = output_of(
        "with Store.open(paths[0]) as store: report(lambda: Store.open(paths[0])); print(store.count('c'))", tmp_path
    )
    assert lines[0].startswith(f"TargetError {tmp_path}: the store is open already")
    assert lines[1:] == ["0"]


def test_path_that_cannot_be_a_directory_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    script = "report(lambda: Store.open(paths[0])); report(lambda: Store.open(paths[1]))"
    first, second = output_of(script, tmp_path / "file", tmp_path / "file" / "below")
    assert first == f"TargetError {tmp_path}/file: cannot be made: File exists; use another directory"
    assert second == f"TargetError {tmp_path}/file/below: cannot be made: Not a directory; use another directory"


def test_unwritable_directory_is_rejected() -> None:
    """The user is not root, who may write everywhere; the directory is therefore outside of pytest's private ones."""
    script = """
import edge.store.sdk; edge.store.sdk.load()
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
report(lambda: Store.open(paths[0])); report(lambda: Store.open(paths[0] / "below"))
"""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o555)
        first, second = output_of(script, place)
        place.chmod(0o755)
    assert first == f"TargetError {place}: cannot be written; give yourself the right to, or use another directory"
    assert second == f"TargetError {place}/below: cannot be made: Permission denied; use another directory"


def test_damaged_store_is_reported(tmp_path: Path) -> None:
    output_of(ROWS + "with Store.open(paths[0]) as store: store.insert('c', rows)", tmp_path)
    with (tmp_path / "ditto_store" / "db.sql").open("r+b") as database:
        database.write(b"garbage!" * 400)
    (line,) = output_of(OPEN, tmp_path)
    assert line.startswith(f"TargetError {tmp_path}: Ditto cannot open a store there: ")
    assert line.endswith("if a store is damaged, move it away and start again")


# The disk


def test_full_disk_is_reported_at_the_start(tmp_path: Path) -> None:
    script = "import edge.store.store; edge.store.store.ROOM = 2**60\n" + OPEN
    (line,) = output_of(script, tmp_path)
    assert line.startswith(f"TargetError {tmp_path}: ")
    assert line.endswith(f"bytes are free there; a store needs {2**60:,}: make room")


def test_disk_that_fills_up_loses_no_committed_document(tmp_path: Path) -> None:
    """Files are limited to 2 MB, as on a full disk; later the limit is removed."""
    script = (
        ROWS
        + """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Store.open(paths[0]) as store:
    _, unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, unlimited))
    written = 0
    try:
        while written < 100_000:
            written += store.insert("c", [{**row, "_id": [written, row["_id"]]} for row in rows])
    except TargetError as error:
        print(error)
    print(0 < written < 100_000 and store.count("c") - written)
    resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))
    print(store.insert("c", rows))
    print(store.count("c") - written)
with Store.open(paths[0]) as store:
    print(store.count("c") - written)
"""
    )
    first, *rest = output_of(script, tmp_path)
    assert first.startswith(f"{tmp_path}: the store fails (")
    assert first.endswith("); free space or check the disk, and start again; committed data is kept")
    assert rest == ["0", "1000", "1000", "1000"]
