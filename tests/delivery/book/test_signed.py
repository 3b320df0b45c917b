"""Where records are signed: of what people decide only what verifies counts, and what does not is shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sluicegate.cli import views
from sluicegate.cli.shapes import looking
from sluicegate.config import read_config
from sluicegate.delivery.answers.check import check_repo, forging
from sluicegate.delivery.answers.explain import explain
from sluicegate.delivery.answers.history import history
from sluicegate.delivery.answers.status import status
from sluicegate.delivery.book.state import LEDGER
from sluicegate.delivery.moves import evidence, pinning
from sluicegate.errors import ConfigError, GateRefused, UsageError
from sluicegate.model import ledgerfiles
from sluicegate.model.values import Actor
from sluicegate.tools import sshsig
from tests.signers import SIGNING, VARIABLE, allowed, forge, lines, made_key
from tests.worlds import CONFIG, Shop

CHANGED = "its signature is for something else: it was changed, or copied from elsewhere"


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: made_key(folder / name) for name in ("ours", "retired", "strange")}


@pytest.fixture(scope="session")
def begun(launched: Shop, keys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """From now on records that decide are signed; auth 2.0.0 is in integration, tested and nothing more."""
    with launched.copied(tmp_path_factory.mktemp("signing")) as shop:
        shop.edited("allowed-signers", allowed(keys["ours"]) + allowed(keys["retired"], 'valid-before="20261101Z"'))
        shop.edited("sluicegate.yaml", since(shop.tips[LEDGER]))
        shop.to_integration(auth="2.0.0")
        yield shop


@pytest.fixture
def signing(begun: Shop, keys: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv(VARIABLE, str(keys["ours"]))
    with begun.copied(tmp_path) as copy:
        yield copy


def since(commit: str) -> bytes:
    return SIGNING.replace(b"allowed-signers}", f"allowed-signers, since: {commit}}}".encode())


def reasons(shop: Shop, component: str = "auth", version: str = "2.0.0") -> list[str]:
    return [doubt.reason for doubt in shop.state.uncounted(component, version)]


def refused(shop: Shop, match: str = "no approval in the role 'qa'") -> GateRefused:
    with shop.unchanged(), pytest.raises(GateRefused, match=match) as caught:
        shop.promote(auth="2.0.0")
    return caught.value


def test_a_signed_approval_counts_and_openssh_could_verify_it(signing: Shop, keys: dict[str, Path]) -> None:
    signing.approve("auth", "2.0.0")
    (record,) = signing.story("auth", "2.0.0", "approval")
    line = lines(signing, "auth", "2.0.0")[-1]
    assert line.pop("signature") == record.signature
    assert sshsig.signing_key(
        ledgerfiles.canonical({"repo": "shop", "component": "auth", "version": "2.0.0", "record": line}),
        record.signature,
    ) == sshsig.signing_key(b"", sshsig.sign(b"", keys["ours"]))
    assert [move.after for move in signing.promote(auth="2.0.0")] == ["2.0.0"]


def test_what_was_recorded_before_counts_unsigned_and_nothing_after(signing: Shop) -> None:
    old = next(line for line in lines(signing, "auth", "1.0.0") if line["what"] == "approval")
    assert reasons(signing, "auth", "1.0.0") == []
    forge(signing, "auth", "1.0.0", {**old, "id": "f" * 16})
    assert reasons(signing, "auth", "1.0.0") == ["it is not signed"]
    signing.edited("sluicegate.yaml", SIGNING)
    assert set(reasons(signing, "auth", "1.0.0")) == {"it is not signed"}
    assert len(reasons(signing, "auth", "1.0.0")) > 1


def test_a_shallow_mirror_fetches_the_commit_from_which_on_records_are_signed(signing: Shop, tmp_path: Path) -> None:
    signing.approve("auth", "2.0.0")
    signing.veto("portal", "1.0.0")
    actor = Actor(user="anna", source="https://ci.example.com/job/anna/1/", verified=True)
    repo = signing.opened_by(actor, f"file://{signing.bare}", tmp_path / "cache")
    state = repo.state()
    assert [record.what for record in state.story("auth", "1.0.0") if record.what == "approval"]
    assert state.uncounted("auth", "1.0.0") == state.uncounted("auth", "2.0.0") == ()
    repo.store.close()


@pytest.mark.parametrize("pushed", ["an unsigned line", "an old line of another version"])
def test_a_line_that_is_pushed_does_not_count(signing: Shop, pushed: str) -> None:
    manifest = signing.state.manifest("auth", "2.0.0")
    old = next(line for line in lines(signing, "auth", "1.0.0") if line["what"] == "approval")
    forge(signing, "auth", "2.0.0", old if "old" in pushed else {**old, "id": "f" * 16, "manifest": manifest})
    caught = refused(signing)
    assert "anna's does not count: it is not signed" in caught.reasons[0]


@pytest.mark.parametrize(
    "edit",
    [
        {"env": "training"}, {"role": "release-manager"}, {"manifest": "0" * 64}, {"why": "so"}, {"what": "rejection"},
        {"by": {"user": "olle", "source": "https://ci.example.com/job/anna/0/", "verified": True}},
        {"at": "2026-11-23T23:00:00.000000Z"}, {"after": "0" * 16}, {"id": "0" * 16}, {"signature": "AAAA"},
    ],
    ids=lambda edit: next(iter(edit)),
)  # fmt: skip
def test_a_record_of_which_anything_was_changed_does_not_count(signing: Shop, edit: dict[str, Any]) -> None:
    signing.approve("auth", "2.0.0")
    *rest, approval = lines(signing, "auth", "2.0.0")
    forge(signing, "auth", "2.0.0", *rest, {**approval, **edit}, instead=True)
    refused(signing)
    assert reasons(signing) == [CHANGED]


def test_a_signed_line_counts_in_no_other_place(signing: Shop, keys: dict[str, Path]) -> None:
    signing.approve("auth", "2.0.0")
    approval = lines(signing, "auth", "2.0.0")[-1]
    signing.to_integration(auth="3.0.0")
    forge(signing, "auth", "3.0.0", approval)
    forge(signing, "portal", "1.0.0", approval)
    assert reasons(signing, "auth", "3.0.0") == reasons(signing, "portal", "1.0.0") == [CHANGED]
    assert reasons(signing) == []
    signing.edited("sluicegate.yaml", SIGNING.replace(b"name: shop", b"name: another"))
    assert CHANGED in reasons(signing)


def test_an_approval_that_is_put_again_after_a_rejection_does_not_count(signing: Shop) -> None:
    signing.approve("auth", "2.0.0")
    approval = lines(signing, "auth", "2.0.0")[-1]
    signing.reject("auth", "2.0.0", why="broken")
    later = f"{signing.now + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}.000000Z"
    forge(signing, "auth", "2.0.0", approval)
    refused(signing, "anna rejected it: broken")
    forge(signing, "auth", "2.0.0", {**approval, "at": later}, {**approval, "at": later, "id": "f" * 16})
    refused(signing, "anna rejected it: broken")
    assert reasons(signing) == [CHANGED, CHANGED]


@pytest.mark.parametrize("take", ["signature", "env", "what"])
def test_a_line_with_the_id_of_a_veto_does_not_take_its_place(signing: Shop, take: str) -> None:
    signing.veto("auth", "2.0.0")
    veto = lines(signing, "auth", "2.0.0")[-1]
    changed = {**veto, **({"env": "training"} if take == "env" else {"what": "tests"} if take == "what" else {})}
    if take == "signature":
        del changed["signature"]
    forge(signing, "auth", "2.0.0", changed)
    signing.approve("auth", "2.0.0")
    refused(signing, "vetoed by rita: bad")


def test_a_forged_rejection_and_a_forged_veto_stop_nobody_and_are_shown(signing: Shop) -> None:
    signing.approve("auth", "2.0.0")
    approval = lines(signing, "auth", "2.0.0")[-1]
    unsigned = {name: value for name, value in approval.items() if name != "signature"}
    later = f"{signing.now + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}.000000Z"
    by = {"user": "mallory", "source": "", "verified": True}
    forge(
        signing, "auth", "2.0.0", {**unsigned, "id": "1" * 16, "what": "rejection", "at": later},
        {"id": "2" * 16, "after": "", "at": later, "what": "veto", "by": by},
    )  # fmt: skip
    signing.promote(auth="2.0.0")
    verdicts = {v.gate: v.reason for v in explain(signing.state, "auth", "2.0.0", "staging").verdicts}
    assert verdicts["veto"] == "none that counts"
    not_counted = looking.explanation(explain(signing.state, "auth", "2.0.0", "staging"))["not_counted"]
    assert [(row["what"], row["by"]["user"], row["reason"]) for row in not_counted] == [
        ("rejection", "anna", "it is not signed"), ("veto", "mallory", "it is not signed"),
    ]  # fmt: skip
    shown = [entry.summary() for entry in history(signing.state, "auth") if entry.not_counted]
    assert "not counted (it is not signed): vetoed" in shown
    assert "not counted" in status(signing.state).cells["auth"]["integration"].marks
    assert "not counted" not in status(signing.state).cells["auth"]["production"].marks


def test_a_forged_unveto_lifts_nothing(signing: Shop) -> None:
    signing.approve("auth", "2.0.0")
    signing.veto("auth", "2.0.0")
    veto = lines(signing, "auth", "2.0.0")[-1]
    later = f"{signing.now + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}.000000Z"
    forge(signing, "auth", "2.0.0", {**veto, "what": "unveto", "at": later, "id": "3" * 16})
    refused(signing, "vetoed by rita: bad")
    signing.veto("auth", "2.0.0", lift=True)
    signing.promote(auth="2.0.0")


def test_a_forged_veto_of_a_rollback_gives_no_right_to_lift_another(signing: Shop) -> None:
    signing.veto("auth", "2.0.0")
    veto = {name: value for name, value in lines(signing, "auth", "2.0.0")[-1].items() if name != "signature"}
    later = f"{signing.now + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}.000000Z"
    by = {"user": "guest", "source": "", "verified": True}
    forge(signing, "auth", "2.0.0", {**veto, "at": later, "id": "3" * 16, "of": "rollback", "by": by})
    with signing.unchanged(), pytest.raises(GateRefused, match="guest may not unveto"):
        evidence.veto(signing.by("guest"), "auth", "2.0.0", "", lift=True, why="")


def test_the_veto_of_a_rollback_counts_unsigned_and_its_lifting_does_not(
    signing: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    signing.approve("auth", "2.0.0")
    signing.promote(auth="2.0.0")
    signing.pass_time(timedelta(hours=1))
    signing.sync("staging")
    signing.accepted(auth="2.0.0")
    monkeypatch.delenv(VARIABLE)
    signing.swap()
    signing.rollback()
    assert not signing.story("auth", "2.0.0", "veto")[-1].signature
    assert signing.state.vetoed("auth", "2.0.0", "production")
    with signing.unchanged(), pytest.raises(UsageError, match=f"{VARIABLE} names no key"):
        signing.veto("auth", "2.0.0", "production", lift=True)


def test_a_key_that_is_not_allowed_or_not_any_more_signs_nothing(
    signing: Shop, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, reason in (("strange", "which allowed-signers does not have"), ("retired", "was valid until 2026-11-01")):
        monkeypatch.setenv(VARIABLE, str(keys[name]))
        with signing.unchanged(), pytest.raises(GateRefused, match="would not count") as caught:
            signing.approve("auth", "2.0.0")
        assert reason in caught.value.reasons[0]


def test_a_retired_key_keeps_what_it_signed_in_its_time_and_a_deleted_one_nothing(
    signing: Shop, keys: dict[str, Path]
) -> None:
    signing.approve("auth", "2.0.0")
    signing.edited("allowed-signers", allowed(keys["ours"], 'valid-before="20261124Z"'))
    assert reasons(signing) == []
    signing.edited("allowed-signers", allowed(keys["ours"], 'valid-before="20261101Z"'))
    assert "was valid until 2026-11-01" in reasons(signing)[0]
    signing.edited("allowed-signers", allowed(keys["strange"]))
    assert "which allowed-signers does not have" in reasons(signing)[0]
    refused(signing)


@pytest.mark.parametrize("content", [None, "no key\n"])
def test_without_a_list_of_who_signs_nothing_is_decided(signing: Shop, content: str | None) -> None:
    signing.approve("auth", "2.0.0")
    signing.edited("allowed-signers", content)
    with signing.unchanged(), pytest.raises(ConfigError, match="allowed-signers"):
        signing.promote(auth="2.0.0")


def test_a_hold_that_was_signed_stays_until_it_is_lifted_with_a_signature(signing: Shop) -> None:
    signing.approve("auth", "2.0.0")
    pinning.hold(signing.by("rita"), "auth", "staging", until=None, why="the fair")
    signing.edited("environments/staging.yaml", "auth: 1.0.0\nportal: 1.0.0\n")
    refused(signing, r"auth is held at 1\.0\.0 in staging by rita: the fair")
    assert "held" in status(signing.state).cells["auth"]["staging"].marks
    assert any(v.gate == "hold" for v in explain(signing.state, "auth", "2.0.0", "staging").verdicts)
    pinning.unhold(signing.by("rita"), "auth", "staging", why="")
    signing.promote(auth="2.0.0")


def test_a_hold_whose_record_does_not_count_is_none(signing: Shop) -> None:
    signing.approve("auth", "2.0.0")
    pinning.hold(signing.by("rita"), "auth", "staging", until=None, why="the fair")
    *rest, held = lines(signing, "auth", "1.0.0")
    del held["signature"]
    forge(signing, "auth", "1.0.0", *rest, held, instead=True)
    signing.promote(auth="2.0.0")


def test_verified_signatures_are_remembered_for_these_signers_alone(
    signing: Shop, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    signing.approve("auth", "2.0.0")
    checked: list[str] = []
    real = sshsig.signing_key
    monkeypatch.setattr(sshsig, "signing_key", lambda *words: checked.append("") or real(*words))
    assert reasons(signing) == [] and not checked
    approval = lines(signing, "auth", "2.0.0")[-1]
    forge(signing, "auth", "2.0.0", {**approval, "why": "changed"})
    assert reasons(signing) == reasons(signing) == [CHANGED]
    assert len(checked) == 2, "what does not verify is looked at again"
    signing.edited("allowed-signers", allowed(keys["ours"]) + "# another list\n")
    assert reasons(signing) == [CHANGED] and len(checked) == 4


def test_every_text_is_signed_as_it_will_be_read(signing: Shop) -> None:
    signing.approve("auth", "2.0.0", why='\x1b[31mred\x1b[0m \u202e \u00e5 \U0001f600 "quotes"\t\n')
    assert reasons(signing) == []
    assert "\x1b" not in signing.story("auth", "2.0.0", "approval")[0].why


def test_signing_wants_a_name() -> None:
    with pytest.raises(ConfigError, match="'evidence' needs 'name: NAME'"):
        read_config(b"evidence: {signed-by: allowed-signers}\n" + CONFIG)


def test_explain_prints_what_does_not_count_and_why(signing: Shop) -> None:
    manifest = signing.state.manifest("auth", "2.0.0")
    old = next(line for line in lines(signing, "auth", "1.0.0") if line["what"] == "approval")
    forge(signing, "auth", "2.0.0", {**old, "id": "f" * 16, "manifest": manifest, "role": "q\x1b[31ma"})
    words = ["auth=2.0.0", "--to", "staging"]
    done = CliRunner().invoke(views.explain, words, obj=str(signing.bare), help_option_names=["-h", "--help"])
    assert done.exit_code == 0, done.output
    at = f"{signing.state.uncounted('auth', '2.0.0')[0].record.at:%Y-%m-%d %H:%M} UTC"
    uncounted_line = next(line for line in done.output.splitlines() if "not counted" in line)
    assert uncounted_line.endswith(f" by anna at {at}: it is not signed") and "\x1b" not in uncounted_line


def test_check_says_whether_records_are_signed_and_what_is_wrong_with_it(signing: Shop) -> None:
    assert "a copied line of the ledger counts" in forging(read_config(CONFIG))
    assert forging(signing.state.config) == ""
    for path, content, mistake in (
        ("sluicegate.yaml", since("0" * 40), "sluicegate.yaml:2: the ledger has no commit 0000"),
        ("sluicegate.yaml", since(signing.tips["main"]), "in its history"),
        ("allowed-signers", "ci ssh-ed25519 AAAA\n", "allowed-signers:1: "),
        ("allowed-signers", None, "allowed-signers: it is not there, and 'evidence' says"),
    ):
        signing.edited(path, content)
        with pytest.raises(ConfigError) as caught:
            check_repo(signing.state)
        assert mistake in "\n".join(caught.value.mistakes)
