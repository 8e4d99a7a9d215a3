"""Family security: a planted credential of each kind is reported and not shown.

Planted values are put together here, so that this file holds none.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.errors import TargetError
from conformance.text.credentials import ALLOWED, KINDS, credentials
from tests.conformance.rules.server.checkouts import CREDENTIALS, HEX, IGNORED, _git, checkout, verdict
from tests.validation import failed

__all__ = ["checkout"]


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
