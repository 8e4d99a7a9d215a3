"""Family security: a planted credential of each kind is reported and not shown; the project's tree has no finding.

Planted values are put together here, so that this file holds none.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo import MongoClient

from conformance.checks.base import Context
from conformance.config.settings import Settings, load_settings
from conformance.errors import ConfigurationError, TargetError
from conformance.model.collection import Model
from conformance.model.schemas.loading import load_model
from conformance.results import Outcome
from conformance.rules.server import security
from conformance.rules.server.security import rules
from conformance.text.credentials import ALLOWED, KINDS, credentials, is_placeholder
from conformance.text.masking import mask
from tests.validation import ROOT, configuration_for, failed, run_rules

CREDENTIALS, IGNORED, SAMPLE, MASKED = (
    "security._config.credentials",
    "security._config.env_ignored",
    "security._config.env_sample",
    "security._database.masked_uri",
)

HEX = "0f9a8b7c6d5e4f3a2b1c"
MIXED = "aZ3" * 30

#: The kind, the text before the secret, the secret, the text behind it.
PLANTED = [
    ("a private key", "", "-----BEGIN " + "RSA PRIVATE KEY-----", ""),
    ("a private key", "", "-----BEGIN " + "PRIVATE KEY-----", ""),
    ("a JSON web token", "token: ", "ey" + "Jhbgc9OiJIUzI1.ey" + "JzdWIiOiIxMjM0.c2lnbmF0dXJl", ""),
    ("an AWS access key", "key ", "AK" + "IA" + "Q3EGRZ7YTB2XWVU5", ""),
    ("an AWS secret key", "aws_secret" + "_access_key = ", MIXED[:40], ""),
    ("an OpenAI key", "", "s" + "k-" + MIXED[:48], ""),
    ("an OpenAI key", "OPENAI=", "s" + "k-proj-" + MIXED[:60], ""),
    ("an OpenAI key", "", "s" + "k-svcacct-" + "aZ3b_" + MIXED[:40] + "-T3" + "BlbkFJ" + MIXED[:20], ""),
    ("an OpenAI key", "key = ", "s" + "k-or-v1-" + HEX * 3, ""),
    ("an OpenAI key", '"', "s" + "k-" + (HEX * 2)[:32], '"'),
    ("an OpenAI key", "${KEY:-", "s" + "k-" + MIXED[:48], "}"),
    ("an Azure OpenAI key", "AZURE_OPENAI" + "_API_KEY=", (HEX * 2)[:32], ""),
    ("an Azure OpenAI key", "AZURE_OPENAI" + '_API_KEY: "', MIXED[:84], '"'),
    ("an Azure storage key", "AccountName=zava;Account" + "Key=", MIXED[:84] + "a/==", ";EndpointSuffix=core"),
    ("an Atlas service account secret", "", "mdb_" + "sa_sk_" + MIXED[:40], ""),
    ("a GitHub token", "https://", "gh" + "p_" + MIXED[:36], "@github.com/x"),
    ("a GitHub token", "", "github" + "_pat_" + MIXED[:30], ""),
    ("a GitLab token", "", "gl" + "pat-" + MIXED[:20], ""),
    ("a Slack token", "", "xo" + "xb-1234567890-" + MIXED[:20], ""),
    ("a Slack webhook", "", "https://hooks." + "slack.com/services/T0A1/B0C2/" + MIXED[:24], ""),
    ("an npm token", "//registry:_authToken=", "np" + "m_" + MIXED[:36], ""),
    ("a PyPI token", "", "py" + "pi-AgE" + MIXED[:60], ""),
    ("a Google key", "", "AI" + "za" + MIXED[:35], ""),
    ("a Stripe key", "", "sk" + "_live_" + MIXED[:24], ""),
    ("a Hugging Face token", "", "hf" + "_" + "aZqB" * 9, ""),
    ("a Ditto credential", "DITTO_" + "API_KEY=", HEX, ""),
    ("a Ditto credential", "DITTO_LICENSE" + "_TOKEN='", "o2d1c2VyX2lkZ" + MIXED[:40] + "==", "'"),
    ("a Ditto credential", "dittoPlayground" + "Token: ", "3f2b9c1e-7d4a-4b6f-9e8d-" + "1a2b3c4d5e6f", ""),
    ("a password in an address", "mongodb" + "+srv://zava:", "Zu93" + "xkq", "@cluster.example.net/"),
    ("a password in an address", "uri = 'mongodb://" + "root:", "p/w:" + "x7", "@h1:27017,h2/db'"),
    ("a password in an address", "postgres" + "ql://zava:", "corr" + "ecthorse", "@localhost/zava"),
    ("a password in an address", "https" + "://ci:", "hunter" + "2", "@example.net/"),
    ("a password in an address", "mongodb" + "://zava@example.net:", "hunter" + "2", "@localhost/"),
    ("a password or key written out", "PASS" + 'WORD = "', "hunter" + "2!x", '"'),
    ("a password or key written out", "  api" + "_key: ", HEX, ""),
    ("a password or key written out", '{"client' + '_secret": "', "Q~8z" + MIXED[:20], '"}'),
    ("a password or key written out", "export DB_PASS" + "WORD=", "Tr0ub4" + "dor&3", ""),
    ("a password or key written out", "pass" + "word: ", "1984" + "0412", ""),
    ("a password or key written out", "api" + "-key: ", HEX, ""),
    ("a password or key written out", "  playground" + "Token: ", "3f2b9c1e-7d4a-4b6f-9e8d-" + "1a2b3c4d5e6f", ""),
    ("a password on a command line", "mongosh --pass" + "word ", "Sup3rS3" + "cret9", " --host h"),
    ("a password or key written out", "  pass" + "word: ", "corr" + "ectHorse!", ""),
    ("a password or key written out", "pass" + "word: '", "corr.ect" + "Horse!", "',"),
    ("a password or key written out", "pass" + "word: ", "$ecr3t" + "Horse", ""),
    ("a password or key written out", "pass" + "word: ", "Tr0ub4" + "dor&", ".3(x)"),
    ("a user's password", "db.createUser({user: 'a', pw" + "d: '", "Zx9kk" + "P3qq", "', roles: []})"),
    ("a user's password", '"pw' + 'd": "', "hunter" + "2!(x)", '"'),
    ("a password of MongoDB's tools", "mongosh -u admin " + "-p ", "Zx9kk" + "P3qq", ""),
    ("a password of MongoDB's tools", "mongodump --uri x -u admin " + "-p '", "Zx9kk" + "P3qq", "' -d zava"),
    ("a token written out", 'token: "', HEX, '"'),
    ("a bearer token", "Authori" + "zation: Bearer ", HEX, ""),
]

#: Lines from code, manuals and samples; none contains a credential.
HARMLESS = [
    "mongodb+srv://username:password@cluster.mongodb.net/",
    "mongodb+srv://user:pass@cluster.mongodb.net/",
    "mongodb+srv://zava_app_user:<password>@cluster.mongodb.net/zava",
    "mongodb://root:${MONGO_PASSWORD}@localhost",
    "mongodb://root:$MONGO_PASSWORD@localhost",
    "mongodb://zava:***@localhost",
    "mongodb://localhost:27017/?appName=me@home",
    "postgresql://{user}:{password}@{host}/",
    "connection_string: ${MONGODB_CONNECTION_STRING}",
    "api_key: ${DITTO_API_KEY}",
    "DITTO_API_KEY=your_ditto_api_key",
    "DITTO_LICENSE_TOKEN=",
    "AZURE_OPENAI_API_KEY=your_key",
    "AZURE_OPENAI_API_KEY=<your_32_digit_key>",
    'api_key = os.environ["DITTO_API_KEY"]',
    "api_key=settings.ditto_api_key2.get_secret_value()",
    "password: str | None = None",
    "mongosh --username zava --password <password>",
    "mongosh --password $MONGO_PASSWORD --host localhost",
    "zava encode-password --password-file secrets/mongo.txt",
    "password = getpass('Password: ')",
    'password: "<secure_password>"',
    '"pwd": "<secure_password>"',
    "secret = read_secret2(path)",
    "secrets = {'a': 1}",
    "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE",
    "token: ${{ secrets.GITHUB_TOKEN }}",
    "`sk-...` keys, `ghp_...` tokens, eyJ headers",
    "Authorization: Bearer <token>",
    "primary_key: customer_id",
    "const apiKey = process.env.DITTO_API_KEY!;",
    "const apiKey = process.env.DITTO_API_KEY2!",
    "apiKey: widget.apiKey!,",
    "apiKey: dittoApiKey!,",
    "val apiKey = BuildConfig.DITTO_API_KEY!!",
    "accessToken: config.auth!.accessToken,",
    "accessToken: this.#token2!,",
    "password: password?.trim(),",
    "password: form?.password2 ?? '',",
    "$this->password = $config?->password2;",
    "password: $ansible_vault_password",
    "'password' => $dbPassword,",
    "api_key: &cfg.api_key2,",
    "password: @user.password2",
    "label.sk-toggleable__label-arrow:before",
    "label.sk-Toggleable2LabelArrowOfOurs:before",
    "task-sk-very-long-Class2-nameOfSomethingABCDEF",
    "sk-learn-contrib-something-long-name",
    "sk-learn-contrib-Something2-long-name",
    "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "secret: arn:aws:secretsmanager:us-west-2:123456789012:secret:zava",
    "secret: projects/123/secrets/mongo/versions/latest",
    "password: vault:secret/data/zava#password",
    "password: ref+awsssm://zava/password",
    "password: op://zava/mongo1/password",
    "password: ssm:/zava/prod1/password",
    "password: secretref:mongo-password1",
    "secret: /run/secrets/mongo1",
    "password: @Microsoft.KeyVault(SecretUri=https://zava.vault.azure.net/secrets/p)",
    "pwd: os.getcwd()",
    "pwd: process.env.MONGO_PWD2",
    "pwd = '/srv/zava2/data'",
    r"PWD=\"C:\\zava2\\data\"",
    "pwd: '$MONGO_PASSWORD'",
    "mkdir -p foo/bar2/baz3 && mongosh -p 27017",
    "docker run --name mongo -u 1000 -p 127.0.0.1:27017:27017 mongo",
    "docker run mongosh -p localhost:27017",
    "mongosh -u admin -p --authenticationDatabase=admin",
    "mongosh -u admin -p $MONGO_PASSWORD",
    "mongosh -u admin -p <password1>",
    "mongodump -u admin; mkdir -p zava2/dump3",
    "AccountKey=<86 base64 chars>==",
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    "task-force-of-twenty-seven-people-and-more",
]

Checkout = Callable[..., Path]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Make a git checkout of these files (name: text). All are tracked, except those that git ignores."""

    def make(*, add: bool = True, **files: str) -> Path:
        _git(tmp_path, "init", "--quiet")
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("DOT", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        if add:
            _git(tmp_path, "add", "--all")
        return tmp_path

    return make


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def verdict(root: Path, own: Path = ROOT, **settings: Any) -> dict[str, Outcome]:
    """Return the family's outcomes for a folder, with the project's model or another. No rule queries the database."""
    model = replace(load_model(own), root=root)
    nothing: Any = MongoClient(connect=False)["nothing"]
    chosen = Settings(**settings)
    context = Context(model, configuration_for(model), chosen, nothing, embedded=True, scratch=None, sample_size=50)
    return run_rules(rules(model, context.configuration), context)


@pytest.mark.parametrize(
    ("kind", "before", "secret", "behind"), PLANTED, ids=[f"{row[0]} {number}" for number, row in enumerate(PLANTED)]
)
def test_planted_credential_is_reported_and_not_shown(
    checkout: Checkout, kind: str, before: str, secret: str, behind: str
) -> None:
    root = checkout(DOTgitignore=".env\n", docs__notes="one\ntwo\n" + before + secret + behind + "\nfour\n")
    outcomes = verdict(root)
    assert failed(outcomes) == {CREDENTIALS}
    outcome = outcomes[CREDENTIALS]
    assert outcome.violations == 1
    (sample,) = outcome.samples
    assert sample.ref == "docs/notes:3"
    assert sample.why == f"the line has {kind} of {len(secret)} characters (not shown)"
    assert secret not in repr(outcome)


def test_every_kind_is_planted() -> None:
    assert {row[0] for row in PLANTED} == {kind.name for kind in KINDS}


@pytest.mark.parametrize("line", HARMLESS)
def test_text_that_resembles_a_credential_is_accepted(line: str) -> None:
    assert list(credentials(line)) == []


def test_allowed_line_is_not_reported() -> None:
    line = "DITTO_" + "API_KEY=" + HEX
    assert [found.line for found in credentials(f"{line}\n{line}  # {ALLOWED}\n")] == [1]


def test_each_line_is_counted_once(checkout: Checkout) -> None:
    line = "DITTO_" + "API_KEY=" + HEX + " " + "AK" + "IA" + "Q3EGRZ7YTB2XWVU5"
    outcome = verdict(checkout(a="\n" + line, b=f"{line}\n{line}\n", DOTgitignore=".env"))[CREDENTIALS]
    assert (outcome.examined, outcome.violations) == (2 + 3 + 1, 3)
    assert [sample.ref for sample in outcome.samples] == ["a:2", "b:1", "b:2"]
    assert outcome.evidence == {"files": 3, "tracked_by_git": True}


def test_only_tracked_text_files_are_scanned(checkout: Checkout) -> None:
    line = "DITTO_" + "API_KEY=" + HEX
    root = checkout(DOTgitignore=".env\n*.log\n", DOTenv=line, runDOTlog=line, ok="x", kept="x")
    (root / "later").write_text(line, encoding="utf-8")
    (root / "binary").write_bytes(b"\0" + line.encode())
    (root / "link").symlink_to(root / "later")
    _git(root, "add", "binary", "link")
    (root / "ok").unlink()
    outcome = verdict(root)[CREDENTIALS]
    assert outcome.violations == 0
    assert outcome.evidence["files"] == 2  # .gitignore and kept


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_utf_16_file_is_read(order: str, checkout: Checkout) -> None:
    root = checkout(kept="x")
    (root / "out.txt").write_bytes(("\ufeff" + "x\r\nDITTO_" + "API_KEY=" + HEX).encode(order))
    _git(root, "add", "out.txt")
    assert [sample.ref for sample in verdict(root)[CREDENTIALS].samples] == ["out.txt:2"]


@pytest.mark.parametrize("add", [True, False], ids=["only a binary", "nothing tracked"])
def test_empty_scan_is_an_error(checkout: Checkout, add: bool) -> None:
    root = checkout(add=add, notes="a\0b")
    with pytest.raises(TargetError, match="nothing was scanned"):
        verdict(root)


def test_folders_of_the_model_are_scanned_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    line = "DITTO_" + "API_KEY=" + HEX
    for name in ("schemas/a.json", "config/deep/b.yaml", "README.md", "node_modules/x.js", ".env"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(line, encoding="utf-8")
    outcomes = verdict(tmp_path)
    found = [one.ref for one in outcomes[CREDENTIALS].samples]
    assert found == ["README.md:1", "config/deep/b.yaml:1", "schemas/a.json:1"]
    assert outcomes[CREDENTIALS].evidence["tracked_by_git"] is False
    assert outcomes[IGNORED].skipped == f"{tmp_path} is not in a git checkout"


def test_empty_folder_without_git_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetError, match="there is no text file"):
        verdict(tmp_path)


@pytest.mark.parametrize(
    ("files", "refs"),
    [
        ({"DOTgitignore": ".env\n", "a": ""}, []),
        ({"DOTgitignore": "*.env*\n!.env.sample\n", "DOTenvDOTsample": "", "DOTenvDOTexample": ""}, []),
        ({"a": ""}, [".gitignore"]),
        ({"DOTgitignore": ".env\n!.env\n", "a": ""}, [".gitignore"]),
        ({"a": "", "DOTenv": "A=1"}, [".gitignore", ".env"]),
        ({"DOTgitignore": "/.env\n", "deploy__DOTenvDOTproduction": "A=1"}, ["deploy/.env.production"]),
    ],
    ids=["ignored", "by a pattern", "not ignored", "taken back", "tracked", "another one tracked"],
)
def test_env_is_ignored_and_not_tracked(checkout: Checkout, files: dict[str, str], refs: list[str]) -> None:
    outcome = verdict(checkout(**files))[IGNORED]
    assert [sample.ref for sample in outcome.samples] == refs
    assert outcome.violations == len(refs)


@pytest.mark.parametrize("unknown", ["ls-files", "check-ignore"])
def test_failing_git_is_not_a_finding(checkout: Checkout, monkeypatch: pytest.MonkeyPatch, unknown: str) -> None:
    git = security._git
    monkeypatch.setattr(security, "_git", lambda root, *words: None if unknown in words else git(root, *words))
    root = checkout(a="x")
    assert verdict(root)[IGNORED].skipped == f"{root} is not in a git checkout"


def test_tracked_env_is_reported_although_ignored(checkout: Checkout) -> None:
    root = checkout(DOTgitignore=".env\n", DOTenv="A=1")
    _git(root, "add", "--force", ".env")
    assert [sample.ref for sample in verdict(root)[IGNORED].samples] == [".env"]


SHIPPED = (ROOT / ".env.sample").read_text(encoding="utf-8")

SAMPLES = [
    ("as shipped", "", "", []),
    ("a variable is missing", "BATCH_SIZE=1000\n", "", ["BATCH_SIZE is missing"]),
    ("a secret's variable is missing", "# DITTO_API_KEY=your_ditto_api_key\n", "", ["DITTO_API_KEY is missing"]),
    ("a variable too many", "SEED=", "COLOUR=red\nSEED=", ["COLOUR is not a setting"]),
    ("a variable twice", "SEED=", "SEED=1\nSEED=", ["SEED is already defined in line"]),
    ("a key", "your_ditto_api_key", "abc", ["DITTO_API_KEY has a value (not shown) that is not a placeholder"]),
    (
        "a key that looks real",
        "your_ditto_api_key",
        HEX,
        ["DITTO_API_KEY has a value (not shown) that is not a placeholder"],
    ),
    ("a password in the address", "username:password", "zava:" + "x7y8z9", ["a password in an address"]),
    ("a key in a comment", "# Seed of the generator", "# " + "AK" + "IA" + "Q3EGRZ7YTB2XWVU5", ["an AWS access key"]),
    ("two faults", "BATCH_SIZE", "BATCHSIZE", ["BATCHSIZE is not a setting", "BATCH_SIZE is missing"]),
]


@pytest.mark.parametrize(("old", "new", "message"), [row[1:] for row in SAMPLES], ids=[row[0] for row in SAMPLES])
def test_env_sample_is_complete_and_free_of_secrets(checkout: Checkout, old: str, new: str, message: list[str]) -> None:
    assert not old or SHIPPED.count(old) == 1
    text = SHIPPED.replace(old, new) if old else SHIPPED
    outcome = verdict(checkout(DOTenvDOTsample=text, DOTgitignore=".env"))[SAMPLE]
    assert outcome.violations == len(message)
    for sample, part in zip(outcome.samples, message, strict=True):
        assert part in sample.why
        assert HEX not in sample.why
    assert outcome.examined == len(Settings.model_fields) + sum("is not a setting" in part for part in message)


def test_setting_of_a_model_is_required_in_env_sample(checkout: Checkout) -> None:
    greenhouse = ROOT / "examples" / "greenhouse"
    root = checkout(DOTenvDOTsample=f"{SHIPPED}NUM_SENSORS=5\n", DOTgitignore=".env")
    assert verdict(root, greenhouse)[SAMPLE].violations == 0
    (root / ".env.sample").write_text(SHIPPED, encoding="utf-8")
    (sample,) = verdict(root, greenhouse)[SAMPLE].samples
    assert (sample.why, sample.ref) == ("NUM_SENSORS is missing; add it", ".env.sample")


def test_missing_env_sample_skips_the_rule(checkout: Checkout) -> None:
    root = checkout(a="x")
    assert verdict(root)[SAMPLE].skipped == f"{root} has no .env.sample"


def _values(*, commented: bool) -> dict[str, str]:
    """Return the variables of .env.sample, with or without those that are commented out."""
    found = {}
    for line in SHIPPED.splitlines():
        name, equals, value = line.removeprefix("# ").partition("=")
        if equals and name.isupper() and " " not in name and (commented or not line.startswith("#")):
            found[name] = value
    return found


def test_unedited_copy_of_env_sample_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _forget(monkeypatch)
    (tmp_path / ".env").write_text(SHIPPED, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"MONGODB_CONNECTION_STRING.*placeholder of \.env\.sample"):
        load_settings(tmp_path / ".env")


def test_env_sample_without_its_first_line_has_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _forget(monkeypatch)
    rest = [line for line in SHIPPED.splitlines() if not line.startswith("MONGODB_CONNECTION_STRING")]
    (tmp_path / ".env").write_text("\n".join(rest), encoding="utf-8")
    assert load_settings(tmp_path / ".env") == load_settings(tmp_path / "none")


def test_every_placeholder_is_rejected_by_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _forget(monkeypatch)
    placeholders = _values(commented=True).keys() - _values(commented=False).keys()
    placeholders -= {"MONGODB_LOCAL_CONNECTION_STRING"}  # a usual address, not a placeholder
    assert len(placeholders) == 8
    for name in placeholders | {"MONGODB_CONNECTION_STRING"}:
        (tmp_path / ".env").write_text(f"{name}={_values(commented=True)[name]}\n", encoding="utf-8")
        with pytest.raises(ConfigurationError, match=rf"{name}.*placeholder of \.env\.sample"):
            load_settings(tmp_path / ".env")


def test_comments_of_env_sample_equal_the_descriptions_of_settings() -> None:
    for name, field in Settings.model_fields.items():
        assert name.upper() in _values(commented=True)
        assert field.description is not None
        assert field.description.rstrip(".").lower() in SHIPPED.lower()


def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


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
