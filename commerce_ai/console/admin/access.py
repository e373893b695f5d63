"""Who may work where: shops, their members, and (for superusers) people and groups."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.crypto import get_random_string
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from commerce_ai.console.audit import Audited
from commerce_ai.console.pages import shown_once
from commerce_ai.console.scope import choose, scope_of, shop_of
from commerce_ai.console.shop_admin import ShopAdmin, ShopForm
from commerce_ai.console.silence_form import FIELDS as SILENCES
from commerce_ai.console.silence_form import SilenceForm
from commerce_ai.shop.models import Shop, ShopMember
from commerce_ai.shop.revision import bump

User = get_user_model()
PASSWORD_LENGTH = 16


@admin.register(Shop)
class ShopsAdmin(Audited, ModelAdmin):
    """The shops that a person belongs to. Superusers open new ones; owners keep name, currency and time zone."""

    list_display = ("name", "slug", "currency", "timezone", "country", "created_at")
    form = SilenceForm
    fieldsets = (
        (None, {"fields": ("name", "slug", "currency", "timezone", "country")}),
        (_("Consent"), {"fields": SILENCES, "description": _("What silence means, for each purpose.")}),
    )
    ordering = ("name",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> Any:
        shops = super().get_queryset(request)
        if request.user.is_superuser:
            return shops
        return shops.filter(pk__in=[shop.pk for shop in scope_of(request).shops])

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("slug",) if obj else ()

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(scope_of(request).shops) or request.user.is_superuser

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        scope = scope_of(request)
        return request.user.is_superuser or (scope.may("owner") and obj in (None, scope.shop))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a shop is millions of rows: it is erased by a command, not by a click

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        form.save_silences()
        bump("settings", obj)
        if not change:
            choose(request, obj.pk)

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        raise Http404


class NewMemberForm(ShopForm):
    """Somebody joins: the account of that name where there is one, else a new account."""

    username = forms.CharField(label=_("User name"), max_length=150, widget=UnfoldAdminTextInputWidget)
    email = forms.EmailField(label=_("E-mail"), required=False, widget=UnfoldAdminEmailInputWidget)

    class Meta:
        model = ShopMember
        fields = ("role",)
        widgets = {"role": UnfoldAdminSelectWidget}

    def clean_username(self) -> str:
        name = User.normalize_username(self.cleaned_data["username"])
        User._meta.get_field("username").run_validators(name)
        if ShopMember.objects.of(self.scope_shop).filter(user__username=name).exists():
            raise ValidationError(_("%(name)s is a member already."), params={"name": name})
        return name

    def _post_clean(self) -> None:
        """The person is found or made when the member is saved; only then is the row whole."""
        if not self.errors:
            self.instance.role = self.cleaned_data["role"]


@admin.register(ShopMember)
class ShopMemberAdmin(ShopAdmin):
    list_display = ("user", "role", "created_at")
    list_filter = ("role",)
    writer = remover = "owner"
    ordering = ("pk",)
    actions = None  # one at a time, so that the last owner is seen
    next_step = _("Nobody but superusers works in this shop yet. Add the first owner.")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            return type("NewMember", (NewMemberForm,), {"scope_shop": shop_of(request)})
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["user", "role", "created_at"] if obj else ["username", "email", "role"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["user", "created_at"] if obj else []

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            if "role" in form.changed_data and self._is_last_owner(request, obj):
                obj.role = ShopMember.Role.OWNER
                messages.error(request, _("The last owner stays owner: make somebody else owner first."))
            return super().save_model(request, obj, form, change)
        name = form.cleaned_data["username"]
        person, is_new = User.objects.get_or_create(
            username=name, defaults={"email": form.cleaned_data["email"], "is_staff": True}
        )
        if is_new:
            request.new_password = get_random_string(PASSWORD_LENGTH)  # type: ignore[attr-defined]
            person.set_password(request.new_password)  # type: ignore[attr-defined]
            person.save(update_fields=["password"])
        elif not person.is_staff:
            person.is_staff = True
            person.save(update_fields=["is_staff"])
        obj.user = person
        return super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and self._is_last_owner(request, obj))

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        if (password := getattr(request, "new_password", None)) is None:
            return super().response_add(request, obj, post_url_continue)
        return shown_once(
            request,
            title=_("%(name)s can sign in") % {"name": obj.user.get_username()},
            explanation=_("Hand this password on. It is shown now and never again; they can change it later."),
            texts=[(_("User name"), obj.user.get_username()), (_("Password"), password)],
            back=reverse("admin:shop_shopmember_changelist"),
        )

    def _is_last_owner(self, request: HttpRequest, obj: Model) -> bool:
        owners = ShopMember.objects.of(shop_of(request)).filter(role=ShopMember.Role.OWNER)
        return owners.filter(pk=obj.pk).exists() and owners.count() == 1


for model in (User, Group):
    admin.site.unregister(model)


@admin.register(User)
class UserAdmin(Audited, DjangoUserAdmin, ModelAdmin):
    """Every account of the install: Django's own permissions apply, which only superusers have."""

    form, add_form, change_password_form = UserChangeForm, UserCreationForm, AdminPasswordChangeForm
    list_filter = ("is_staff", "is_superuser", "is_active")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # what the person did would go from the audit trail: make the account inactive instead


@admin.register(Group)
class GroupAdmin(Audited, DjangoGroupAdmin, ModelAdmin):
    pass
