"""API keys: made here and shown once, limited, revoked. Signing secrets of customer tokens."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from commerce_ai.api import keys
from commerce_ai.api.models import ApiKey, SigningSecret
from commerce_ai.api.scopes import PUBLISHABLE, SCOPES
from commerce_ai.console.pages import shown_once
from commerce_ai.console.scope import shop_of
from commerce_ai.console.shop_admin import ShopAdmin, ShopForm
from commerce_ai.shop.revision import bump

LIMITS = ("rate_per_s", "burst", "ip_rate_per_s", "ip_burst")


class KeyForm(ShopForm):
    """Scopes are ticked, origins written one a line."""

    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=[(name, f"{name}: {words}") for name, words in SCOPES.items()],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        required=False,
        help_text=_("None ticked: all that the kind may hold; a publishable key: track, recommend, chat."),
    )
    origins = forms.CharField(
        label=_("Allowed origins"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        required=False,
        help_text=_("One a line, as in https://shop.example or https://*.shop.example. For publishable keys."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "origins" in self.initial:
            self.initial["origins"] = "\n".join(self.initial["origins"])

    def clean_origins(self) -> list[str]:
        return [line.strip().rstrip("/") for line in self.cleaned_data["origins"].splitlines() if line.strip()]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        publishable = cleaned.get("kind", self.instance.kind) == ApiKey.Kind.PUBLISHABLE
        wrong = sorted(set(cleaned.get("scopes", ())) - set(PUBLISHABLE)) if publishable else []
        if wrong:
            self.add_error("scopes", _("A publishable key lies open in a browser; it can't hold: ") + ", ".join(wrong))
        return cleaned


@admin.register(ApiKey)
class ApiKeyAdmin(ShopAdmin):
    form = KeyForm
    list_display = ("name", "kind", "begin", "created_at", "created_by", "last_used_at", "in_force")
    list_filter = ("kind",)
    viewer, writer, remover = "operator", "owner", None
    ordering = ("-created_at",)
    actions_detail = ()
    change_form_outer_after_template = "console/key_revoke.html"
    next_step = _("No API keys yet. Make a publishable one for the storefront and a secret one for the shop's server.")

    @admin.display(description=_("begins with"), ordering="prefix")
    def begin(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    @admin.display(description=_("in force"), boolean=True)
    def in_force(self, key: ApiKey) -> bool:
        return key.revoked_at is None

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return ["name", "kind", "scopes", "origins", *LIMITS]
        return [
            "name",
            "kind",
            "begin",
            "scopes",
            "origins",
            *LIMITS,
            "created_at",
            "created_by",
            "last_used_at",
            "revoked_at",
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["kind", "begin", "created_at", "created_by", "last_used_at", "revoked_at"] if obj else []

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and getattr(obj, "revoked_at", None) is None

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            obj.scopes = obj.scopes or list(PUBLISHABLE if obj.kind == ApiKey.Kind.PUBLISHABLE else SCOPES)
            obj.save()
            bump("keys")  # keys are looked up before the shop is known, so for all shops
            return
        cleaned = form.cleaned_data
        made, request.key_text = keys.create_key(  # type: ignore[attr-defined]
            shop_of(request), cleaned["name"], cleaned["kind"], cleaned["scopes"] or None, origins=cleaned["origins"],
            by=request.user, **{name: cleaned[name] for name in LIMITS},
        )  # fmt: skip
        obj.__dict__.update(made.__dict__)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        return shown_once(
            request,
            title=_("The key %(name)s") % {"name": obj.name},
            explanation=_("Copy it now: only its fingerprint is kept, so it can't be shown again."),
            texts=[(_("Key"), request.key_text)],  # type: ignore[attr-defined]
            back=reverse("admin:api_apikey_changelist"),
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.revoke)
        return [path("<int:object_id>/revoke/", view, name="api_apikey_revoke"), *super().get_urls()]

    def revoke(self, request: HttpRequest, object_id: int) -> HttpResponse:
        key = self.get_object(request, str(object_id))
        if key is None:
            raise Http404
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        keys.revoke(key)
        self.log_change(request, key, str(_("Revoked.")))
        messages.success(request, _("%(name)s is revoked; within two seconds it is dead.") % {"name": key.name})
        return HttpResponseRedirect(reverse("admin:api_apikey_changelist"))


@admin.register(SigningSecret)
class SigningSecretAdmin(ShopAdmin):
    """What the shop's server signs customer tokens with. Adding makes a new one, shown once; old ones are retired."""

    list_display = ("created_at", "retired_at")
    fields = ("created_at", "retired_at")
    readonly_fields = ("created_at",)
    viewer = writer = "owner"
    remover = None
    ordering = ("-created_at",)
    next_step = _("No signing secret yet. With one, the shop's server can vouch for a signed-in customer.")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["created_at", "retired_at"] if obj else []

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            obj.save(update_fields=["retired_at"])
            bump("keys")
            return
        request.secret = keys.new_signing_secret(shop_of(request))  # type: ignore[attr-defined]
        newest = SigningSecret.objects.of(shop_of(request)).latest("created_at", "pk")
        obj.__dict__.update(newest.__dict__)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        return shown_once(
            request,
            title=_("A new signing secret"),
            explanation=_("Put it on the shop's server. Older secrets stay valid until they are retired."),
            texts=[(_("Signing secret"), request.secret)],  # type: ignore[attr-defined]
            back=reverse("admin:api_signingsecret_changelist"),
        )
