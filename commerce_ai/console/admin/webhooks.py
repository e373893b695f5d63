"""Where a shop's webhooks come from, and what became of each delivery."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget

from commerce_ai.console.filters import during
from commerce_ai.console.shop_admin import ShopAdmin, ShopForm, ShownAdmin
from commerce_ai.ingest.models import WebhookDelivery, WebhookSource


class SourceForm(ShopForm):
    """The secret is written and never shown; left empty, the one that is there stays."""

    secret = forms.CharField(
        label=_("Secret"),
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        required=False,
        help_text=_("What the platform signs webhooks with. It is stored encrypted and not shown again."),
    )

    def clean_secret(self) -> str:
        given = self.cleaned_data["secret"].strip()
        if not given and not self.instance.pk:
            raise forms.ValidationError(_("This field is required."))
        return given or self.instance.secret


@admin.register(WebhookSource)
class WebhookSourceAdmin(ShopAdmin):
    """Shops on platforms, each with the secret that its webhooks are signed with."""

    form = SourceForm
    list_display = ("domain", "platform", "created_at")
    fields = ("platform", "domain", "secret")
    viewer = writer = remover = "owner"
    ordering = ("domain",)
    next_step = _(
        "No platform sends webhooks yet. Add the shop's domain and secret, then its address /webhooks/shopify/."
    )


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ShownAdmin):
    """Deliveries of the last week: applied, waiting, of an unknown topic, turned away."""

    list_display = ("received_at", "topic", "state", "attempts", "error", "done_at")
    list_filter = ("state", during("received_at"))
    search_fields = ("topic__startswith",)
    ordering = ("-received_at",)
    sortable_by = ()
    exclude = ("body", "subject")
    next_step = _("No deliveries yet. The platform sends the first when something happens in the shop.")

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).defer("body")
