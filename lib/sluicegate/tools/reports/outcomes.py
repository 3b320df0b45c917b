"""What the attributes of a report's elements say of how a test, or all tests in one, ended: words, flags and sums."""

from __future__ import annotations

import re
from collections.abc import Mapping

# What an attribute says of a test, in lower case, without blanks, hyphens and underscores.
OUTCOMES = {"status", "result", "outcome"}
FLAGS = {  # name -> the state that they say, and the words by which they say it
    "success": ("failed", ("false", "no", "0")), "failed": ("failed", ("true", "yes", "1")),
    "aborted": ("failed", ("true", "yes", "1")), "executed": ("skipped", ("false", "no", "0")),
    "run": ("skipped", ("false", "no")), "disabled": ("skipped", ("true", "yes", "1")),
    "skipped": ("skipped", ("true", "yes", "1")), "ignored": ("skipped", ("true", "yes", "1")),
}  # fmt: skip
TELLING = OUTCOMES | FLAGS.keys()
NOT_RUN_WORDS = re.compile(
    r"skip.*|pending.*|untested.*|disabled|suppressed|ignored?|inactive|excluded|filtered|blocked|undefined|incomplete"
    r"|inconclusive|cancell?ed|todo|(?:not|did|was|un|never)+(?:run|ran|executed|started)"
    r"|xfail(?:ed)?|expected(?:to)?fail(?:ure|ed)?"
)
FAILED_WORDS = re.compile(
    r"(?!no|without|0).*(?:fail|error|broken|timeout|timedout|abort|crash|interrupt|unexpected|panic|exception|fatal).*"
    r"|started|running|nok|notok|ko|false|ambiguous|regression|killed|terminated"
)
SUM = re.compile(r"\s*([0-9][0-9,]{0,300})(?:\.0*)?\s*")


def declares_red(attributes: Mapping[str, str]) -> bool:
    """Whether the sums, or words, of an element that holds tests speak of failures."""
    words = {key: value for key, value in attributes.items() if key not in ("failed", "skipped", "disabled")}
    return counts_failures(attributes) or state(words) == "failed"


def counts_failures(attributes: Mapping[str, str]) -> bool:
    """Whether a sum of failures is above 0."""
    return any(counted(attributes.get(key, "")) for key in ("failures", "errors", "failed", "fail"))


def state(attributes: Mapping[str, str]) -> str:
    """What a test's own attributes say: googletest, CTest and others mark a test that did not run only there."""
    words = {
        key.lower(): re.sub(r"[\s_-]", "", value).lower() for key, value in attributes.items() if key.lower() in TELLING
    }
    said = {FLAGS[key][0] for key, word in words.items() if key in FLAGS and word in FLAGS[key][1]}
    for key in OUTCOMES & words.keys():
        if NOT_RUN_WORDS.fullmatch(words[key]):
            said.add("skipped")
        elif FAILED_WORDS.fullmatch(words[key]):
            said.add("failed")
    return "failed" if "failed" in said else "skipped" if said else "passed"


def counted(text: str) -> int:
    """A sum that a report gives, such as 1,234; 0 for what is none."""
    number = SUM.fullmatch(text)
    return int(number[1].replace(",", "")) if number else 0
