"""`frozen` makes what `dataclass(frozen=True, slots=True, kw_only=True)` makes."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import Any, ClassVar

import pytest

from sluicegate.model.frozen import frozen


def classes(decorate: Callable[[type], type]) -> tuple[type, type]:
    """A class and one that inherits from it, with all that a field may be."""

    @decorate
    class Host:
        """A host."""

        kind: ClassVar[str] = "host"
        name: str
        tags: tuple[str, ...] = ()
        labels: dict[str, str] = field(default_factory=dict)
        where: str = field(default="", compare=False)
        password: str = field(default="", repr=False)

        def __post_init__(self) -> None:
            if not self.name:
                raise ValueError("no name")

    @decorate
    class Server(Host):
        """A host with a port."""

        kind = "server"
        port: int = 80
        tags: tuple[str, ...] = ("web",)

        def __repr__(self) -> str:
            return "****"

    return Host, Server


MADE = classes(frozen)
MODELS = classes(dataclass(frozen=True, slots=True, kw_only=True))
Pinned = frozen(
    type("Pinned", (), {"__annotations__": {"version": "str"}, "__module__": __name__, "__doc__": "A pin."})
)


@pytest.mark.parametrize("facts", [{"name": "int1"}, {"name": "int1", "tags": ("a",), "labels": {"zone": "b"}}])
@pytest.mark.parametrize("which", [0, 1])
def test_a_value_is_made_shown_and_changed_as_a_dataclass(which: int, facts: dict[str, Any]) -> None:
    ours, model = MADE[which](**facts), MODELS[which](**facts)
    shown = [{field.name: getattr(value, field.name) for field in fields(value)} for value in (ours, model)]
    assert shown[0] == shown[1]
    assert repr(ours) == repr(model)
    assert repr(replace(ours, name="int2")) == repr(replace(model, name="int2"))
    assert set(inspect.signature(MADE[which]).parameters) == set(inspect.signature(MODELS[which]).parameters)


@pytest.mark.parametrize("facts", [{}, {"name": ""}, {"name": "int1", "colour": "blue"}])
def test_what_a_dataclass_refuses_is_refused(facts: dict[str, str]) -> None:
    for ours, model in zip(MADE, MODELS, strict=True):
        with pytest.raises((TypeError, ValueError)) as refused:
            model(**facts)
        with pytest.raises(refused.type):
            ours(**facts)
    with pytest.raises(TypeError):
        MADE[0]("int1")


def test_values_of_one_class_and_the_same_facts_are_equal() -> None:
    host, server = MADE
    assert host(name="int1") == host(name="int1")
    assert host(name="int1") != host(name="int2")
    assert host(name="int1", tags=("web",)) != server(name="int1")
    assert server(name="int1") != "int1"
    assert host(name="int1", where="a.yaml:1") == host(name="int1", where="b.yaml:2")
    assert host(name="int1", password="a") != host(name="int1", password="b")
    assert hash(Pinned(version="1")) == hash(Pinned(version="1"))
    assert {Pinned(version="1"), Pinned(version="1"), Pinned(version="2")} == {Pinned(version="1"), Pinned(version="2")}


def test_a_factory_makes_a_new_default_for_each_value() -> None:
    host, _ = MADE
    assert host(name="int1").labels is not host(name="int2").labels


def test_a_value_cannot_be_changed() -> None:
    value = Pinned(version="1")
    with pytest.raises(FrozenInstanceError, match="'version'"):
        value.version = "2"
    with pytest.raises(FrozenInstanceError, match="'version'"):
        del value.version
    with pytest.raises(FrozenInstanceError, match="'other'"):
        value.other = "2"
    assert value.version == "1"
    assert not hasattr(value, "__dict__")


def test_a_copy_and_what_was_pickled_are_equal() -> None:
    value = Pinned(version="1")
    assert copy.copy(value) == copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == value


def test_a_class_without_fields_is_a_value_too() -> None:
    @frozen
    class Nothing:
        """No facts."""

    assert Nothing() == Nothing()
    assert repr(Nothing()).endswith("Nothing()")
    assert copy.copy(Nothing()) == Nothing()
