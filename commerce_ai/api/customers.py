"""Customers. What identifies them is stored encrypted; only a key with the right scope sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.response import Response

from commerce_ai.api import privacy
from commerce_ai.api.fields import CountryField, ObjectField, OutsideSerializer
from commerce_ai.api.resources import Outcome, failed
from commerce_ai.api.tables import Change, TableResource
from commerce_ai.shop import tombstones
from commerce_ai.shop.models import Customer, Shop


class CustomerSerializer(OutsideSerializer):
    external_id = serializers.CharField(max_length=255)
    email = serializers.CharField(allow_blank=True, default="", max_length=320)
    phone = serializers.CharField(allow_blank=True, default="", max_length=64)
    name = serializers.CharField(allow_blank=True, default="", max_length=500)
    address = serializers.CharField(allow_blank=True, default="", max_length=2000)
    country = CountryField(default="")
    birth_year = serializers.IntegerField(allow_null=True, default=None, min_value=1850, max_value=2200)
    gender = serializers.ChoiceField(Customer.Gender.choices, allow_blank=True, default="")
    attributes = ObjectField(default=dict)
    created_at = serializers.DateTimeField(required=False, help_text=_("Customer since."))
    updated_at = serializers.DateTimeField(read_only=True)


class Customers(TableResource):
    name = "customers"
    model = Customer
    serializer = CustomerSerializer
    read_scope, write_scope = "customers:read", "customers:write"
    deleted = privacy.RequestSerializer
    columns = (
        "email", "phone", "name", "address", "country", "birth_year", "gender", "attributes", "created_at",
    )  # fmt: skip

    def rows(self, shop_id: int) -> QuerySet[Any]:
        return Customer.objects.of(shop_id)

    def complete(self, shop: Shop, changes: list[Change]) -> tuple[list[Change], dict[int, Outcome]]:
        gone = tombstones.erased(shop.pk, [change.external_id for change in changes])
        refused = {
            change.at: failed(_("This person was erased."), "external_id")
            for change in changes
            if change.external_id in gone
        }
        return [change for change in changes if change.at not in refused], refused

    def delete_answer(self, view: Any, external_id: str, parameters: Mapping[str, str]) -> Response:
        """To delete a person is to erase them: queued like any erasure. Raises 404."""
        self.find(view.shop_id, external_id)
        return privacy.ask(view, privacy.Kind.ERASURE, external_id)
