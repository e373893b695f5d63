"""The base of every admin page of a shop's table: rows, choices and permissions of the chosen shop only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin import ShowFacets
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.views import ChangeList

from commerce_ai.console import csv_export, masking
from commerce_ai.console.audit import Audited
from commerce_ai.console.masking import MASK
from commerce_ai.console.paging import BoundedPaginator
from commerce_ai.console.scope import scope_of, shop_of, works_with
from commerce_ai.crypto import EncryptedTextField
from commerce_ai.ingest.files.tables import tables
from commerce_ai.shop.models import Customer, Shop
from commerce_ai.shop.revision import bump


class ShopForm(forms.ModelForm):
    """A form of one row: the shop is not a field but given, and counts when unique constraints are checked."""

    scope_shop: ClassVar[Shop]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if hasattr(self.instance, "shop_id") and self.instance.shop_id is None:
            self.instance.shop = self.scope_shop

    def _get_validation_exclusions(self) -> set[str]:
        return super()._get_validation_exclusions() - {"shop"}  # type: ignore[misc]


class Scoped:
    """What pages and inlines share. `shop_path` leads from the table to its shop (``run__shop``)."""

    shop_path: ClassVar[str] = "shop"
    writer: ClassVar[str | None] = "operator"  # the least role that adds and changes rows; None: the console only shows
    remover: ClassVar[str | None] = "operator"
    viewer: ClassVar[str] = "analyst"
    model: type[models.Model]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        queryset = super().get_queryset(request)  # type: ignore[misc]
        shop = scope_of(request).shop
        rows = queryset.filter(**{self.shop_path: shop}) if shop else queryset.none()
        return rows if self._may(request, "operator") else masking.masked(rows)

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*(super().get_exclude(request, obj) or ()), "shop"]  # type: ignore[misc]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Choices of the chosen shop. Checked again when the form comes back, whatever the widget offered."""
        if "queryset" not in kwargs and (queryset := _rows_of(db_field.remote_field.model, request)) is not None:
            kwargs["queryset"] = queryset
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        """Every foreign key whose table can be searched: no list of a million customers in a select box."""
        found = list(super().get_autocomplete_fields(request))  # type: ignore[misc]
        for field in self.model._meta.fields:
            if isinstance(field, models.ForeignKey) and field.name not in found:
                there = admin.site._registry.get(field.remote_field.model)
                if isinstance(there, ShopAdmin) and there.search_fields:
                    found.append(field.name)
        return found

    def has_module_permission(self, request: HttpRequest) -> bool:
        return scope_of(request).may(self.viewer)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return scope_of(request).may(self.viewer) and self._is_of(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.writer) and self._is_of(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.writer) and self._is_of(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.remover) and self._is_of(request, obj)

    def _may(self, request: HttpRequest, role: str | None) -> bool:
        """In a plugin's own tables its group makes an operator of any member of the shop."""
        theirs = role == "operator" and works_with(request, self.model._meta.app_label)
        return role is not None and (theirs or scope_of(request).may(role))

    def _is_of(self, request: HttpRequest, obj: Any) -> bool:
        """Whether a row (or an inline's parent, which may still be unsaved) belongs to the chosen shop."""
        shop_id = getattr(obj, "shop_id", None)
        return shop_id is None or shop_id == shop_of(request).pk


class ShopChangeList(ChangeList):
    """Says how many rows there are without counting them twice."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.has_active_filters and not self.query:
            self.full_result_count = self.result_count


class ShopAdmin(Scoped, Audited, ModelAdmin):
    """Inherit for a table of the shop. Roles: analysts see, operators write, owners do all.

    `next_step` says what to do while the table is empty (its first sentence is the heading), `bumps` which topics of
    Revision a write moves. Encrypted columns are shown masked.
    """

    form = ShopForm
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 200
    list_filter_submit = False
    compressed_fields = True
    next_step: Any = _("Nothing here yet. Load a file, or send rows through the API.")
    next_step_code: ClassVar[str] = ""
    bumps: ClassVar[tuple[str, ...]] = ()

    def __init__(self, model: type[models.Model], site: admin.AdminSite) -> None:
        super().__init__(model, site)
        self.encrypted = _encrypted_of(model)
        self.unread = _unread(model)
        for field in self.encrypted:
            setattr(self, f"masked_{field.name}", _masked(field))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ShopChangeList

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).defer(*self.unread)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """An analyst's row comes masked with all that it points to."""
        row = super().get_object(request, object_id, from_field)
        if row is not None and not self._may(request, "operator"):
            row._is_masked = False
            masking.mask(row, with_related=True)
        return row

    def get_search_fields(self, request: HttpRequest) -> Any:
        fields = super().get_search_fields(request)
        if self._may(request, "operator"):
            return fields
        return [each for each in fields if not masking.touches(self.model, each)]

    def get_sortable_by(self, request: HttpRequest) -> Any:
        columns = super().get_sortable_by(request)
        if self._may(request, "operator"):
            return columns
        return [each for each in columns if each not in masking.identifiers(self.model)]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """An address such as ``?text__icontains=`` is a search too."""
        if (request is None or not self._may(request, "operator")) and masking.touches(self.model, lookup):
            return False
        return super().lookup_allowed(lookup, value, request)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"scope_shop": shop_of(request)})

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fields = list(super().get_fields(request, obj))
        hidden = {field.name: f"masked_{field.name}" for field in self.encrypted}
        if obj is None:
            return [name for name in fields if name not in hidden.values()]
        shown = [hidden.get(name, name) for name in fields]
        return list(dict.fromkeys(shown))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fixed = [*super().get_readonly_fields(request, obj), *(f"masked_{field.name}" for field in self.encrypted)]
        if obj is None:
            return fixed
        return [*fixed, *(name for name in ("created_at", "updated_at") if name not in fixed and self._has(name))]

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*super().get_exclude(request, obj), *(field.name for field in self.encrypted)]

    def get_list_display(self, request: HttpRequest) -> Any:
        """A customer in a list leads to their page; in its first column the row's own link stays."""
        first, *others = super().get_list_display(request)
        keys = {each.name: each for each in self.model._meta.fields if each.related_model is Customer}
        return [first, *(_customer_column(keys[each]) if each in keys else each for each in others)]

    def get_list_select_related(self, request: HttpRequest) -> Any:
        if self.list_select_related:
            return self.list_select_related
        columns = self.get_list_display(request)
        keys = [each.name for each in self.model._meta.fields if isinstance(each, models.ForeignKey)]
        shown = {getattr(each, "joins", each) for each in columns}
        joined = [name for name in keys if name in shown]
        if any(getattr(column, "needs_shop", False) for column in columns):
            joined.append("shop")
        return joined or False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        self._moved(request)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        super().delete_model(request, obj)
        self._moved(request)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        super().delete_queryset(request, queryset)
        self._moved(request)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        for each in formset.forms:
            if hasattr(each.instance, "shop_id") and each.instance.shop_id is None:
                each.instance.shop = shop_of(request)
        super().save_formset(request, form, formset, change)

    def _code(self, request: HttpRequest) -> str:
        """The line of a shell that fills the table: the page's own, else the file load of this table."""
        shop = scope_of(request).shop
        said = {"host": f"{request.scheme}://{request.get_host()}", "key": "<key>", "shop": shop.slug if shop else ""}
        if self.next_step_code:
            return self.next_step_code.format(**said)
        found = next((each.name for each in tables().values() if each.model is self.model), None)
        return f"python manage.py load csv {found}.csv --table {found} --shop {said['shop']}" if found else ""

    def _moved(self, request: HttpRequest) -> None:
        for topic in self.bumps:
            bump(topic, shop_of(request))

    def _has(self, name: str) -> bool:
        try:
            return bool(self.model._meta.get_field(name))
        except FieldDoesNotExist:
            return False

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        """A row of another shop is not there at all, exactly as one that never was."""
        raise Http404

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if csv_export.PARAM in request.GET and self.has_view_permission(request):
            return csv_export.export(request, self)  # type: ignore[return-value]
        heading, _stop, step = str(self.next_step).partition(". ")
        context = {
            "title": capfirst(self.opts.verbose_name_plural), "scope": scope_of(request), "next_heading": heading,
            "next_step": step, "next_step_code": self._code(request),
        }  # fmt: skip
        return super().changelist_view(request, {**context, **(extra_context or {})})


class ShownAdmin(ShopAdmin):
    """A table that the platform writes and people only read."""

    writer = None
    remover = None


class ShopInline(Scoped, TabularInline):
    """Rows of the shop inside another row's page."""

    form = ShopForm
    extra = 0
    ordering = ("-pk",)
    tab = True

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        formset.form = type(formset.form.__name__, (formset.form,), {"scope_shop": shop_of(request)})
        return formset


def _encrypted_of(model: Any) -> list[EncryptedTextField]:
    return [each for each in model._meta.fields if isinstance(each, EncryptedTextField)]


def _unread(model: type[models.Model]) -> list[str]:
    """Columns that no list decrypts: the table's own, and those of the rows it points to."""
    keys = [each for each in model._meta.fields if isinstance(each, models.ForeignKey)]
    theirs = [f"{key.name}__{each.name}" for key in keys for each in _encrypted_of(key.related_model)]
    return [*(each.name for each in _encrypted_of(model)), *theirs]


def _rows_of(model: type[models.Model], request: HttpRequest) -> models.QuerySet[Any] | None:
    manager: Any = model._default_manager
    shop = scope_of(request).shop
    if model is get_user_model():
        return manager.filter(shop_memberships__shop=shop) if shop else manager.none()
    if not hasattr(manager.all(), "of"):
        return None
    return manager.all().of(shop) if shop else manager.none()


def _customer_column(field: Any) -> Callable[[Any], Any]:
    @admin.display(description=field.verbose_name, ordering=field.name, empty_value="-")
    def column(row: Any) -> Any:
        number = getattr(row, field.attname)
        there = reverse("console:customer", args=[number]) if number else ""
        return format_html('<a href="{}">{}</a>', there, getattr(row, field.name)) if number else None

    column.joins = field.name  # type: ignore[attr-defined]
    return column


def _masked(field: EncryptedTextField) -> Callable[[Any], str]:
    @admin.display(description=field.verbose_name, empty_value="-")
    def masked(obj: Any) -> str:
        return MASK if getattr(obj, field.name) else ""

    return masked
