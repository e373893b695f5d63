"""Hot routes of the tests' own, one for each thing that a route can do."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import msgspec
from django.http import HttpRequest, HttpResponse
from django.urls import path

from commerce_ai import urls
from commerce_ai.api.hot import Caller, hot


class Query(msgspec.Struct):
    customer_id: str | None = None
    customer_token: str | None = None
    anonymous_id: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    exclude: list[str] = []


class Line(msgspec.Struct):
    sku: str
    quantity: int


class Body(msgspec.Struct, forbid_unknown_fields=True):
    lines: list[Line]


class Answer(msgspec.Struct):
    shop_id: int
    customer_id: str | None = None
    proven: bool = False
    limit: int = 0
    exclude: list[str] = []
    money: Decimal = Decimal("1.10")


@hot(scope="recommend", query=Query, answer=Answer, summary="Ask")
def ask(request: HttpRequest, caller: Caller, query: Query, body: None) -> Answer:
    who = caller.subject(
        customer_id=query.customer_id, customer_token=query.customer_token, anonymous_id=query.anonymous_id
    )
    return Answer(caller.shop_id, who.customer_external_id, who.proven, query.limit, query.exclude)


@hot(scope="decide", methods=("POST",), body=Body, answer=Answer, summary="Tell", most_bytes=1000, status=201)
def tell(request: HttpRequest, caller: Caller, query: None, body: Body, number: int) -> Answer:
    return Answer(caller.shop_id, limit=number + sum(line.quantity for line in body.lines))


@hot(scope="recommend", answer=Answer, summary="Off", plugin="recommendation")
def switched(request: HttpRequest, caller: Caller, query: None, body: None) -> Answer:
    return Answer(caller.shop_id)


@hot(scope="recommend", answer=Answer, summary="Break")
def broken(request: HttpRequest, caller: Caller, query: None, body: None) -> Any:
    raise RuntimeError("the password is swordfish")


@hot(scope="recommend", answer=Answer, summary="Own")
def own(request: HttpRequest, caller: Caller, query: None, body: None) -> HttpResponse:
    return HttpResponse("mine", content_type="text/plain")


@hot(scope="recommend", answer=Answer, summary="Named")
def named(request: HttpRequest, caller: Caller, query: None, body: None, name: str) -> Answer:
    raise AssertionError("no name with a NUL gets here")


urlpatterns = [
    path("api/v1/ask", ask),
    path("api/v1/tell/<int:number>", tell),
    path("api/v1/switched", switched),
    path("api/v1/broken", broken),
    path("api/v1/own", own),
    path("api/v1/named/<str:name>", named),
    *urls.urlpatterns,
]
handler400, handler403, handler404, handler500 = urls.handler400, urls.handler403, urls.handler404, urls.handler500
