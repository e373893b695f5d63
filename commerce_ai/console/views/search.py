"""Search over the whole console: its pages, and rows of the chosen shop by what people call them.

In place of unfold's own, which keeps what it found for five minutes by person and word alone: after a switch to
another shop it would still show the first one's rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.dataclasses import SearchResult

from commerce_ai.console.navigation import sidebar
from commerce_ai.console.pages import page

LONGEST = 200
MOST_OF_TABLE, MOST_PAGES = 5, 12
# What operators have the name or number of at hand.
TABLES = ("shop.product", "shop.customer", "shop.order", "shop.campaign", "shop.supplier", "shop.article")


@page
def search(request: HttpRequest) -> HttpResponse:
    """The part of a page that unfold's search box asks for: with `extended`, rows are looked for as well."""
    asked, began = request.GET.get("s", "").strip()[:LONGEST], time.monotonic()
    if not asked:
        return HttpResponse()
    extended = "extended" in request.GET
    found = [*_pages(request, asked.lower()), *(_rows(request, asked) if extended else ())]
    shown = Paginator(found, max(len(found), 1))
    context = {"results": shown.page(1), "page_obj": shown, "page_counter": 0,
               "execution_time": time.monotonic() - began}  # fmt: skip
    name = "command_results" if extended else "search_results"
    return TemplateResponse(request, f"unfold/helpers/{name}.html", context, headers={"HX-Trigger": "search"})


def _pages(request: HttpRequest, asked: str) -> list[SearchResult]:
    """Links of the sidebar, which has only what this person may open."""
    return [
        SearchResult(str(item["title"]), str(group.get("title", "")), str(item["link"]), item["icon"])
        for group in sidebar(request)
        for item in group["items"]
        if asked in str(item["title"]).lower() or asked in str(group.get("title", "")).lower()
    ][:MOST_PAGES]


def _rows(request: HttpRequest, asked: str) -> Iterator[SearchResult]:
    """By each table's own search: its scope, its roles, and what an analyst may search by."""
    registered: dict[str, Any] = {model._meta.label_lower: each for model, each in admin.site._registry.items()}
    for label in TABLES:
        table = registered[label]
        if not table.has_view_permission(request) or not table.get_search_fields(request):
            continue
        rows, _may_repeat = table.get_search_results(request, table.get_queryset(request), asked)
        kind = str(table.opts.verbose_name)
        for row in rows[:MOST_OF_TABLE]:
            link = reverse(f"admin:{table.opts.app_label}_{table.opts.model_name}_change", args=[row.pk])
            yield SearchResult(str(row), kind, link, "data_object")
