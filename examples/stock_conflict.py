"""An afternoon offline: three tills sell the same product, its stock level kept as a REGISTER and as a COUNTER.

Runs on the model of merging, without a server: .venv/bin/python examples/stock_conflict.py
"""

from __future__ import annotations

from typing import Final

from edge.crdt.hybrid_clock import Clock
from edge.crdt.operations import Increment, Insert, Operation, Restart, Set
from edge.crdt.replica import Replica

START: Final = 100
#: Pieces sold at each sale, by till; a sale takes place every minute, at each till in turn.
SALES: Final = {"till 1": (2, 1, 4, 1), "till 2": (3, 3, 1, 1), "till 3": (1, 5, 2, 4)}
STOCK: Final = ("stock_level",)
PRODUCT: Final = "drill"


def opened(*operations: Operation) -> dict[str, Replica]:
    """Return the tills in the morning, when they have all heard of the stock."""
    office = Replica(Clock("office"))
    for operation in operations:
        office, _ = office.write(PRODUCT, operation, 0)
    return {till: Replica(Clock(till)).receive(office.state()) for till in SALES}


def afternoon(tills: dict[str, Replica], *, counter: bool) -> None:
    """Sell offline, meet again, and print what every till reads then."""
    sold = 0
    for minute, quantities in enumerate(zip(*SALES.values(), strict=True)):
        for place, (till, quantity) in enumerate(zip(SALES, quantities, strict=True)):
            sale = Increment(STOCK, -quantity) if counter else Set(STOCK, stock(tills[till]) - quantity)
            now = 60_000 * (len(SALES) * minute + place)
            tills[till], _ = tills[till].write(PRODUCT, sale, now)
            sold += quantity
    apart = ", ".join(f"{till} reads {stock(device)}" for till, device in tills.items())
    states = [device.state() for device in tills.values()]
    for till in tills:
        for state in states:
            tills[till] = tills[till].receive(state)
    (read,) = {stock(device) for device in tills.values()}
    print(f"stock_level as {'COUNTER' if counter else 'REGISTER'}: {START} in the morning, {sold} sold offline")
    print(f"  apart:    {apart}")
    print(f"  together: all read {read}, and {START - sold} are left: {read - START + sold} too many")


def stock(till: Replica) -> int:
    """Return what a till reads."""
    view = till.document(PRODUCT).view() or {}
    return int(view["stock_level"])


if __name__ == "__main__":
    afternoon(opened(Insert({"stock_level": START})), counter=False)
    afternoon(opened(Insert({}), Restart(STOCK, START)), counter=True)
