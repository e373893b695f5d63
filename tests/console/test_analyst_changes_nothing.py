"""An analyst sends a POST to every address of the console, and every action of every list: nothing is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.contrib import admin
from django.db import connection
from django.urls import URLPattern, URLResolver, get_resolver

from commerce_ai import registry
from commerce_ai.alerts import rules
from commerce_ai.console.shop_admin import Scoped
from commerce_ai.learning.models import Version
from commerce_ai.shop.revision import refresher
from tests.console import rows

pytestmark = pytest.mark.django_db
OWN = {"/console/shop-switch/", "/console/password_change/", "/console/logout/", "/console/login/"}
SHOWS = re.compile(  # pages that a POST finds as they are: they read no form
    r"/console/($|plugins/$|experiments/$|alerts/rules/$|behaviour/$|customers/\d+/$|search/$|privacy/$|plugins/\w+/$|dummy/|learning/run/(compare/|\d+/progress/)$)"
)
_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|TRUNCATE|COPY)\b[^\w]*(?:INTO|FROM)?[^\w]*(\w+)", re.I)


@contextmanager
def written() -> Iterator[list[str]]:
    """The tables that are written meanwhile, beside the session's."""
    found: list[str] = []

    def look(execute, sql, params, many, context):
        if (match := _WRITES.match(str(sql))) and match[2] != "django_session":
            found.append(str(sql)[:200])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(look):
        yield found


def patterns(of=None, begin="") -> Iterator[tuple[str, str]]:
    """Every route of the console: its path with its converters, and its name."""
    for each in (of or get_resolver()).url_patterns:
        here = begin + str(each.pattern)
        if isinstance(each, URLResolver) and here.startswith("console/"):
            yield from patterns(each, here)
        elif isinstance(each, URLPattern) and here.startswith("console/"):
            yield here, each.name or ""


def address(pattern: str, key: object) -> str:
    """A route with an id, a plugin, a table in its gaps."""
    filled = re.sub(r"<slug:\w+>", "fraud", pattern.replace("<path:url>", "nowhere"))
    filled = re.sub(r"<int:content_type_id>/<path:object_id>", "1/1", filled)
    return "/" + re.sub(r"<[^>]+>", str(key), filled).removesuffix("$")


@pytest.fixture
def analyst(sign_in, shop):
    for each in registry.plugins():
        registry.switch(shop, each.slug, on=True)
    rows.fill(shop)
    Version.objects.of(shop).update(state="retired")  # its files are made up: whoever loads it would note so
    rules.all_rules(shop)  # the first look makes those that every shop has
    refresher.poll()
    return sign_in("analyst")


def test_no_address_of_the_console_takes_a_change_from_an_analyst(analyst, shop):
    key_of = {
        f"console/{model._meta.app_label}/{model._meta.model_name}/": rows.first_row(model, shop, page.shop_path).pk
        for model, page in admin.site._registry.items()
        if isinstance(page, Scoped)
    }
    refused, asked, taken = 0, 0, []
    for pattern, name in patterns():
        key = next((pk for begin, pk in key_of.items() if pattern.startswith(begin)), 1)
        there = address(pattern, key)
        if there in OWN or "(?P" in there:
            continue
        asked += 1
        with written() as found:
            answer = analyst.post(there, {"action": "retrain", "post": "yes", "confirm": "yes", "on": "1"})
        assert not found, (there, found)
        if answer.status_code in (403, 405):
            refused += 1
        else:
            is_list = name.endswith(("_changelist", "_history")) and answer.status_code in (200, 302)
            is_list = is_list or (not name and answer.status_code == 302)  # Django's old address of a row
            if not (is_list or answer.status_code == 404 or SHOWS.match(there)):
                taken.append((there, answer.status_code))
    assert not taken, taken
    assert asked > 250 and refused > 200, (asked, refused)


def test_no_action_of_a_list_runs_for_an_analyst(analyst, shop):
    tried = 0
    for model, page in admin.site._registry.items():
        if not isinstance(page, Scoped):
            continue
        there = f"/console/{model._meta.app_label}/{model._meta.model_name}/"
        key = rows.first_row(model, shop, page.shop_path).pk
        for action in page.actions or ():
            tried += 1
            with written() as found:
                analyst.post(there, {"action": action, "_selected_action": key})
            assert not found, (there, action, found)
    assert tried >= 8
