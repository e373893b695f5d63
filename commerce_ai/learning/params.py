"""Hyper-parameters: from the words of a command line, a form or a row of JSON to a learner's frozen dataclass.

A parameter is documented and bounded where it stands::

    factors: Annotated[int, Meta(ge=1, description="Length of a product's vector.")] = 64
    method: Annotated[Literal["auto", "als"], Meta(description="How to learn.")] = "auto"
"""

from __future__ import annotations

import difflib
import math
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, get_args, get_origin, get_type_hints

import msgspec


class ParamError(ValueError):
    """A hyper-parameter is unknown or its value does not fit; `name` says which."""

    def __init__(self, name: str, message: str) -> None:
        self.name = name
        super().__init__(message)


@dataclass(frozen=True)
class Param:
    """One hyper-parameter in words: what it may be, what it is when nothing is said, what it does."""

    name: str
    kind: str
    default: Any
    doc: str


def read_params(cls: type, values: Mapping[str, Any]) -> Any:
    """`values` (text from a command line, or JSON) as `cls`; `ParamError` names the parameter and its choices."""
    described = {each.name: each for each in describe_params(cls)}
    hints = get_type_hints(cls, include_extras=True)
    read = {}
    for name, value in values.items():
        if name not in described:
            near = difflib.get_close_matches(name, described, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ParamError(name, f"there is no parameter {name!r}{hint} There are: {', '.join(described) or 'none'}")
        if isinstance(value, str) and described[name].kind.startswith("a list"):
            value = [part for part in value.split(",") if part]
        try:
            read[name] = msgspec.convert(value, hints[name], strict=False)
            if isinstance(read[name], float) and not math.isfinite(read[name]):
                raise msgspec.ValidationError
        except msgspec.ValidationError:
            raise ParamError(name, f"{name}={value!r}: it must be {described[name].kind}") from None
    for name, each in described.items():
        if each.default is MISSING and name not in read:
            raise ParamError(name, f"the parameter {name!r} must be given: {each.kind}")
    return cls(**read)


def params_json(params: Any) -> dict[str, Any]:
    """The other way: plain JSON values, such that `read_params` gives equal parameters."""
    return msgspec.to_builtins(params) if params is not None else {}


def describe_params(cls: type) -> list[Param]:
    hints = get_type_hints(cls, include_extras=True)
    found = []
    for each in fields(cls):
        default = each.default if each.default_factory is MISSING else each.default_factory()
        found.append(Param(each.name, _kind(hints[each.name]), default, _doc(hints[each.name], each.metadata)))
    return found


def _doc(hint: Any, metadata: Mapping[str, Any]) -> str:
    said = [each.description for each in _metas(hint) if each.description]
    return said[0] if said else str(metadata.get("doc", ""))


def _metas(hint: Any) -> list[msgspec.Meta]:
    if get_origin(hint) is not typing.Annotated:
        return []
    return [each for each in hint.__metadata__ if isinstance(each, msgspec.Meta)]


def _kind(hint: Any) -> str:
    if get_origin(hint) is typing.Annotated:
        bounds = [
            f"{word} {limit:g}"
            for meta in _metas(hint)
            for word, limit in (("at least", meta.ge), ("above", meta.gt), ("at most", meta.le), ("below", meta.lt))
            if limit is not None
        ]
        return " ".join([_kind(hint.__origin__), " and ".join(bounds)]).strip()
    if get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(str(each) for each in get_args(hint))
    if get_origin(hint) in (list, tuple):
        return f"a list of values, each {_kind(get_args(hint)[0])}"
    if type(None) in get_args(hint):
        return " or ".join(_kind(each) for each in get_args(hint) if each is not type(None)) + ", or null"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    return words.get(hint, str(hint).replace("typing.", ""))
