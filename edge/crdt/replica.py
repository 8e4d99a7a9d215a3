"""A device in the model: its clock, its documents, and the messages that it and others send each other."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.crdt.document import Document, Documents, merge
from edge.crdt.hybrid_clock import Clock, Stamp
from edge.crdt.operations import Operation, change


@dataclass(frozen=True)
class Message:
    """Documents, or changes to them, by ``_id``; ``latest`` is the sender's clock when it was sent.

    It may arrive late, twice, out of order, by way of a third device, or be replaced by a later one that holds more.
    """

    documents: Documents
    latest: Stamp


@dataclass(frozen=True)
class Replica:
    """The documents of a collection on a device, by ``_id``, including tombstones."""

    clock: Clock
    documents: Documents = field(default_factory=dict)

    def document(self, _id: str) -> Document:
        """Return what is held of a document; Document() when nothing is."""
        return self.documents.get(_id, Document())

    def write(self, _id: str, operation: Operation, now: int) -> tuple[Replica, Message]:
        """Return the device after an operation at ``now`` (its own milliseconds), and the message for others.

        Raises Refused as ``change`` does.
        """
        clock = self.clock.tick(now)
        message = Message({_id: change(self.document(_id), operation, clock.last)}, clock.last)
        return Replica(clock, self.documents).receive(message), message

    def receive(self, message: Message) -> Replica:
        """Return the device after a message has arrived."""
        return Replica(self.clock.observe(message.latest), merge(self.documents, message.documents))

    def state(self) -> Message:
        """Return a message with everything the device holds."""
        return Message(self.documents, self.clock.last)
