"""Faults of a running bridge, by name: each returns the process that runs afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tests.torture import belongings, interruptions, odd_documents
from tests.torture.arena import Arena
from tests.torture.process import Process

Fault = Callable[[Arena, Process], Process]

FAULTS: Final[Mapping[str, Fault]] = {
    each.__name__: each
    for each in (
        interruptions.calm,
        interruptions.killed,
        interruptions.stopped,
        interruptions.clock_back,
        interruptions.clock_forward,
        interruptions.clock_swings,
        interruptions.position_lost,
        interruptions.images_off,
        interruptions.transactions,
        interruptions.server_killed,
        interruptions.link_cut,
        interruptions.step_down,
        interruptions.commits_in_doubt,
        odd_documents.device_strays,
        odd_documents.few_strays,
        odd_documents.device_strays_offline,
        odd_documents.device_deep,
        odd_documents.device_deep_offline,
        odd_documents.mongo_strays,
        belongings.second_bridge,
        belongings.state_lost,
        belongings.state_replaced,
        belongings.store_replaced,
        belongings.state_disk_full,
        belongings.files_limited,
        belongings.dropped,
        belongings.renamed,
        belongings.device_deletes_most,
    )
}
