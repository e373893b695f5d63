"""Create, read, update, delete and bulk upsert: the same three routes for every kind of row."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.urls import URLPattern, path
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from commerce_ai.api import bulk, errors
from commerce_ai.api.errors import FieldError
from commerce_ai.api.resource_schema import document
from commerce_ai.api.resources import How, Resource, invalid, raise_failed, write
from commerce_ai.api.rest import ShopView, writes


def routes(resource: Resource) -> list[URLPattern]:
    """The resource's three routes: its list, its bulk upsert, one row."""
    scopes = {"GET": resource.read_scope, "HEAD": resource.read_scope}
    scopes |= dict.fromkeys(("POST", "PUT", "PATCH", "DELETE"), resource.write_scope)
    shared = {"resource": resource, "scopes": scopes, "serializer_class": resource.serializer}
    methods = [method.lower() for method in resource.single]
    views = [
        document(type(f"{view.__name__}Of{resource.name}", (view,), shared), resource, kind)
        for kind, view in _VIEWS.items()
    ]
    name, place = resource.name, f"<path:{resource.id_field}>"
    return [
        path(name, views[0].as_view(), name=f"{name}-list"),
        path(f"{name}/bulk", views[1].as_view(), name=f"{name}-bulk"),
        path(f"{name}/{place}", views[2].as_view(http_method_names=[*methods, "head"]), name=f"{name}-detail"),
    ]


class _ResourceView(ShopView):
    resource: ClassVar[Resource]

    def get_queryset(self) -> QuerySet[Any]:
        return self.resource.rows(self.shop_id)

    def validated(self, data: Any, *, partial: bool = False) -> dict[str, Any]:
        serializer = self.resource.serializer(data=data, partial=partial)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def write_one(self, row: dict[str, Any], how: How) -> Response:
        [outcome] = write(self.resource, self.shop, [row], how)
        raise_failed(outcome)
        shown = self.resource.show(self.resource.find(self.shop_id, row[self.resource.id_field]))
        return Response(shown, status=201 if outcome.status == "created" else 200)


class Collection(_ResourceView):
    def get(self, request: Request) -> Response:
        pages = self.pagination_class()
        rows = self.get_queryset()
        if since := request.query_params.get("updated_since"):
            rows = rows.filter(updated_at__gte=_instant(since))
        found = pages.paginate_queryset(rows, request, self)
        return pages.get_paginated_response(self.resource.serializer(found, many=True).data)

    @writes
    def post(self, request: Request) -> Response:
        return self.write_one(self.validated(request.data), How.CREATE)


class Bulk(_ResourceView):
    @writes
    def post(self, request: Request) -> Response:
        atomic = _flag(request.query_params.get("atomic", "true"), "atomic")
        rows = bulk.rows_of(request.data)
        good, outcomes = bulk.validate(self.resource, rows)
        if atomic:
            bulk.refuse_failed(outcomes)
        for at, outcome in zip(good, write(self.resource, self.shop, list(good.values()), How.MERGE), strict=True):
            outcomes[at] = outcome
        if atomic:
            bulk.refuse_failed(outcomes)
        return Response(bulk.summary(self.resource, rows, outcomes))


class Member(_ResourceView):
    def get(self, request: Request, **named: str) -> Response:
        return Response(self.resource.show(self.resource.find(self.shop_id, self._id(named))))

    @writes
    def put(self, request: Request, **named: str) -> Response:
        return self.write_one(self.validated(self._named(request.data, named)), How.REPLACE)

    @writes
    def patch(self, request: Request, **named: str) -> Response:
        return self.write_one(self.validated(self._named(request.data, named), partial=True), How.CHANGE)

    @writes
    def delete(self, request: Request, **named: str) -> Response:
        return self.resource.delete_answer(self, self._id(named), request.query_params)

    def _id(self, named: dict[str, str]) -> str:
        text = named[self.resource.id_field]
        if "\0" in text:
            raise errors.not_found()
        return text

    def _named(self, data: Any, named: dict[str, str]) -> Any:
        if not isinstance(data, dict):
            return data
        name, given = self.resource.id_field, self._id(named)
        if data.get(name, given) != given:
            raise invalid([FieldError(name, str(_("It differs from the id in the address.")))])
        return {**data, name: given}


_VIEWS: dict[str, type[_ResourceView]] = {"list": Collection, "bulk": Bulk, "detail": Member}


def _flag(text: str, name: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise invalid([FieldError(name, str(_("This must be true or false.")))])
    return text.lower() in ("true", "1")


def _instant(text: str) -> Any:
    try:
        found = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise invalid([FieldError("updated_since", str(_("An instant with its zone, as in 2026-01-31T12:00:00Z.")))])
    return found
