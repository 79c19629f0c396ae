"""What the rules call removed or changed is so in the installed Quart."""

import importlib
import inspect

import pytest
import quart
from check_app_rules.removed import (
    CONTEXT_FIRST,
    REMOVED,
    REMOVED_ATTRIBUTES,
    REMOVED_IN_0_23,
)

from tests.support.versions import QUART_0_23

HOMES = ("quart", "quart.ctx", "quart.globals", "quart.testing.connections")


def exists(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    try:
        if hasattr(importlib.import_module(module), attribute):
            return True
        importlib.import_module(name)
    except ImportError:
        return False
    return True


@pytest.mark.parametrize(
    "name", [name for name in REMOVED if not name.startswith("quart_auth.")]
)
def test_a_removed_name_is_gone_on_both(name: str) -> None:
    assert not exists(name)


@pytest.mark.parametrize("name", REMOVED_ATTRIBUTES)
def test_a_removed_attribute_is_gone_on_both(name: str) -> None:
    assert not hasattr(quart.Quart("shop"), name)


@pytest.mark.parametrize("name", sorted(REMOVED_IN_0_23))
def test_a_name_removed_in_0_23_is_there_on_0_22(name: str) -> None:
    last = name.rpartition(".")[2]
    assert any(exists(f"{home}.{last}") for home in HOMES) is not QUART_0_23


@pytest.mark.parametrize("name", sorted(CONTEXT_FIRST))
def test_an_overridable_method_takes_the_context_first_on_0_23(name: str) -> None:
    parameters = list(inspect.signature(getattr(quart.Quart, name)).parameters)
    assert (parameters[1:2] == ["ctx"]) is QUART_0_23
