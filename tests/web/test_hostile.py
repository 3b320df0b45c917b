"""Hostile input and faults, line by line: what is shown where, and what no other file shows."""

from __future__ import annotations

import ast
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.runner.conftest import shell
from tests.web.conftest import ROOT, Server, command, ended, until

SHOWN = {
    1: ("web/test_security.py::test_no_path_leads_out_of_the_home",),
    2: (
        "web/test_doors.py::test_a_name_that_no_folder_can_have_is_refused",
        "web/test_doors.py::test_odd_names_are_stored_right_and_twins_by_case_are_refused",
    ),
    3: (
        "web/test_security.py::test_links_among_the_artifacts_are_not_followed",
        "web/test_files.py::test_a_hard_link_that_a_build_made_is_a_file",
        "runner/test_confinement.py::test_links_in_a_workspace_lead_the_server_nowhere",
    ),
    4: ("web/test_files.py::test_a_zip_of_artifacts_never_has_what_a_swapped_name_leads_to",),
    5: (
        "web/test_security.py::test_an_attack_by_xml_is_a_400_and_leaves_nothing",
        "web/test_doors.py::test_xml_that_is_made_to_take_long_is_refused_soon",
        "runner/test_any_input.py::test_any_config_is_a_job_or_is_refused_in_words",
    ),
    6: ("web/test_wrong_jobs.py::test_what_only_a_jenkins_runs_is_stored_and_told_before_a_step_begins",),
    7: (
        "web/test_security.py::test_a_password_needs_a_crumb_and_a_token_does_not",
        "web/test_security.py::test_a_get_changes_nothing",
    ),
    8: (
        "web/test_security.py::test_what_people_wrote_is_escaped_on_pages",
        "web/test_files.py::test_notes_of_a_real_jenkins_are_left_out_wherever_a_block_ends",
    ),
    9: ("web/test_python_jenkins.py::test_artifacts_and_fingerprints",),
    10: (
        "web/test_security.py::test_foreign_hosts_get_no_answer",
        "web/test_doors.py::test_a_host_is_compared_whole",
        "web/test_logins.py::test_the_header_of_anybody_else_is_not_believed",
    ),
    11: (
        "web/test_security.py::test_headers_cannot_be_injected",
        "web/test_doors.py::test_a_request_with_two_ends_is_refused_and_the_connection_closed",
    ),
    12: (
        "web/test_doors.py::test_a_thousand_idle_connections_keep_nobody_out",
        "web/test_doors.py::test_who_sends_a_byte_a_second_is_not_waited_for",
        "web/test_doors.py::test_a_stranger_s_body_is_not_read",
    ),
    13: ("web/test_security.py::test_wild_trees_are_refused_quickly",),
    14: (
        "web/test_security.py::test_tokens_are_kept_hashed_and_can_be_revoked",
        "web/test_hostile.py::test_no_secret_of_a_login_stands_in_a_log",
    ),
    15: (
        "web/test_commands.py::test_run_takes_parameters_literally",
        "web/test_hostile.py::test_a_value_is_only_text",
    ),
    16: ("runner/test_builds.py::test_parameters_that_programs_obey_are_refused",),
    17: ("web/test_hostile.py::test_a_value_is_only_text",),
    18: (
        "runner/test_masking.py::test_a_secret_cut_into_any_pieces_is_hidden",
        "runner/test_masking.py::test_a_secret_is_hidden_however_a_tool_prints_it",
    ),
    19: (
        "runner/test_confinement.py::test_a_build_reads_nothing_of_the_server",
        "runner/test_confinement.py::test_a_hook_of_git_that_a_build_has_planted_reads_nothing",
    ),
    20: (
        "runner/test_confinement.py::test_an_abort_lets_a_script_clean_up_and_ends_all_of_it",
        "runner/test_confinement.py::test_a_cgroup_ends_what_hides_from_us",
    ),
    21: (
        "runner/test_builds.py::test_a_log_that_never_ends_is_cut_and_says_so",
        "web/test_files.py::test_consoles_artifacts_and_zips_of_any_size_are_answered_in_little_memory",
        "web/test_files.py::test_a_progressive_console_comes_in_pieces_that_fit_together",
    ),
    22: (
        "web/test_crashes.py::test_after_kill_9_waiting_builds_run_and_running_ones_are_marked",
        "runner/test_queue.py::test_a_crash_at_any_moment_loses_and_repeats_nothing",
    ),
    23: (
        "runner/test_queue.py::test_a_line_cut_by_the_crash_is_ignored",
        "runner/test_any_input.py::test_any_journal_opens_and_takes_and_keeps_what_comes_next",
    ),
    24: (
        "web/test_recovery.py::test_a_trigger_that_is_not_on_disk_is_not_accepted_and_harms_no_other",
        "web/test_recovery.py::test_a_build_that_met_the_full_disk_fails_with_the_cause",
        "runner/test_disk_faults.py::test_a_disk_that_fails_at_any_call_loses_no_accepted_trigger",
    ),
    25: (
        "runner/test_triggers.py::test_a_clock_that_is_set_back_stops_no_timer_and_starts_no_nightly_job_twice",
        "runner/test_triggers.py::test_a_quiet_period_ends_whatever_the_clock_says",
    ),
    26: (
        "web/test_crashes.py::test_a_second_server_on_one_home_ends_and_names_the_holder",
        "web/test_hostile.py::test_a_home_whose_server_was_killed_is_taken_over_whatever_its_note_says",
    ),
    27: ("web/test_hostile.py::test_a_burst_of_triggers_is_kept_whole_and_can_be_taken_back",),
    28: (
        "web/test_odd_numbers.py::test_a_job_that_cannot_be_read_stops_no_other_and_the_log_says_which",
        "web/test_hostile.py::test_a_record_that_cannot_be_read_stops_no_other_job",
    ),
}
"""Each line of the list of hostile input that is about the server, and the tests that show that it is survived."""


@pytest.mark.parametrize("line", SHOWN)
def test_each_line_is_shown_by_tests_that_are_there(line: int) -> None:
    for place in SHOWN[line]:
        file, _, name = place.partition("::")
        tree = ast.parse((ROOT / "tests" / file).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, place


PARAMETER = (
    "<properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions><hudson.model.StringParameterDefinition>"
    "<name>A</name></hudson.model.StringParameterDefinition></parameterDefinitions>"
    "</hudson.model.ParametersDefinitionProperty></properties>"
)


@pytest.mark.parametrize(
    "value",
    ["@/etc/passwd", "${file:/etc/passwd}", "$(id)", "`id`", "a\nb", "a'b\"c\\d", "; id", "x" * 100_000, "%00", "-n"],
    ids=lambda value: value[:12].encode("unicode_escape").decode(),
)
def test_a_value_is_only_text(server: Server, name: str, value: str) -> None:
    client = server.client()
    client.create_job(name, shell('printf %s "$A" | md5sum; printf %s "$A" > value', more=PARAMETER).decode())
    client.build_job(name, {"A": value})
    assert ended(client, name)["result"] == "SUCCESS"
    kept = server.home / "workspace" / name / "value"
    assert kept.read_bytes() == value.encode()


def test_no_secret_of_a_login_stands_in_a_log(fresh: Server) -> None:
    session, token = fresh.session(), fresh.token()
    assert session.get(f"{fresh.url}api/json").ok
    assert session.get(f"{fresh.url}api/json", auth=("admin", "a-wrong-password")).status_code == 401
    assert session.get(f"{fresh.url}api/json", auth=("admin", token[:-1] + "0")).status_code in (200, 401)
    logs = "".join(path.read_text() for path in (fresh.home / "logs").iterdir())
    assert "a-wrong-password" not in logs and token[:-1] not in logs and fresh.password("admin") not in logs
    assert '"admin"' in logs


def test_a_home_whose_server_was_killed_is_taken_over_whatever_its_note_says(fresh: Server) -> None:
    fresh.client().create_job("job", shell("true").decode())
    fresh.kill()
    for note in ("", "{", "[1]", json.dumps({"pid": 1, "host": "elsewhere"}), "\0" * 50):
        (fresh.home / "runner.json").write_text(note)
        fresh.start()
        assert fresh.client().job_exists("job")
        (fresh.home / "runner.json").write_text(note)
        done = command("serve", "--home", str(fresh.home), "--port", "0")
        assert done.returncode == 4 and "is held by another runner" in done.stderr, note
        fresh.kill()
    fresh.start()


def test_a_burst_of_triggers_is_kept_whole_and_can_be_taken_back(fresh: Server) -> None:
    client, session = fresh.client(), fresh.session()
    client.create_job("burst", shell('echo "$A"; sleep 60', more=PARAMETER).decode())
    session.post(f"{fresh.url}quietDown")

    def trigger(number: int) -> int:
        path = f"{fresh.url}job/burst/buildWithParameters"
        values = {"A": str(number % 40), "delay": "0sec"}
        return session.post(path, data=values, auth=session.auth, allow_redirects=False).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(trigger, range(400)))
    assert set(answers) == {201, 303}
    waiting = client.get_queue_info()
    assert len(waiting) == 40, "equal ones are one, as on a Jenkins"
    fresh.kill()
    fresh.start()
    client, session = fresh.client(), fresh.session()
    running = [client.get_build_info("burst", build["number"])["queueId"] for build in client.get_running_builds()]
    assert {queued["id"] for queued in waiting} <= {*running, *(queued["id"] for queued in client.get_queue_info())}
    session.post(f"{fresh.url}cancelQuietDown")
    until(lambda: client.get_running_builds())
    for queued in client.get_queue_info():
        client.cancel_queue(queued["id"])
    until(lambda: not client.get_queue_info())
    for number in [build["number"] for build in client.get_running_builds()]:
        client.stop_build("burst", number)
    assert ended(client, "burst")["result"] == "ABORTED"


@pytest.mark.parametrize("content", ["", "<build", "\0\0\0", "<build><number>x</number></build>", "<other/>"])
def test_a_record_that_cannot_be_read_stops_no_other_job(fresh: Server, content: str) -> None:
    client = fresh.client()
    for name in ("whole", "broken"):
        client.create_job(name, shell("true").decode())
        client.build_job(name)
        ended(client, name)
    fresh.stop()
    Path(fresh.home / "jobs/broken/builds/1/build.xml").write_text(content)
    fresh.start()
    client = fresh.client()
    assert {job["name"] for job in client.get_jobs()} == {"whole", "broken"}
    assert client.get_build_info("whole", 1)["result"] == "SUCCESS"
    client.build_job("broken")
    assert ended(client, "broken", 2)["result"] == "SUCCESS"
