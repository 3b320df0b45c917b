"""The cells of a matrix: combinations of its axes' values, and the filter that leaves some out.

The filter is a Groovy expression in Jenkins. Here it is read as what people write in it, and nothing else of Groovy:
names of axes, texts, numbers, lists, `== != < <= > >= in =~ ==~ && || ! %`, parentheses, and some methods of texts.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sluicegate.errors import Malformed
from sluicegate.model.numbers import whole
from sluicegate.tools import patterns, xml

TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<number>\d+)|(?P<name>[A-Za-z_]\w*)"""
    r"""|(?P<mark>&&|\|\||==~|==|!=|=~|<=|>=|[!<>%()\[\],.]))"""
)
Value = str | int | bool | list["Value"]
Evaluate = Callable[[Mapping[str, Value]], Value]
METHODS: dict[str, Callable[..., Value]] = {
    "contains": lambda text, part: part in text,
    "startsWith": lambda text, part: text.startswith(part),
    "endsWith": lambda text, part: text.endswith(part),
    "equals": lambda text, second: text == second,
    "equalsIgnoreCase": lambda text, second: text.lower() == second.lower(),
    "matches": lambda text, pattern: patterns.matches(pattern, text),
    "toLowerCase": lambda text: text.lower(),
    "toUpperCase": lambda text: text.upper(),
    "implies": lambda left, right: not left or bool(right),
}
COMPARE: dict[str, Callable[..., Value]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "in": lambda left, right: left in right,
    "=~": lambda left, right: patterns.search(right, left) is not None,
    "==~": lambda left, right: patterns.matches(right, left),
}


SUBSET = "hudson.plugins.parameterizedtrigger.matrix.MatrixSubsetAction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A name and its values."""

    name: str
    values: tuple[str, ...]


def cells(axes: Sequence[Axis]) -> list[dict[str, str]]:
    """Every combination, the last axis changing fastest."""
    names = [axis.name for axis in axes]
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*(axis.values for axis in axes))]


class Filter:
    """A combination filter. Its constructor raises Malformed for what is no such expression."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self._tokens = _tokens(expression)
        self._next = 0
        self._evaluate = self._or() if self._tokens else lambda names: True
        if self._next < len(self._tokens):
            raise self._wrong()

    def keeps(self, cell: Mapping[str, str], index: int) -> bool:
        """Whether the cell with this index stays. Raises Malformed for a name that is no axis, or unlike types."""
        try:
            return bool(self._evaluate({**cell, "index": index}))
        except (TypeError, AttributeError, KeyError) as problem:
            raise Malformed(f"the combination filter '{self.expression}' cannot be judged: {problem}") from problem

    def _wrong(self) -> Malformed:
        rest = " ".join(self._tokens[self._next :]) or "its end"
        return Malformed(
            f"the combination filter '{self.expression}' is not understood at {rest}; "
            "axes, texts, == != in =~ && || ! and parentheses are"
        )

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self, *wanted: str) -> str:
        token = self._peek()
        if not token or (wanted and token not in wanted):
            raise self._wrong()
        self._next += 1
        return token

    def _or(self) -> Evaluate:
        parts = [self._and()]
        while self._peek() == "||":
            self._take()
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else lambda names: any(bool(part(names)) for part in parts)

    def _and(self) -> Evaluate:
        parts = [self._comparison()]
        while self._peek() == "&&":
            self._take()
            parts.append(self._comparison())
        return parts[0] if len(parts) == 1 else lambda names: all(bool(part(names)) for part in parts)

    def _comparison(self) -> Evaluate:
        left = self._modulo()
        if (mark := self._peek()) not in COMPARE:
            return left
        self._take()
        right, compare = self._modulo(), COMPARE[mark]
        return lambda names: compare(left(names), right(names))

    def _modulo(self) -> Evaluate:
        left = self._unary()
        if self._peek() != "%":
            return left
        self._take()
        right = self._unary()
        return lambda names: _whole(left(names)) % (_whole(right(names)) or 1)

    def _unary(self) -> Evaluate:
        if self._peek() == "!":
            self._take()
            inner = self._unary()
            return lambda names: not inner(names)
        return self._called(self._primary())

    def _called(self, subject: Evaluate) -> Evaluate:
        while self._peek() == ".":
            self._take()
            name = self._take()
            if name not in METHODS:
                raise self._wrong()
            subject = _call(METHODS[name], subject, self._list("(", ")"))
        return subject

    def _primary(self) -> Evaluate:
        token = self._peek()
        if token == "(":
            self._take()
            inner = self._or()
            self._take(")")
            return inner
        if token == "[":
            values = self._list("[", "]")
            return lambda names: [value(names) for value in values]
        self._take()
        if token[0] in "\"'":
            text = re.sub(r"\\(.)", r"\1", token[1:-1])
            return lambda names: text
        if (number := whole(token, most=999_999_999)) is not None:
            return lambda names: number
        if token in ("true", "false"):
            return lambda names: token == "true"
        if not token.isidentifier():
            raise self._wrong()
        return lambda names: names[token]

    def _list(self, begin: str, end: str) -> list[Evaluate]:
        self._take(begin)
        values: list[Evaluate] = []
        while self._peek() != end:
            values.append(self._or())
            if self._peek() != end:
                self._take(",")
        self._take(end)
        return values


def subset(expression: str) -> str:
    """The action that makes a build of a matrix leave out the cells that a filter does not keep."""
    return f'<{SUBSET} plugin="parameterized-trigger">{xml.tag("filter", expression).strip()}</{SUBSET}>'


def subsets(actions: Iterable[str]) -> list[Filter]:
    """The filters that a build carries among its actions. Raises Malformed."""
    elements = (xml.parse(action.encode(), source="build.xml") for action in actions if action.startswith(f"<{SUBSET}"))
    return [Filter(xml.text(element, "filter")) for element in elements]


def _call(method: Callable[..., Value], subject: Evaluate, arguments: Sequence[Evaluate]) -> Evaluate:
    return lambda names: method(subject(names), *(argument(names) for argument in arguments))


def _whole(value: Value) -> int:
    return int(value) if isinstance(value, (int, str)) else 0


def _tokens(expression: str) -> list[str]:
    # Groovy lets lines end anywhere within an expression.
    text, place, tokens = expression.strip(), 0, []
    while place < len(text):
        matched = TOKEN.match(text, place)
        if matched is None:
            raise Malformed(f"the combination filter '{expression}' is not understood at '{text[place:][:20]}'")
        tokens.append(matched[0].strip())
        place = matched.end()
    return tokens
