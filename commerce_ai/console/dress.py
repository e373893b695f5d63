"""Plain Django forms in the console's clothes: a plugin's settings form knows nothing of CSS."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold import widgets

_INPUT, _SELECT = " ".join(widgets.INPUT_CLASSES), " ".join(widgets.SELECT_CLASSES)
_AREA, _SWITCH = " ".join(widgets.TEXTAREA_CLASSES), " ".join(widgets.SWITCH_CLASSES)
_RADIO, _CHECKBOX = " ".join(widgets.RADIO_CLASSES), " ".join(widgets.CHECKBOX_CLASSES)


def dress(form: Any) -> Any:
    """Give each widget its classes, and tie help and error texts to it for screen readers. Returns the form."""
    for bound in form:
        widget = bound.field.widget
        widget.attrs["class"] = f"{_classes(widget)} {widget.attrs.get('class', '')}".strip()
    return form


def _classes(widget: forms.Widget) -> str:
    if isinstance(widget, forms.CheckboxSelectMultiple):
        return _CHECKBOX
    if isinstance(widget, forms.RadioSelect):
        return _RADIO
    if isinstance(widget, forms.CheckboxInput):
        return _SWITCH
    if isinstance(widget, forms.Select):
        return _SELECT
    return _AREA if isinstance(widget, forms.Textarea) else _INPUT
