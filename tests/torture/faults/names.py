"""Faults of a running bridge, by name: each returns the process that runs afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tests.torture.arena import Arena
from tests.torture.faults import documents, interruptions, resources
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
        documents.device_strays,
        documents.few_strays,
        documents.device_strays_offline,
        documents.device_deep,
        documents.device_deep_offline,
        documents.mongo_strays,
        resources.second_bridge,
        resources.state_lost,
        resources.state_replaced,
        resources.store_replaced,
        resources.state_disk_full,
        resources.files_limited,
        resources.dropped,
        resources.renamed,
        resources.device_deletes_most,
    )
}
