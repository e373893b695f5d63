"""What a customer agrees to, over REST: read it, and record what they said at another desk than the browser."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from commerce_ai.api import errors
from commerce_ai.api.fields import OutsideSerializer
from commerce_ai.api.idempotency import HEADER
from commerce_ai.api.rest import ShopView, writes
from commerce_ai.ingest import visitors
from commerce_ai.ingest.personal import clean_text
from commerce_ai.shop import consent
from commerce_ai.shop.consent import Purpose, Silence
from commerce_ai.shop.models import Customer

_AHEAD = timedelta(minutes=5)  # as far as clocks differ


class AnswerSerializer(OutsideSerializer):
    """One yes or no. It counts from `at` on, until a later one to the same purpose."""

    purpose = serializers.ChoiceField(Purpose.choices)
    granted = serializers.BooleanField()
    at = serializers.DateTimeField(required=False, help_text=_("When it was said: now, if not given."))
    source = serializers.CharField(  # type: ignore[assignment]
        default="api", max_length=64, help_text=_("The desk, form or system it came by.")
    )
    evidence = serializers.CharField(
        default="", allow_blank=True, max_length=2000,
        help_text=_("Wording shown, form, version. What identifies a person is cut out."),
    )  # fmt: skip

    def validate_at(self, value: Any) -> Any:
        if value > timezone.now() + _AHEAD:
            raise serializers.ValidationError(_("This lies in the future."))
        return value


class AnswersSerializer(OutsideSerializer):
    consents = AnswerSerializer(many=True, allow_empty=False)


class StandingSerializer(serializers.Serializer[Any]):
    """What holds for one purpose. `granted` is null where nothing was said: then `silence` says what that means."""

    purpose = serializers.ChoiceField(Purpose.choices)
    granted = serializers.BooleanField(allow_null=True)
    at = serializers.DateTimeField(allow_null=True)
    source = serializers.CharField()  # type: ignore[assignment]
    evidence = serializers.CharField()
    silence = serializers.ChoiceField(Silence.choices)
    allowed = serializers.BooleanField(help_text=_("What follows from answer and silence."))


class StandingsSerializer(serializers.Serializer[Any]):
    customer_id = serializers.CharField()
    consents = StandingSerializer(many=True)


_DOCUMENT: dict[str, Any] = {"tags": ["customers"], "auth": [{"key": []}], "responses": StandingsSerializer}
_REPEAT = OpenApiParameter(
    HEADER, str, OpenApiParameter.HEADER, description=_("Send a write again under the same key: it happens once.")
)


class ConsentOfCustomer(ShopView):
    """The customer's answers by purpose, those given on devices that are proven theirs included."""

    scopes: ClassVar[dict[str, str]] = {"GET": "customers:read", "HEAD": "customers:read", "PUT": "customers:write"}
    serializer_class = AnswersSerializer
    http_method_names = ("get", "head", "put")  # type: ignore[assignment]

    @extend_schema(
        **_DOCUMENT, operation_id="customers_consent_read", summary=_("What a customer agrees to"),
        description="Scope: `customers:read`",
    )  # fmt: skip
    def get(self, request: Request, external_id: str) -> Response:
        return self._standing(self._customer(external_id))

    @extend_schema(
        **_DOCUMENT, operation_id="customers_consent_record", summary=_("Record what a customer said"),
        description="Scope: `customers:write`", request=AnswersSerializer, parameters=[_REPEAT],
    )  # fmt: skip
    @writes
    def put(self, request: Request, external_id: str) -> Response:
        sent = AnswersSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        customer = self._customer(external_id)
        for each in sent.validated_data["consents"]:
            said = {**each, "evidence": clean_text(each["evidence"])}
            consent.record(self.shop_id, customer=customer, **said)
            if each["purpose"] == Purpose.PERSONALISATION and not each["granted"]:
                forget = partial(visitors.forget, self.shop_id, customer_external_id=external_id)
                transaction.on_commit(forget, robust=True)
        return self._standing(customer)

    def _customer(self, external_id: str) -> Customer:
        found = None
        if "\0" not in external_id:
            found = Customer.objects.of(self.shop_id).filter(external_id=external_id).first()
        if found is None:
            raise errors.not_found()
        return found

    def _standing(self, customer: Customer) -> Response:
        rows, silences = consent.rows_of(self.shop_id, customer), consent.silences_of(self.shop.settings)
        shown = []
        for purpose, silence in silences.items():
            row = rows.get(purpose)
            granted = row.granted if row else None
            shown.append(
                {
                    "purpose": purpose.value, "granted": granted, "at": row.at if row else None,
                    "source": row.source if row else "", "evidence": row.evidence if row else "",
                    "silence": silence.value, "allowed": silence == Silence.OPT_OUT if granted is None else granted,
                }
            )  # fmt: skip
        return Response(StandingsSerializer({"customer_id": customer.external_id, "consents": shown}).data)
