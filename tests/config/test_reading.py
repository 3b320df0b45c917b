"""sluicegate.yaml is read strictly: all mistakes at once, each with file:line."""

from __future__ import annotations

import pytest

from sluicegate.config import read_config
from sluicegate.delivery.book.setup import SAMPLE
from sluicegate.errors import ConfigError
from sluicegate.wiring import EntryPointDrivers

WHOLE = """\
requires: ">=0.1"
jenkins: {url: "http://127.0.0.1:8080/", user: ci, token: {env: JENKINS_TOKEN}}
repositories:
  releases: {driver: directory, path: /srv/releases}
components:
  auth: {repository: releases, group: com.example}
  portal: {repository: releases, needs: [auth]}
roles:
  qa: {members: [anna], jobs: {approve: [approve]}}
hosts:
  a: {driver: local, folder: /srv/a, ports: {auth: 8101, portal: 8102}}
  b: {driver: local, folder: /srv/b, ports: {auth: 8103, portal: 8104}}
groups:
  blue: [a]
  green: [b]
environments:
  staging:
    gates: [{approval: {role: qa}}]
    hosts: {one-of: [blue, green]}
    deploy: {driver: archive}
  production:
    from: staging
    hosts: {one-of: [blue, green]}
    deploy: {driver: archive}
    swaps-with: staging
    balancer: {driver: caddy, file: /srv/live, address: "http://127.0.0.1:8080", sessions: keep, keep-for: 2 h}
objective: {commit-to-integration: 10 min}
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        EntryPointDrivers().check(read_config(text.encode()))
    return list(caught.value.mistakes)


def changed(old: str, new: str) -> str:
    assert old in WHOLE
    return WHOLE.replace(old, new)


def test_a_whole_file_is_read() -> None:
    config = read_config(WHOLE.encode())
    EntryPointDrivers().check(config)
    assert config.jenkins is not None
    assert config.jenkins.url == "http://127.0.0.1:8080"
    assert config.in_order({"portal", "auth"}) == ("auth", "portal")
    keep = config.environments["production"].keep_sessions
    assert keep is not None
    assert keep.total_seconds() == 7200
    assert config.veto_scopes("staging") == ("", "staging", "production")
    assert config.downstream("staging") == ("staging", "production")


def test_the_sample_of_init_has_no_mistake() -> None:
    EntryPointDrivers().check(read_config(SAMPLE.encode()))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("group: com.example", "grup: com.example", "sluicegate.yaml:6: unknown key 'grup'. Did you mean 'group'?"),
        ("repository: releases, needs", "repository: release, needs", "no repository is called 'release'"),
        ("needs: [auth]", "needs: [portal]", "sluicegate.yaml:7: 'portal' needs itself in the end"),
        ("blue: [a]", "blue: [c]", "sluicegate.yaml:14: no host is called 'c'"),
        ("blue: [a]", "blue: []", "sluicegate.yaml:14: the group 'blue' has no hosts"),
        ("role: qa", "role: qs", "no role is called 'qs'"),
        ("approval:", "approvals:", "no gate driver is called 'approvals'. Did you mean 'approval'?"),
        ("driver: archive}\n  production", "driver: archif}\n  production", "no deployer driver is called 'archif'"),
        ("swaps-with: staging", "swaps-with: stage", "no environment is called 'stage'. Did you mean 'staging'?"),
        ("from: staging", "from: production", "'production' must have 'from: staging' to swap with it"),
        ("keep-for: 2 h", "keep-for: 2 fortnights", "is not a span of time"),
        ("path: /srv/releases", "path: releases", "path"),
        ('requires: ">=0.1"', 'requires: ">=99"', "requires sluicegate >=99"),
        ("members: [anna]", "members: {anna: 1}", "'members' must be a list"),
        ("groups:", "grups:", "sluicegate.yaml:13: unknown key 'grups'. Did you mean 'groups'?"),
        ("  blue: [a]\n", "  blue: [a]\n  blue: [b]\n", "the key 'blue' stands twice (first in line 14)"),
        ("  blue: [a]\n", "\tblue: [a]\n", "sluicegate.yaml:14: a tab in the indentation"),
        ("  blue: [a]\n", "<<<<<<< ours\n  blue: [a]\n", "sluicegate.yaml:14: a merge marker"),
        ("roles:", "roles: &r", ""),
        ("members: [anna]", "members: !!python/name:os.system [anna]", "is not taken here"),
        ("url: \"http://127.0.0.1:8080/\"", "url: \"ftp://x\"", "'url' is not of the form"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(old: str, new: str, message: str) -> None:
    if not message:  # an anchor alone does no harm; an alias does
        read_config(changed(old, new).encode())
        return
    assert message in "\n".join(mistakes(changed(old, new)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("roles: {}\nrequires: '>=99'\n", "sluicegate.yaml:2: this delivery repo requires"),
        ("roles: {}\nname: 'a b'\n", "sluicegate.yaml:2: 'name' is 'a b'"),
        (
            "roles: {}\nhosts:\n  a:\n    driver: local\n    folder: /srv\n    ports: x\n",
            "sluicegate.yaml:6: 'ports' must be a mapping",
        ),
        ("components:\n  a:\n    repository: r\n    group: g\n    issues: '('\n", "sluicegate.yaml:5: 'issues' is '('"),
        (
            "environments:\n  int:\n    gates:\n      - tests:\n          suite: s\n          minimum: many\n",
            "sluicegate.yaml:6: 'minimum' must be a whole number",
        ),
        (
            "environments:\n  int:\n    deploy:\n      driver: archive\n      at-once: none\n",
            "sluicegate.yaml:5: 'at-once' is 'none'",
        ),
        (
            "environments:\n  int:\n    deploy:\n      driver: archive\n      keep: 0\n",
            "sluicegate.yaml:5: 'keep' is 0",
        ),
    ],
)
def test_a_mistake_is_named_where_its_key_stands(text: str, message: str) -> None:
    assert any(mistake.startswith(message) for mistake in mistakes(text)), mistakes(text)


def test_a_job_to_start_needs_the_build_server_s_address() -> None:
    text = changed("    gates: [{approval", '    after: {acceptance: "{component}-acceptance"}\n    gates: [{approval')
    assert read_config(text.encode()).environments["staging"].after[0].job == "{component}-acceptance"
    without = "\n".join(line for line in text.splitlines() if not line.startswith("jenkins:"))
    assert "the job '{component}-acceptance' needs 'jenkins: {url: ...}'" in mistakes(without)[0]


def test_all_mistakes_are_named_at_once() -> None:
    text = changed("group: com.example", "grup: x").replace("members: [anna]", "member: [anna]")
    assert len(mistakes(text)) == 2


def test_scalars_are_texts() -> None:
    text = changed("group: com.example", "group: 1.10")
    assert read_config(text.encode()).components["auth"].group == "1.10"


def test_jobs_of_a_role_as_a_list_are_a_mistake_that_says_what_to_write() -> None:
    (mistake,) = mistakes(changed("jobs: {approve: [approve]}", "jobs: [seal, refuse]"))
    assert "jobs: {approve: [seal, refuse], reject: [seal, refuse]}, each with the jobs of that verb alone" in mistake


def test_a_verb_that_no_job_of_a_role_can_carry_is_a_mistake() -> None:
    (mistake,) = mistakes(changed("{approve: [approve]}", "{aprove: [approve]}"))
    assert "unknown key 'aprove'. Did you mean 'approve'" in mistake
