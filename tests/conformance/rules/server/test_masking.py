"""Family security: secrets and addresses are masked, and placeholders are recognised."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from conformance.model.collection import Model
from conformance.rules.server import security
from conformance.text.credentials import is_placeholder
from conformance.text.masking import mask
from tests.conformance.rules.server.checkouts import CREDENTIALS, IGNORED, MASKED, SAMPLE, checkout, verdict
from tests.validation import failed

__all__ = ["checkout"]


Checkout = Callable[..., Path]


#: Split, so that no line of this file is an address with a password in it.
ADDRESS, SRV = "mongodb:" + "//", "mongodb+srv:" + "//"

MASKS = [
    (f"{ADDRESS}u:secret@h:27017/db?x=1", f"{ADDRESS}u:***@h:27017/db?x=1"),
    (f"{SRV}u:s%40cr%2Fet@h.example.net/", f"{SRV}u:***@h.example.net/"),
    (f"{ADDRESS}u:p@ss@h/", f"{ADDRESS}u:***@h/"),
    (f"{ADDRESS}u:p/w@h/", f"{ADDRESS}u:***@h/"),
    (f"{ADDRESS}u:a:b/c@d@h1:1,h2:2/", f"{ADDRESS}u:***@h1:1,h2:2/"),
    (f"{ADDRESS}u@example.com:secret@h", f"{ADDRESS}u@example.com:***@h"),
    (f"{ADDRESS}:secret@[::1]:27017", f"{ADDRESS}:***@[::1]:27017"),
    (f"cannot reach ('{ADDRESS}u:it's@h', 3)", f"cannot reach ('{ADDRESS}u:***@h', 3)"),
    (f"{ADDRESS}u:one@h and {ADDRESS}u:two@h2", f"{ADDRESS}u:***@h and {ADDRESS}u:***@h2"),
    (f"{ADDRESS}h/?authMechanismProperties=AWS_SESSION_TOKEN:x&tls=true",
     f"{ADDRESS}h/?authMechanismProperties=***&tls=true"),
    (f"{ADDRESS}h/?tlsCertificateKeyFilePassword=x", f"{ADDRESS}h/?tlsCertificateKeyFilePassword=***"),
    (f"{ADDRESS}h1:27017,h2:27018/db", f"{ADDRESS}h1:27017,h2:27018/db"),
    (f"{ADDRESS}u@h:27017/", f"{ADDRESS}u@h:27017/"),
    ("nothing to hide at 10:30 for a@b", "nothing to hide at 10:30 for a@b"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "masked"), MASKS, ids=[row[1] for row in MASKS])
def test_secrets_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_addresses_are_masked(checkout: Checkout) -> None:
    outcome = verdict(checkout(a="x"))[MASKED]
    assert (outcome.examined, outcome.violations) == (7 * 8, 0)


@pytest.mark.parametrize("own", [f"{ADDRESS}zava:zava@localhost/", f"{ADDRESS}u:w/o@rd@h/?a=@", f"{ADDRESS}h:1/a@b"])
def test_address_of_the_settings_is_examined(checkout: Checkout, own: str) -> None:
    outcome = verdict(checkout(a="x"), mongodb_connection_string=SecretStr(own))[MASKED]
    assert outcome.examined == 7 * 8 + 1
    assert outcome.violations == 0


@pytest.mark.parametrize("own", [f"{ADDRESS}zava:@localhost/", f"{ADDRESS}zava@localhost/", f"{ADDRESS}localhost/"])
def test_address_without_a_password_is_not_examined(checkout: Checkout, own: str) -> None:
    outcome = verdict(checkout(a="x"), mongodb_connection_string=SecretStr(own))[MASKED]
    assert (outcome.examined, outcome.violations) == (7 * 8, 0)


@pytest.mark.parametrize(
    ("broken", "violations"),
    [(lambda text: text, 7 * 8), (lambda text: text.replace("p@ss", "p@ss!"), 7 * 8), (lambda _: "", 0)],
    ids=["nothing masked", "something else done", "everything masked"],
)
def test_broken_mask_is_reported(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, broken: Callable[[str], str], violations: int
) -> None:
    monkeypatch.setattr(security, "mask", broken)
    outcome = verdict(checkout(a="x"))[MASKED]
    assert outcome.violations == violations
    assert [sample.ref for sample in outcome.samples[:2]] == ["form 1 of 56", "form 2 of 56"][:violations]
    assert not any("plainword" in repr(sample) for sample in outcome.samples)


@pytest.mark.parametrize("value", ["your_key", "<password>", "***", "${X}", "$X_1", "changeme", "xxxx", "password"])
def test_placeholder_is_recognised(value: str) -> None:
    assert is_placeholder(value)


@pytest.mark.parametrize("value", ["hunter2", "$ecret1", "passw0rd", "yours1234", "x1", ""])
def test_value_is_not_a_placeholder(value: str) -> None:
    assert not is_placeholder(value)


def test_project_tree_has_no_finding(model: Model) -> None:
    outcomes = verdict(model.root)
    assert failed(outcomes) == set()
    assert outcomes[CREDENTIALS].evidence["files"] > 20
    assert {outcomes[name].skipped for name in (IGNORED, SAMPLE, MASKED)} == {None}
