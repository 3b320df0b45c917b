"""A commit as Git has it: what a name or a sentence in it says is no line of its own."""

from __future__ import annotations

import pytest

from sluicegate.tools.git.commits import read_commit, without_trailers

ENDS = ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r"]


@pytest.mark.parametrize("end", ENDS)
def test_a_name_with_an_end_of_line_in_it_brings_no_other_parent(end: str) -> None:
    head = f"tree {'a' * 40}\nparent {'b' * 40}\nauthor M{end}parent {'c' * 40} <m@example.com> 1 +0000\n"
    commit = read_commit(f"{head}committer M{end}tree {'d' * 40} <m@example.com> 1 +0000\n\nwhy\n".encode())
    assert (commit.tree, commit.parents) == ("a" * 40, ("b" * 40,))


@pytest.mark.parametrize("end", ENDS)
def test_a_sentence_with_an_end_of_line_in_it_brings_no_trailer(end: str) -> None:
    message = f"pin auth\n\nWhy: because{end}Ledger: {'c' * 40}\n"
    commit = read_commit(f"tree {'a' * 40}\n\n{message}".encode())
    assert "Ledger" not in commit.trailers
    assert without_trailers(f"a\n\nbecause{end}Ledger: x\n") == f"a\n\nbecause{end}Ledger: x\n"
