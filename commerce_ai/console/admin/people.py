from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from commerce_ai.console import audit
from commerce_ai.console.filters import during
from commerce_ai.console.pages import render
from commerce_ai.console.scope import may, scope_of, shop_of
from commerce_ai.console.shop_admin import ShopAdmin, ShopForm, ShopInline, ShownAdmin
from commerce_ai.privacy import requests
from commerce_ai.shop import contact, tombstones
from commerce_ai.shop.models import Consent, Customer, Identity, SocialTie


class IdentityInline(ShopInline):
    model = Identity
    writer = remover = None
    fields = ("anonymous_id", "proven", "at")
    verbose_name_plural = _("visits tied to this customer")
    per_page = 20


class CustomerForm(ShopForm):
    def clean_external_id(self) -> str:
        given = self.cleaned_data["external_id"]
        if given != self.instance.external_id and tombstones.erased(self.instance.shop_id, [given]):
            raise forms.ValidationError(_("This person was erased."))
        return given


@admin.register(Customer)
class CustomerAdmin(ShopAdmin):
    """Contact data stands in the database encrypted and on the page masked; showing it is written down."""

    list_display = ("external_id", "country", "gender", "birth_year", "created_at", "source")
    list_filter = ("gender", during("created_at"))
    search_fields = ("external_id__startswith",)
    search_help_text = _("Begin of the external id, or a whole e-mail address or phone number.")
    ordering = ("-id",)
    inlines = (IdentityInline,)
    form = CustomerForm
    remover = None  # a person is erased, not deleted: in every table, and for good
    change_form_outer_before_template = "console/customer_contact.html"
    next_step = _("No customers yet. They come with orders and identify calls, or from a file:")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        if not scope_of(request).may("operator"):
            return super().get_search_results(request, queryset, search_term)
        if found := contact.email_hash(search_term):
            return queryset.filter(email_hash=found), False
        if search_term.startswith(("+", "00")) and (found := contact.phone_hash(search_term)):
            return queryset.filter(phone_hash=found), False
        return super().get_search_results(request, queryset, search_term)

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("<int:object_id>/contact/", guard(self.reveal), name="shop_customer_contact"),
            path("<int:object_id>/privacy/", guard(self.privacy_view), name="shop_customer_privacy"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        shown = {**(extra_context or {}), "may_erase": may(request, "owner")}
        return super().change_view(request, object_id, form_url, shown)

    def privacy_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Asks on GET which way out, queues it on POST. For owners."""
        customer = self.get_object(request, str(object_id))
        if customer is None:
            raise Http404
        if not may(request, "owner"):
            raise PermissionDenied
        back, error = reverse("admin:shop_customer_change", args=[customer.pk]), ""
        if request.method == "POST":
            action = request.POST.get("action")
            if action == "export" or (action == "erasure" and request.POST.get("confirm") == customer.external_id):
                asked = requests.ask(shop_of(request), action, customer.external_id, by=request.user, reason="console")
                audit.write(request, [asked], _("Asked for."), ADDITION)
                messages.success(request, _("It is queued, and done within the hour; this list says how far it is."))
                return HttpResponseRedirect(reverse("admin:privacy_privacyrequest_changelist"))
            error = str(_("That is not the customer's id. Nothing was erased."))
        context = {"title": _("Export or erase"), "opts": self.opts, "original": customer, "back": back, "error": error}
        return render(request, "console/customer_privacy.html", context)

    def reveal(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The contact data in the open, once; the customer's history says who looked."""
        customer = self.get_object(request, str(object_id))
        if customer is None:
            raise Http404
        if not self.has_change_permission(request, customer):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self.log_change(request, customer, str(_("Looked at the contact data.")))
        shown = [(field.verbose_name, getattr(customer, field.name)) for field in self.encrypted]
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "original": customer, "shown": shown,
            "title": _("Contact data"), "back": reverse("admin:shop_customer_change", args=[customer.pk]),
        }  # fmt: skip
        return TemplateResponse(request, "console/contact.html", context, headers={"Cache-Control": "no-store"})


@admin.register(Identity)
class IdentityAdmin(ShownAdmin):
    list_display = ("anonymous_id", "customer", "proven", "at")
    list_filter = ("proven", during("at"))
    search_fields = ("anonymous_id__startswith",)
    ordering = ("-id",)
    next_step = _("No identities yet. One is kept whenever an identify call names a visitor:")
    next_step_code = 'POST /v1/identify {{"anonymousId": "…", "userId": "…"}}'


@admin.register(Consent)
class ConsentAdmin(ShopAdmin):
    """Proof: rows are added, never changed or removed."""

    list_display = ("customer", "anonymous_id", "purpose", "granted", "at", "source")
    list_filter = ("granted", during("at"))
    search_fields = ("anonymous_id__startswith", "purpose__startswith")
    ordering = ("-id",)
    remover = None
    bumps = ("consent",)
    next_step = _("No consents yet. Add what a customer agreed to, or send it with an identify call.")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(SocialTie)
class SocialTieAdmin(ShopAdmin):
    list_display = ("customer", "kind", "other", "at", "source")
    list_filter = ("kind", during("at"))
    ordering = ("-id",)
    next_step = _("No ties between customers yet. Referrals and gifts can be loaded from a file:")
