"""Every registered model, with anything in it, comes back from XML as it went in."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jingle.elements.declare import Element, from_string, parse, serialize, to_string

from .cases import MODELS, canonical
from .strategies import models


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__qualname__)
@settings(max_examples=6)
@given(data=st.data())
def test_round_trip(model: type[Element], data: Any) -> None:
    made = data.draw(models(model))
    xml = serialize(made)
    assert parse(xml) == made
    assert canonical(serialize(parse(xml))) == canonical(xml)
    assert from_string(to_string(made)) == made
    assert hash(from_string(to_string(made))) == hash(made)
    assert pickle.loads(pickle.dumps(made)) == made
    assert copy.deepcopy(made) == made
    assert repr(made).startswith(model.__name__)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__qualname__)
def test_models_are_frozen_and_documented(model: type[Element]) -> None:
    assert model.__doc__
    assert not model.__doc__.startswith(f"{model.__name__}("), "dataclass made that up"
    with pytest.raises(dataclasses.FrozenInstanceError):
        object.__new__(model).extra = ()  # type: ignore[misc]
