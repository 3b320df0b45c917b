"""Secrets in logs."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape, unescape

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluicegate.errors import UsageError
from sluicegate.runner.masking import Mask, refuse_short
from sluicegate.runner.service import Runner
from sluicegate.runner.vault import Credential
from tests.runner.conftest import build, shell

SECRET = "p4ss w/ 'quote' & more"
BIND = (
    "<buildWrappers><org.jenkinsci.plugins.credentialsbinding.impl.SecretBuildWrapper><bindings>"
    "<org.jenkinsci.plugins.credentialsbinding.impl.StringBinding><credentialsId>token</credentialsId>"
    "<variable>TOKEN</variable></org.jenkinsci.plugins.credentialsbinding.impl.StringBinding>"
    "<org.jenkinsci.plugins.credentialsbinding.impl.UsernamePasswordMultiBinding><credentialsId>login</credentialsId>"
    "<usernameVariable>U</usernameVariable><passwordVariable>P</passwordVariable>"
    "</org.jenkinsci.plugins.credentialsbinding.impl.UsernamePasswordMultiBinding>"
    "</bindings></org.jenkinsci.plugins.credentialsbinding.impl.SecretBuildWrapper></buildWrappers>"
)


def masked(secret: str, *blocks: bytes) -> bytes:
    mask = Mask([secret])
    return b"".join(mask.feed(block) for block in blocks) + mask.flush()


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=20), st.data())
def test_a_secret_cut_into_any_pieces_is_hidden(secret: str, data: st.DataObject) -> None:
    text = b"<<" + secret.encode() + b">>"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert secret.encode() not in masked(secret, *pieces)


def folded(text: bytes, width: int) -> bytes:
    return b"\n".join(text[at : at + width] for at in range(0, len(text), width)) + b"\n"


TOOLS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda text: text,
    "base64": lambda text: folded(base64.b64encode(text), 76),
    "base64 -w0": base64.b64encode,
    "base64 of PEM": lambda text: folded(base64.b64encode(text), 64),
    "base64url": base64.urlsafe_b64encode,
    "quote": lambda text: quote(text).encode(),
    "quote of all": lambda text: quote(text, safe="").encode(),
    "quote in small letters": lambda text: re.sub(rb"%..", lambda hit: hit[0].lower(), quote(text, safe="").encode()),
    "form": lambda text: quote_plus(text).encode(),
    "XML": lambda text: escape(text.decode(), {'"': "&quot;", "'": "&apos;"}).encode(),
    "HTML": lambda text: html.escape(text.decode()).encode(),
    "JSON": lambda text: json.dumps(text.decode()).encode(),
    "JSON of PHP": lambda text: json.dumps(text.decode()).replace("/", "\\/").encode(),
    "JSON in JSON": lambda text: json.dumps({"body": json.dumps({"a": text.decode()})}).encode(),
    "quote twice": lambda text: quote(quote(text.decode()), safe="").encode(),
    "shlex": lambda text: shlex.quote(text.decode()).encode(),
    "set -x": lambda text: b"'" + text.replace(b"'", b"'\\''") + b"'",
    "repr": lambda text: repr(text.decode()).encode(),
    "xxd -p": lambda text: folded(text.hex().encode(), 60),
    "hex in capitals": lambda text: text.hex().upper().encode(),
    "od -tx1": lambda text: text.hex(" ").encode(),
    "openssl": lambda text: text.hex(":").upper().encode(),
}
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=90)


@pytest.mark.parametrize("tool", TOOLS)
@settings(max_examples=30)
@given(secret=SECRETS, before=st.integers(0, 40), cut=st.integers(1, 200))
@example(secret="0" * 12, before=9, cut=1)
def test_a_secret_is_hidden_however_a_tool_prints_it(tool: str, secret: str, before: int, cut: int) -> None:
    """Among other text that is printed along; of the base64 no letter may stay that has a bit of the secret."""
    printed = TOOLS[tool](b"u" * before + secret.encode() + b"u" * 9)
    shown = masked(secret, printed[:cut], printed[cut:])
    assert b"****" in shown
    left = re.sub(rb"[\s:*]", b"", shown)
    assert TOOLS[tool](secret.encode()).strip() not in shown
    if tool.startswith("base64"):
        exact = base64.urlsafe_b64encode(b"u" * before + secret.encode() + b"u" * 9).rstrip(b"=")
        clear = exact[: before * 8 // 6], exact[-(-(before + len(secret)) * 8 // 6) :]
        remains = left.replace(b"+", b"-").replace(b"/", b"_").rstrip(b"=")
        assert len(remains) <= sum(map(len, clear)), "a letter with bits of the secret stayed"


def test_encoded_and_quoted_forms_are_hidden() -> None:
    for form in (
        base64.b64encode(b"user:" + SECRET.encode()),
        quote(SECRET, safe="").encode(),
        base64.b64encode(SECRET.encode()),
    ):
        shown = masked(SECRET, b"x " + form + b" y")
        assert b"****" in shown and form not in shown


def test_the_bytes_of_a_secret_that_python_prints_are_hidden() -> None:
    secret = "p@ss'w\"o\\rd\u00e9"
    assert masked(secret, f"body={secret.encode()!r}\n".encode()) == b"body=b'****'\n"


def test_each_line_of_a_key_is_hidden() -> None:
    assert masked("-----BEGIN-----\nabcdef\nghijkl", b"a\nabcdef\nb\n") == b"a\n****\nb\n"


def test_ordinary_text_passes_unchanged_and_complete() -> None:
    assert masked("secret", b"sec", b"ond s", b"ecre") == b"second secre"


def test_very_short_secrets_are_refused() -> None:
    with pytest.raises(UsageError, match="fewer than 3"):
        refuse_short("ab", "x")


def test_a_secret_that_would_star_half_the_log_is_left_as_it_is() -> None:
    assert Mask(["ab", "", "secret"]).text("a cab with a secret") == "a cab with a ****"


def test_the_shortest_secret_that_is_taken_is_hidden() -> None:
    refuse_short("abc", "x")
    assert b"abc" not in masked("abc", b"<abc>")


def test_bound_credentials_reach_the_step_and_not_the_log(runner: Runner) -> None:
    runner.vault.store(Credential(id="token", kind="string", secret=SECRET))
    runner.vault.store(Credential(id="login", kind="user", secret="hunter22", user="anna"))
    command = 'echo "$TOKEN"; printf %s "$TOKEN" | base64; test "$U" = anna\n'
    command += 'printf hunt; sleep 0.1; echo er22; test "$P" = hunter22'
    record = build(runner, "bound", shell(command, more=BIND))
    log = record.log.read_text()
    assert record.result is not None and record.result.name == "SUCCESS", log
    assert SECRET not in log and "hunter22" not in log and base64.b64encode(SECRET.encode()).decode() not in log
    assert "****" in log


def test_secrets_are_encrypted_at_rest_and_private(runner: Runner) -> None:
    runner.vault.store(Credential(id="token", kind="string", secret=SECRET))
    for path in runner.vault.folder.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes()
            assert path.stat().st_mode & 0o077 == 0
    assert SECRET not in repr(runner.vault.credential("token"))


def test_a_missing_credential_fails_the_build_by_name(runner: Runner) -> None:
    record = build(runner, "missing", shell("echo never run", more=BIND))
    assert "there is no credential 'token'" in record.log.read_text()
    assert record.result is not None and record.result.name == "FAILURE"


def test_a_password_parameter_is_sealed_on_disk_and_hidden_in_the_log(runner: Runner) -> None:
    definition = (
        "<properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions>"
        "<hudson.model.PasswordParameterDefinition><name>SECRET</name><defaultValue>hush</defaultValue>"
        "</hudson.model.PasswordParameterDefinition></parameterDefinitions>"
        "</hudson.model.ParametersDefinitionProperty></properties>"
    )
    record = build(
        runner,
        "password",
        shell('test "$SECRET" = s3cr3t && echo "it is $SECRET"', more=definition),
        {"SECRET": "s3cr3t"},
    )
    assert record.result is not None and record.result.name == "SUCCESS", record.log.read_text()
    for path in (record.folder / "build.xml", record.log, runner.queue.journal.path):
        assert "s3cr3t" not in path.read_text()


def test_a_secret_does_not_stand_in_what_pages_show_of_a_build(runner: Runner) -> None:
    runner.vault.store(Credential(id="token", kind="string", secret=SECRET))
    runner.vault.store(Credential(id="login", kind="user", secret="hunter22", user="anna"))
    setter = (
        "<org.jenkinsci.plugins.buildnamesetter.BuildNameSetter><template>name $TOKEN</template>"
        "<runAtEnd>true</runAtEnd>"
        "<descriptionTemplate>of $P</descriptionTemplate></org.jenkinsci.plugins.buildnamesetter.BuildNameSetter>"
    )
    bind = BIND.replace("</buildWrappers>", f"{setter}</buildWrappers>")
    record = build(runner, "shown", shell("true", more=bind))
    assert (record.display_name, record.description) == ("name ****", "of ****"), record.log.read_text()
    kept = (record.folder / "build.xml").read_text()
    assert "hunter22" not in kept and SECRET not in unescape(kept)
