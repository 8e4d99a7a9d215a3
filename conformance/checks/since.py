"""The option ``since`` of a bound: documents of the past are not compared with what their parent says now."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.errors import ConfigurationError
from conformance.language.formulas.expressions import Expression, typed
from conformance.language.formulas.parents import parent_name
from conformance.language.formulas.time_forms import require_one_form
from conformance.model.collection import Model, Reference
from conformance.text.suggestion import did_you_mean


@dataclass(frozen=True)
class Since:
    """The time stamp of a parent that moves when the parent changes, and that of a child that says when it was made."""

    changed: str
    made: str
    reference: Reference
    parent: str

    @classmethod
    def parse(cls, model: Model, reference: Reference, text: str, where: str) -> Since:
        """Parse ``product_id.updated_at``; raise ConfigurationError if it or x-history names no time stamp."""
        through, _, changed = text.partition(".")
        stamps = [field.path for field in model[reference.target].fields if field.kind == "timestamp"]
        if through != reference.field or changed not in stamps:
            known = did_you_mean(text, [f"{reference.field}.{stamp}" for stamp in stamps])
            raise ConfigurationError(f"{where}: since: {text!r} is not a time stamp of {reference.target}; {known}")
        if reference.history is None:
            raise ConfigurationError(
                f"{where}: since: {reference.field} does not say when a document of {reference.collection} was made;"
                " add x-history to it, or remove since"
            )
        own = model[reference.collection]
        require_one_form([own.field(reference.history), model[reference.target].field(changed)], f"{where}: since")
        return cls(changed, reference.history, reference, parent_name(own, reference))

    @property
    def time(self) -> Expression:
        """Return when a document was made; null if that cannot be read, and the document is then compared."""
        return {"$cond": [typed(f"${self.made}", "timestamp"), f"${self.made}", None]}

    def is_older(self, time: Expression) -> Expression:
        """Return whether a time is before the parent's last change."""
        changed = f"${self.parent}.{self.changed}"
        return {"$and": [typed(changed, "timestamp"), {"$gt": [time, None]}, {"$lt": [time, changed]}]}
