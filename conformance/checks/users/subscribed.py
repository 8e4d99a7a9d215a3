"""Documents that the subscriptions of devices select, and that the devices' users may not read.

A subscription whose condition demands a permission word for word selects no others, whatever the documents. For the
others, each user's selection is put to the server: of a subscription ``store_id = :store`` and the permission
``store_id == user.store_id``, the documents ``{$and: [{store_id: "s1"}, {$nor: [{store_id: "s2"}]}]}`` if the
parameter gives a user of s2 the value s1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from conformance.checks.base import Context, listed
from conformance.checks.users.signed_in import FILE, found, signed_in
from conformance.ditto.permissions import Permissions, allowed
from conformance.ditto.subscriptions import Device, Subscription, Subscriptions, values_for
from conformance.language.conditions.condition import Attribute, Comparison, Condition, Every, Parameter
from conformance.language.conditions.translation import to_mongo, without
from conformance.model.collection import Collection
from conformance.results import Outcome, Sample
from conformance.text.plural import numbered


@dataclass(frozen=True)
class Subscribed:
    """The subscriptions to one collection under the permissions, in the validated database."""

    context: Context
    collection: Collection
    permissions: Permissions
    subscriptions: Subscriptions

    def unreadable(self) -> Outcome:
        """Return the subscriptions that select documents which their user may not read."""
        entries, problems = self.subscriptions.of(self.collection.name), []
        for place, device, one in entries:
            why = None if self._is_permitted(device, one) else self._beyond(device, one)
            problems += [Sample(why, ref=f"{FILE}: {place}")] if why else []
        return listed(self.context, len(entries), problems)

    def _is_permitted(self, device: Device, one: Subscription) -> bool:
        """Return True when the permission is one of what the subscription demands, word for word, whatever the data."""
        rules = self.permissions.of(self.collection.name)
        condition = one.selection.condition
        parts = condition.parts if isinstance(condition, Every) else (condition,)
        demanded = [self._of_the_user(part) for part in parts]
        return device.user == "super_manager" or any(rule.grants("read") and rule.parsed in demanded for rule in rules)

    def _of_the_user(self, condition: Condition) -> Condition:
        """Return a comparison with a parameter that is an attribute of the user's, as a permission would say it."""
        if isinstance(condition, Comparison) and isinstance(condition.value, Parameter):
            source = self.subscriptions.parameters.get(condition.value.name)
            if source is not None and source.user is not None:
                return replace(condition, value=Attribute(source.user))
        return condition

    def _beyond(self, device: Device, one: Subscription) -> str | None:
        """Return what the first user for whom there is any would hold and may not read."""
        for name, user in signed_in(self.context, device):
            values = values_for(self.subscriptions, one.selection.parameters, user, self.context.database)
            held = one.filter(values)
            if held is None:
                return "only Ditto's engine can tell what it selects; write its find, or compare the user's key in it"
            may = to_mongo(allowed(self.permissions, self.collection, user, "read"))
            number, example = found(self.context, self.collection.name, without(held, may))
            if number:
                received = numbered(number, "document")
                return f"the user of {name} would receive {received} that they may not read, for example {example}"
        return None
