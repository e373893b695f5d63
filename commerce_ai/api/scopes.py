"""What a key may do, in words. A publishable key lies open in a browser, so it can hold only the first three."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

PUBLISHABLE = ("track", "recommend", "chat")

SCOPES = {
    "track": _("send events"),
    "recommend": _("read recommendations"),
    "chat": _("talk to customer service"),
    "catalogue:read": _("read products, prices and stock"),
    "catalogue:write": _("write products"),
    "customers:read": _("read customers, personal data included"),
    "customers:write": _("write customers"),
    "orders:read": _("read orders"),
    "orders:write": _("write orders"),
    "stock:write": _("write stock levels"),
    "prices:write": _("write prices"),
    "decide": _("ask every plugin for decisions, and read them"),
    "privacy": _("export and erase all that is held on a customer"),
    "admin:read": _("read what the platform does: runs, versions, health"),
}
