"""A person's way out over REST: ask for an export or an erasure, see how far it is, take the export's file away."""

from __future__ import annotations

from typing import Any, ClassVar, cast
from uuid import UUID

from django.http import StreamingHttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from commerce_ai.api import errors
from commerce_ai.api.callers import Caller
from commerce_ai.api.errors import ApiError
from commerce_ai.api.fields import OutsideSerializer
from commerce_ai.api.idempotency import HEADER
from commerce_ai.api.rest import ShopView, writes
from commerce_ai.learning.models import Version
from commerce_ai.privacy import requests
from commerce_ai.privacy.models import PrivacyRequest

SCOPE = "privacy"
Kind, State = PrivacyRequest.Kind, PrivacyRequest.State


class AskedSerializer(OutsideSerializer):
    """Whom it is about. No answer repeats it."""

    customer_id = serializers.CharField(max_length=255)


class ErasedSerializer(serializers.Serializer[Any]):
    rows = serializers.DictField(child=serializers.IntegerField(), help_text=_("Rows deleted or emptied, by table."))
    versions = serializers.ListField(
        child=serializers.CharField(), help_text=_("Trained on the person, to be trained again.")
    )


class RequestSerializer(serializers.Serializer[Any]):
    """How far a request is. An export that is done has a `file`, an erasure that is done says what was `erased`."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(Kind.choices)
    state = serializers.ChoiceField(State.choices)
    progress = serializers.FloatField(min_value=0, max_value=1)
    asked_at = serializers.DateTimeField()
    done_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True, help_text=_("When the file is deleted."))
    bytes = serializers.IntegerField(source="size")
    file = serializers.SerializerMethodField()
    erased = serializers.SerializerMethodField()

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_file(self, request: PrivacyRequest) -> str | None:
        is_there = request.kind == Kind.EXPORT and request.state == State.DONE
        return f"/api/v1/privacy/exports/{request.pk}/file" if is_there else None

    @extend_schema_field(ErasedSerializer(allow_null=True))
    def get_erased(self, request: PrivacyRequest) -> dict[str, Any] | None:
        if (log := request.erasure) is None:
            return None
        versions = Version.objects.of(request.shop_id).filter(pk__in=log.versions).order_by("pk")
        return {"rows": log.counts, "versions": [str(each) for each in versions]}


def ask(view: ShopView, kind: str, customer_id: str) -> Response:
    """Queue it for the key's shop: 202 with the request."""
    asked = requests.ask(view.shop, kind, customer_id, api_key_id=cast(Caller, view.request.auth).key_id, reason="api")
    return Response(RequestSerializer(asked).data, status=202)


_REPEAT = OpenApiParameter(
    HEADER, str, OpenApiParameter.HEADER, description=_("Send a write again under the same key: it happens once.")
)
_OF: dict[str, Any] = {"tags": ["privacy"], "auth": [{"key": []}]}
_ASK: dict[str, Any] = {
    **_OF, "request": AskedSerializer, "responses": {202: RequestSerializer},
    "parameters": [_REPEAT],
}  # fmt: skip
_SEE: dict[str, Any] = {**_OF, "responses": RequestSerializer}
_SCOPE = f"Scope: `{SCOPE}`"


class _Requests(ShopView):
    scopes: ClassVar[dict[str, str]] = dict.fromkeys(("GET", "HEAD", "POST"), SCOPE)
    serializer_class = RequestSerializer
    kind: ClassVar[str]

    def asked(self) -> Response:
        sent = AskedSerializer(data=self.request.data)
        sent.is_valid(raise_exception=True)
        return ask(self, self.kind, sent.validated_data["customer_id"])

    def found(self, request_id: UUID) -> PrivacyRequest:
        rows = PrivacyRequest.objects.of(self.shop_id).filter(kind=self.kind).select_related("erasure")
        if (found := rows.filter(pk=request_id).first()) is None:
            raise errors.not_found()
        return found


class Exports(_Requests):
    kind = Kind.EXPORT
    http_method_names = ("post",)

    @extend_schema(
        **_ASK, operation_id="privacy_exports_create", summary=_("Ask for all that is held on a customer"),
        description=_SCOPE,
    )  # fmt: skip
    @writes
    def post(self, request: Request) -> Response:
        return self.asked()


class Export(_Requests):
    kind = Kind.EXPORT
    http_method_names = ("get", "head")

    @extend_schema(
        **_SEE, operation_id="privacy_exports_read", summary=_("How far an export is"), description=_SCOPE
    )  # fmt: skip
    def get(self, request: Request, request_id: UUID) -> Response:
        return Response(RequestSerializer(self.found(request_id)).data)


class ExportFile(_Requests):
    """The JSON of an export, for the key that asked for it, for a day."""

    kind = Kind.EXPORT
    http_method_names = ("get", "head")

    @extend_schema(
        **_OF, operation_id="privacy_exports_file",
        summary=_("The file of an export"), description=_SCOPE,
        responses={(200, "application/json"): OpenApiTypes.OBJECT},
    )  # fmt: skip
    def get(self, request: Request, request_id: UUID) -> StreamingHttpResponse:
        found = self.found(request_id)
        if found.api_key_id != cast(Caller, request.auth).key_id:
            raise errors.not_found()
        if found.is_open:
            raise ApiError("in_progress", _("The export is not ready yet."), 409, headers={"Retry-After": "5"})
        if found.state != State.DONE:
            raise errors.not_found()
        headers = {
            "Content-Disposition": f'attachment; filename="export-{found.pk}.json"', "Cache-Control": "no-store",
            "Content-Length": str(found.size),
        }  # fmt: skip
        return StreamingHttpResponse(
            (part.encode() for part in requests.text_of(found)), content_type="application/json", headers=headers
        )


class Erasures(_Requests):
    kind = Kind.ERASURE
    http_method_names = ("post",)

    @extend_schema(
        **_ASK, operation_id="privacy_erasures_create", summary=_("Erase a customer; there is no way back"),
        description=_SCOPE,
    )  # fmt: skip
    @writes
    def post(self, request: Request) -> Response:
        return self.asked()


class Erasure(_Requests):
    kind = Kind.ERASURE
    http_method_names = ("get", "head")

    @extend_schema(
        **_SEE, operation_id="privacy_erasures_read", summary=_("How far an erasure is"), description=_SCOPE
    )  # fmt: skip
    def get(self, request: Request, request_id: UUID) -> Response:
        return Response(RequestSerializer(self.found(request_id)).data)
