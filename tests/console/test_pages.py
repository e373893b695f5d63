"""Pages of plugins: mounted by their table of contents, framed, scoped, and gone while the plugin is off."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse

from commerce_ai import registry
from commerce_ai.console import pages
from commerce_ai.console import urls as console_urls
from commerce_ai.console.charts import Chart, Series
from commerce_ai.plugin import Card, Page
from commerce_ai.shop.revision import refresher

SLUG = "recommendation"


@pages.page
def plain(request):
    return HttpResponse(request.shop.slug)


@pages.page
def templated(request):
    return TemplateResponse(request, "console/board.html", {"cards": [Card("Cases", "7", url="/x/", tone="warn")]})


@pages.page(template="console/board.html")
def board(request):
    return {"chart": Chart("Curve", ["a", "b"], [Series("one", [1, 2], low=[0, 1], high=[2, 3])])}


def bare(request):
    return HttpResponse(f"bare {request.shop.slug}")


@pages.page(permission="owner")
def for_owners(request):
    return HttpResponse("owners")


HERE = __name__


@pytest.fixture
def mounted(settings, shop, monkeypatch):
    """The recommendation plugin with pages of this file beside its own."""
    plugin = registry.plugin(SLUG)
    mine = tuple(
        Page(f"{name.replace('_', '-')}/", f"{HERE}.{name}", name.title(), permission)
        for name, permission in (
            ("plain", ""),
            ("templated", ""),
            ("board", ""),
            ("bare", "operator"),
            ("for_owners", ""),
        )
    )
    monkeypatch.setattr(type(plugin), "pages", mine)
    module = type("urls", (), {"urlpatterns": [*console_urls.urlpatterns], "app_name": "console"})
    module.urlpatterns = [each for each in module.urlpatterns if "." not in (each.name or "")] + pages.urlpatterns()
    from django.contrib import admin
    from django.urls import include

    root = type("root", (), {"urlpatterns": [
        path("console/", include((module.urlpatterns, "console"))), path("console/", admin.site.urls),
    ]})  # fmt: skip
    settings.ROOT_URLCONF = root
    registry.switch(shop, SLUG, on=True)
    refresher.poll()


def test_pages_open_in_the_frame_with_the_shop(owner, shop, mounted):
    assert owner.get("/console/recommendation/plain/").content.decode() == "garden"
    assert owner.get("/console/recommendation/bare/").content.decode() == "bare garden"
    shown = owner.get("/console/recommendation/templated/")
    assert "Cases" in shown.content.decode() and shown.context["title"] == "Templated"
    assert "nav-sidebar" in shown.content.decode()
    content = owner.get("/console/recommendation/board/").content.decode()
    assert 'type="application/json"' in content and "<figcaption>Curve</figcaption>" in content
    assert pages.url_of(SLUG, "board/") == "/console/recommendation/board/"
    assert "/console/recommendation/board/" in owner.get(reverse("admin:index")).content.decode()


def test_off_is_404_and_leaves_the_sidebar(owner, shop, mounted):
    registry.switch(shop, SLUG, on=False)
    refresher.poll()
    assert owner.get("/console/recommendation/plain/").status_code == 404
    assert "/console/recommendation/board/" not in owner.get(reverse("admin:index")).content.decode()


def test_permissions_of_the_page_and_of_the_view(sign_in, client, mounted):
    analyst = sign_in("analyst")
    assert analyst.get("/console/recommendation/plain/").status_code == 200
    assert analyst.get("/console/recommendation/bare/").status_code == 403
    assert sign_in("operator").get("/console/recommendation/bare/").status_code == 200
    assert sign_in("operator").get("/console/recommendation/for-owners/").status_code == 403
    assert sign_in("owner").get("/console/recommendation/for-owners/").status_code == 200
    assert client.get("/console/recommendation/plain/").status_code == 302
    assert sign_in(member=False).get("/console/recommendation/plain/").status_code == 403


def test_the_first_plugins_pages_open(owner, shop):
    registry.switch(shop, SLUG, on=True)
    refresher.poll()
    for page in registry.plugin(SLUG).pages:
        assert owner.get(pages.url_of(SLUG, page.path)).status_code == 200
