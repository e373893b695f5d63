"""Which pages `benchmark console pages` opens: all that a person can come to from the sidebar and the first page."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import reverse

from commerce_ai.console.navigation import sidebar
from commerce_ai.console.pages import url_of
from commerce_ai.console.shop_admin import Scoped
from commerce_ai.decisions.experiments.models import Experiment
from commerce_ai.shop.models import Conversation, Customer, Shop

FILES = ("shop_event", "shop_order", "shop_customer", "shop_product", "shop_dailymetric", "decisions_decision")
NOBODY = "nobody-is-called-so"
_HREF = re.compile(r'href="(/console/[^"#]*|\?[^"#]*)"')
_NUMBER = re.compile(r"(?<=/)(\d+|[0-9a-f]{8}-[0-9a-f-]{27})(?=/)")
_VALUE = re.compile(r"(?<=[?&]during=)[\d.-]{12,}")


@dataclass(frozen=True)
class Address:
    """`name` is the same in every shop."""

    path: str
    name: str


def addresses(client: Client, user: Any, shop: Shop) -> list[Address]:
    """Each once: the first page, all of its links, the sidebar; lists with searches, one row of each, and files."""
    index = reverse("admin:index")
    found = {Address(path, path): None for path in (index, f"{index}?during=7", f"{index}?during=90")}
    request = RequestFactory().get(index)
    request.user, request.session = user, {"shop": shop.pk}  # type: ignore[assignment]
    paths = [item["link"] for group in sidebar(request) for item in group["items"]]
    paths += [*_links(client, index), *_of_tables(shop), *_with_ids(shop)]
    seen = {each.name for each in found}
    for path in paths:
        name = _VALUE.sub("…", _NUMBER.sub("…", path)).replace(f"q={NOBODY}", "q=(none)")
        if name not in seen:
            seen.add(name)
            found[Address(path, name)] = None
    return list(found)


def _links(client: Client, index: str) -> Iterator[str]:
    for link in _HREF.findall(client.get(index).content.decode()):
        path = html.unescape(link)
        yield f"{index}{path}" if path.startswith("?") else path


def _of_tables(shop: Shop) -> Iterator[str]:
    """Of each table the list, a search that finds and one that doesn't, its newest row; of some the file."""
    for model, table in admin.site._registry.items():
        if not isinstance(table, Scoped):
            continue
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        there = reverse(f"admin:{name}_changelist")
        rows = model._default_manager.filter(**{table.shop_path: shop})
        yield there
        if fields := getattr(table, "search_fields", ()):
            word = rows.values_list(fields[0].rpartition("__")[0] or fields[0], flat=True).first()
            yield from (f"{there}?{urlencode({'q': each})}" for each in (word, NOBODY) if each)
        if (newest := rows.order_by("-pk").first()) is not None:
            yield reverse(f"admin:{name}_change", args=[newest.pk])
        if name in FILES:
            yield f"{there}?csv="


def _with_ids(shop: Shop) -> Iterator[str]:
    customer = Customer.objects.of(shop).earliest("pk")
    yield reverse("console:customer", args=[customer.pk])
    for holdout in (True, False):
        there = Experiment.objects.of(shop).filter(holdout=holdout).latest("pk")
        yield reverse("console:experiment", args=[there.pk])
    talk = Conversation.objects.of(shop).filter(status=Conversation.Status.HANDED_OFF).earliest("pk")
    yield f"{url_of('support', 'board/')}?{urlencode({'conversation': talk.external_id})}"
    yield f"{url_of('inventory', 'board/')}?product=p1"
    yield f"{url_of('recommendation', 'board/')}?customer=c1&placement=home"
    yield reverse("console:search") + "?s=p1&extended=1"
