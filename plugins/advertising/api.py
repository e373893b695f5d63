"""Routes: which campaign to show to whom, who was in a campaign elsewhere, and audiences with their export."""

from __future__ import annotations

from typing import Annotated, Any, cast

import msgspec
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from commerce_ai.api import errors
from commerce_ai.api.callers import Caller
from commerce_ai.api.errors import ApiError, FieldError, invalid_field
from commerce_ai.api.hot import hot
from commerce_ai.api.rest import ShopView, writes
from commerce_ai.shop import bulk
from commerce_ai.shop.models import Campaign, Customer
from plugins.advertising import answers, audiences, service
from plugins.advertising.models import Assignment, Audience, AudienceExport
from plugins.advertising.serializers import (
    AssignmentsSerializer,
    AudienceRuleSerializer,
    AudienceSerializer,
    WrittenSerializer,
)

_AUTH: Any = [{"key": []}]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """For whom, where, and which campaigns to choose from (external ids; left out: all that run)."""

    customer_id: _Name | None = None
    customer_token: str | None = None
    anonymous_id: _Name | None = None
    session_id: _Name | None = None
    placement: Annotated[str, msgspec.Meta(max_length=64)] = ""
    campaigns: Annotated[list[_Name], msgspec.Meta(max_length=service.MOST_CAMPAIGNS)] = []


@hot(
    scope="decide",
    plugin="advertising",
    methods=("POST",),
    body=Asked,
    answer=answers.Answer,
    summary=_("A campaign for a customer or visitor, or none"),
)
def decide(request: HttpRequest, caller: Caller, query: None, body: Asked) -> answers.Answer:
    """The campaign that brings most, if any does: uplift × what an order is worth − what showing it costs.

    For some of the customers chance decides instead, so that there is something to compare with: `arm` is then shown
    or held_out, and `propensity` how likely that was. None comes too where there is no consent to advertising, where
    the person was shown enough today or this week, and where nothing runs: `reasons` says which.
    """
    subject = caller.subject(
        customer_id=body.customer_id,
        customer_token=body.customer_token,
        anonymous_id=body.anonymous_id,
        session_id=body.session_id,
    )
    if not (subject.proven or subject.anonymous_id):
        raise invalid_field("customer_id", _("A customer_id or an anonymous_id is needed."))
    asked = answers.Request(placement=body.placement, campaigns=tuple(body.campaigns))
    try:
        return service.decide(caller.shop_id, subject, asked)
    except service.UnknownCampaigns as error:
        raise _unknown(error) from None


class Assignments(ShopView):
    """Who was reached by a campaign that ran elsewhere, and who was left alone by chance."""

    scopes = {"POST": "customers:write"}
    serializer_class = AssignmentsSerializer

    @extend_schema(
        tags=["advertising"], operation_id="ads_assignments",
        summary=_("Customers of a campaign and of its control group"),
        description="Scope: `customers:write`", request=AssignmentsSerializer, responses=WrittenSerializer,
        auth=_AUTH,
    )  # fmt: skip
    @writes
    def post(self, request: Request) -> Response:
        rows = _validated(AssignmentsSerializer, request.data)["rows"]
        campaigns = bulk.resolve(Campaign, self.shop_id, [row["campaign_id"] for row in rows])
        customers = bulk.resolve(Customer, self.shop_id, [row["customer_id"] for row in rows])
        for place, row in enumerate(rows):
            for field, known in (("campaign_id", campaigns), ("customer_id", customers)):
                if row[field] not in known:
                    raise invalid_field(f"rows.{place}.{field}", _("There is none of this id."))
        columns = ("shop_id", "campaign_id", "customer_id", "treated", "propensity", "at")
        written = bulk.upsert(
            Assignment, columns,
            [
                (
                    self.shop_id, campaigns[row["campaign_id"]], customers[row["customer_id"]], row["treated"],
                    row["propensity"], row["at"],
                )
                for row in rows
            ],
            key=("campaign_id", "customer_id"),
        )  # fmt: skip
        shown = {"created": written.inserted, "updated": written.updated, "unchanged": written.unchanged}
        return Response(shown)


class Audiences(ShopView):
    """Audiences by name: list them, or build one."""

    scopes = {"GET": "decide", "POST": "decide"}
    serializer_class = AudienceSerializer

    @extend_schema(
        tags=["advertising"], operation_id="audiences_list", summary=_("Audiences, page by page"),
        description="Scope: `decide`", responses=AudienceSerializer(many=True), auth=_AUTH,
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        pages = self.pagination_class()
        rows = Audience.objects.of(self.shop_id).select_related("campaign")
        found = pages.paginate_queryset(rows, request, self)
        return pages.get_paginated_response(AudienceSerializer(found, many=True).data)

    @extend_schema(
        tags=["advertising"], operation_id="audiences_build",
        summary=_("Build an audience by a rule, or build it anew"),
        description="Scope: `decide`", request=AudienceRuleSerializer,
        responses={200: AudienceSerializer, 201: AudienceSerializer}, auth=_AUTH,
    )  # fmt: skip
    @writes
    def post(self, request: Request) -> Response:
        rule = _validated(AudienceRuleSerializer, request.data)
        name = rule.pop("name")
        outside = rule.pop("campaign_id")
        rule["campaign"] = Campaign.objects.of(self.shop_id).filter(external_id=outside).first() if outside else None
        if outside and rule["campaign"] is None:
            raise invalid_field("campaign_id", _("There is none of this id."))
        audience, made = Audience.objects.of(self.shop_id).update_or_create(
            shop_id=self.shop_id, name=name, defaults=rule
        )  # fmt: skip
        try:
            audiences.build(audience)
        except audiences.NotScored as error:
            field = "top_share" if error.what == "uplift" else "segments" if audience.segments else "minimum_value"
            raise ApiError(
                "not_scored", _("No version has scored the customers yet."), 409,
                [FieldError(field, str(_("Train advertising.%(learner)s first.") % {"learner": error.what}))],
            ) from None  # fmt: skip
        return Response(AudienceSerializer(audience).data, status=201 if made else 200)


class Export(ShopView):
    """An audience as the file that an ad platform takes."""

    scopes = {"GET": "customers:read"}
    serializer_class = AudienceSerializer

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[Any, str]:
        """A client that asks for text/csv is served; errors are JSON all the same."""
        return JSONRenderer(), "application/json"

    @extend_schema(
        tags=["advertising"], operation_id="audiences_export", summary=_("Hashed contacts for an ad platform, as CSV"),
        description="Scope: `customers:read`", responses={(200, "text/csv"): OpenApiTypes.STR}, auth=_AUTH,
        parameters=[
            OpenApiParameter("platform", str, enum=AudienceExport.Platform.values, default="google"),
        ],
    )  # fmt: skip
    def get(self, request: Request, audience_id: int) -> Any:
        """SHA-256 of e-mail and phone of every member who allows it now; each export is written down."""
        platform = request.query_params.get("platform", "google")
        if platform not in AudienceExport.Platform.values:
            known = ", ".join(AudienceExport.Platform.values)
            raise invalid_field("platform", _("One of: %(known)s.") % {"known": known})
        audience = Audience.objects.of(self.shop_id).filter(pk=audience_id).first()
        if audience is None:
            raise errors.not_found()
        try:
            file = audiences.export(audience, platform, api_key_id=cast(Caller, request.auth).key_id)
        except audiences.TooSmall:
            raise ApiError(
                "audience_too_small", _("Fewer than %(least)d customers are left.") % {"least": audiences.LEAST}, 409,
                detail=_("Without consent or a usable e-mail or phone nobody is exported."),
            ) from None  # fmt: skip
        return as_file(audience, platform, file)


def _unknown(error: service.UnknownCampaigns) -> ApiError:
    names = {"names": ", ".join(error.args[:10]), "known": ", ".join(error.known[:10])}
    if error.known:
        message = _("There is no such campaign in this shop: %(names)s. There are: %(known)s.") % names
    else:
        message = _("There is no such campaign in this shop: %(names)s. It has none yet: load campaigns first.") % names
    return errors.not_found("campaigns", message)


def as_file(audience: Audience, platform: str, file: bytes) -> HttpResponse:
    """The download, which no cache keeps."""
    name = f"audience-{audience.pk}-{platform}.csv"
    return HttpResponse(
        file, content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )  # fmt: skip


def _validated(serializer: Any, data: Any) -> dict[str, Any]:
    read = serializer(data=data)
    read.is_valid(raise_exception=True)
    return dict(read.validated_data)


urlpatterns = [
    path("ads/decide", decide, name="ads-decide"),
    path("ads/assignments", Assignments.as_view(), name="ads-assignments"),
    path("audiences", Audiences.as_view(), name="audiences"),
    path("audiences/<int:audience_id>/export", Export.as_view(), name="audiences-export"),
]
