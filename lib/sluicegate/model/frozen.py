"""The decorator of frozen values: keywords only, and a fraction of what `dataclass` costs at import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import Any, NoReturn, TypeVar, dataclass_transform

Value = TypeVar("Value")
UNSET = object()
"""The default in a signature where a factory makes the real one, a new one for each value."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def frozen(kind: type[Value]) -> type[Value]:
    """The class as `dataclass(frozen=True, slots=True, kw_only=True)` makes it, to its users' eyes.

    Every command starts by making the model's classes. Before Python 3.13 `dataclass` compiles six methods for each;
    here one is compiled, `__init__`, and the others are plain functions. Such a class inherits from its like only.
    """
    kind = dataclass(init=False, repr=False, eq=False, slots=True, kw_only=True)(kind)  # fields, slots, `replace`
    own = fields(kind)  # type: ignore[arg-type]
    for name, method in (("__init__", initializer(kind, own)), *methods(own).items()):
        if name not in kind.__dict__:
            setattr(kind, name, method)
    return kind


def initializer(kind: type, own: tuple[Field[Any], ...]) -> Callable[..., None]:
    """Take each field by keyword, set it past `__setattr__`, then call `__post_init__` where there is one."""
    known: dict[str, Any] = {"put": object.__setattr__, "UNSET": UNSET}
    signature, lines = ["self", "*"] if own else ["self"], []
    for fact in own:
        name = fact.name
        if fact.default_factory is not MISSING:
            known[f"make_{name}"] = fact.default_factory
            signature.append(f"{name}=UNSET")
            lines.append(f" put(self, '{name}', make_{name}() if {name} is UNSET else {name})")
            continue
        if fact.default is not MISSING:
            known[f"default_{name}"] = fact.default
        signature.append(name if fact.default is MISSING else f"{name}=default_{name}")
        lines.append(f" put(self, '{name}', {name})")
    if hasattr(kind, "__post_init__"):
        lines.append(" self.__post_init__()")
    namespace: dict[str, Any] = {}
    exec(f"def __init__({', '.join(signature)}):\n" + ("\n".join(lines) or " pass"), known, namespace)
    method: Callable[..., None] = namespace["__init__"]
    method.__qualname__ = f"{kind.__qualname__}.__init__"
    method.__annotations__ = {fact.name: fact.type for fact in own} | {"return": None}
    return method


def methods(own: tuple[Field[Any], ...]) -> dict[str, Callable[..., Any]]:
    """What all values do alike: they are shown, compared and hashed by their fields, and refuse to be changed."""
    names, compared = tuple(fact.name for fact in own), tuple(fact.name for fact in own if fact.compare)
    facts: Callable[[Any], Any] = attrgetter(*compared) if compared else lambda self: ()

    def show(self: Any) -> str:
        shown = ", ".join(f"{fact.name}={getattr(self, fact.name)!r}" for fact in own if fact.repr)
        return f"{self.__class__.__qualname__}({shown})"

    def same(self: Any, other: object) -> bool:
        return facts(self) == facts(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: Any) -> int:
        return hash(facts(self))

    def saved(self: Any) -> list[Any]:
        return [getattr(self, name) for name in names]

    def restore(self: Any, saved: list[Any]) -> None:
        for name, fact in zip(names, saved, strict=True):
            object.__setattr__(self, name, fact)

    return {
        "__repr__": show, "__eq__": same, "__hash__": hashed, "__getstate__": saved, "__setstate__": restore,
        "__setattr__": refuse_to_set, "__delattr__": refuse_to_delete,
    }  # fmt: skip


def refuse_to_set(self: object, name: str, fact: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def refuse_to_delete(self: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")
