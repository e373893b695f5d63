"""How a resource's routes stand in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from commerce_ai.api.idempotency import HEADER
from commerce_ai.api.resources import STATUSES, Resource

_REPEAT = OpenApiParameter(
    HEADER, str, OpenApiParameter.HEADER, description=_("Send a write again under the same key: it happens once.")
)
_SINCE = OpenApiParameter("updated_since", str, description=_("Only rows that changed at or after this instant."))
_ATOMIC = OpenApiParameter(
    "atomic", bool, default=True, description=_("false: write the valid rows, and say what is wrong with the others.")
)


def document(view: type[Any], resource: Resource, kind: str) -> type[Any]:
    """Say in the OpenAPI document what the view's methods take and give; `kind` is list, bulk or detail."""
    for method, verb in _VERBS[kind].items():
        if (handler := getattr(view, method, None)) is None:
            continue
        asked: dict[str, Any] = {"tags": [resource.name], "parameters": [_REPEAT], "auth": [{"key": []}]}
        asked |= {"operation_id": f"{resource.name}_{verb}", "summary": _SUMMARIES[verb]}
        asked["description"] = f"Scope: `{resource.read_scope if method == 'get' else resource.write_scope}`"
        if kind == "bulk":
            asked |= _bulk_schema(resource)
            asked["parameters"].append(_ATOMIC)
        elif verb == "list":
            asked |= {"parameters": [_SINCE], "responses": resource.serializer(many=True)}
        elif method == "get":
            asked |= {"parameters": [], "responses": resource.shown or resource.serializer}
        elif method == "delete":
            asked |= {"responses": {202: resource.deleted}} if resource.deleted else {}
        else:
            asked["responses"] = {
                200: resource.shown or resource.serializer,
                201: resource.shown or resource.serializer,
            }
        setattr(view, method, extend_schema(**asked)(_copy(handler)))
    return view


_VERBS = {
    "list": {"get": "list", "post": "create"},
    "bulk": {"post": "bulk"},
    "detail": {"get": "read", "put": "replace", "patch": "change", "delete": "delete"},
}


_SUMMARIES = {
    "list": _("List, page by page"),
    "create": _("Make one"),
    "bulk": _("Make or change up to 1,000"),
    "read": _("Read one"),
    "replace": _("Make or replace one"),
    "change": _("Change one"),
    "delete": _("Delete one"),
}


def _copy(handler: Any) -> Any:
    """A function of its own: views of several resources share their methods, their documents do not."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Response:
        return handler(self, *args, **kwargs)

    method.__name__, method.__doc__ = handler.__name__, handler.__doc__
    return method


def _bulk_schema(resource: Resource) -> dict[str, Any]:
    title = resource.name.title().replace("-", "")
    result = {
        "index": serializers.IntegerField(), resource.id_field: serializers.CharField(allow_null=True),
        "status": serializers.CharField(help_text=", ".join(STATUSES)),
        "errors": serializers.ListField(child=serializers.DictField(child=serializers.CharField())),
    }  # fmt: skip
    results = type(f"{title}BulkResult", (serializers.Serializer,), result)
    counts = {name: serializers.IntegerField() for name in STATUSES}
    answer = type(f"{title}BulkAnswer", (serializers.Serializer,), {**counts, "results": results(many=True)})
    asked = type(f"{title}Bulk", (serializers.Serializer,), {"rows": resource.serializer(many=True, partial=True)})
    return {"request": asked, "responses": {200: answer}}
