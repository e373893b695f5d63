"""A learner's hyper-parameters as a form: fields, bounds, choices and help come from its frozen dataclass."""

from __future__ import annotations

import re
import types
import typing
from dataclasses import MISSING
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from django import forms

from commerce_ai.learning.params import Param, ParamError, describe_params, read_params


def form_of(cls: type) -> type[ParamsForm]:
    """The form of a params dataclass. Valid, its `params` is the instance."""
    hints = get_type_hints(cls, include_extras=True)
    fields = {each.name: _field(each, hints[each.name], cls) for each in describe_params(cls)}
    return type("ParamsForm", (ParamsForm,), {**fields, "cls": cls})


class ParamsForm(forms.Form):
    cls: type
    params: Any = None

    def clean(self) -> dict[str, Any]:
        """The dataclass's own reading has the last word; what it says stands at its field."""
        cleaned = super().clean() or self.cleaned_data
        given = {name: value for name, value in cleaned.items() if value not in ("", None) or isinstance(value, bool)}
        if not self.errors:
            try:
                self.params = read_params(self.cls, given)
            except ParamError as error:
                self.add_error(error.name if error.name in self.fields else None, str(error))
        return cleaned


def _field(param: Param, hint: Any, cls: type) -> forms.Field:
    kind, bounds, optional = _unwrap(hint)
    default = None if param.default is MISSING else param.default
    options: dict[str, Any] = {
        "label": param.name, "help_text": param.doc or _from_docstring(cls, param.name), "initial": default,
        "required": param.default is MISSING,
    }  # fmt: skip
    if kind is bool:
        return forms.BooleanField(**{**options, "required": False})
    if get_origin(kind) is Literal:
        choices = [(each, str(each)) for each in get_args(kind)]
        return forms.TypedChoiceField(
            choices=choices, coerce=_coerce(get_args(kind)), **{**options, "required": not optional}
        )
    if kind is int:
        return forms.IntegerField(**options, **bounds)
    if kind is float:
        field = forms.FloatField(**options, **bounds)
        field.widget.attrs["step"] = "any"
        return field
    if get_origin(kind) in (list, tuple):
        options["initial"] = ",".join(str(each) for each in default or ())
        options["help_text"] = f"{options['help_text']} ({param.kind})".strip()
    return forms.CharField(**options)


def _unwrap(hint: Any) -> tuple[Any, dict[str, Any], bool]:
    """The plain type below Annotated and Optional, its inclusive bounds, and whether it may be empty."""
    bounds: dict[str, Any] = {}
    optional = False
    while True:
        if get_origin(hint) is typing.Annotated:
            for meta in hint.__metadata__:
                if isinstance(meta, msgspec.Meta):
                    bounds |= {"min_value": meta.ge} if meta.ge is not None else {}
                    bounds |= {"max_value": meta.le} if meta.le is not None else {}
            hint = hint.__origin__
        elif get_origin(hint) in (typing.Union, types.UnionType) and type(None) in get_args(hint):
            optional, hint = True, next(each for each in get_args(hint) if each is not type(None))
        else:
            return hint, bounds, optional


def _coerce(choices: tuple[Any, ...]) -> Any:
    by_text = {str(each): each for each in choices}
    return lambda text: by_text[text]


def _from_docstring(cls: type, name: str) -> str:
    """What the class says after ```name```, up to the next name."""
    found = re.search(rf"`{re.escape(name)}`:?\s*([^`]+)", cls.__doc__ or "")
    return " ".join(found[1].split()) if found else ""
