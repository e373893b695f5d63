"""Pages of plugins in the console, and the frame that the console's own pages share with them.

A plugin names a page in its table of contents (``Page("board/", "acme.admin.board", _("Wrapping"))``) and writes
the view::

    from commerce_ai.console.pages import page

    @page(template="acme/board.html")
    def board(request):                      # request.shop is the chosen shop; read only .of(request.shop)
        return {"chart": Chart(...), "rows": ...}

The template extends ``console/board.html`` and fills its blocks ``figures``, ``chart``, ``list`` and ``actions``.
A view may also return any response; a `TemplateResponse` gets the frame's context too. Who has no permission gets
403, whose shop has the plugin switched off 404.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, overload

from django.contrib import admin
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from commerce_ai import registry
from commerce_ai.console.scope import may, scope_of, shop_of
from commerce_ai.plugin import Page, Plugin

View = Callable[..., Any]


@overload
def page(view: View) -> View: ...
@overload
def page(*, template: str = ..., permission: str = ...) -> Callable[[View], View]: ...
def page(view: View | None = None, *, template: str = "", permission: str = "") -> Any:
    """A console page: signed in, in a shop, with `permission`; what it returns is put into the console's frame.

    `permission` is read as by `commerce_ai.console.scope.may`; a plugin's `Page.permission` counts as well.
    """
    if view is None:
        return lambda each: _framed(each, template, permission)
    return _framed(view, template, permission)


def _framed(view: View, template: str, permission: str) -> View:
    @wraps(view)
    def framed(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        if not may(request, permission):
            raise PermissionDenied
        if _holds_nul(request):
            raise SuspiciousOperation("the character NUL, which no text in Postgres can hold")
        request.shop = shop_of(request)
        answer = view(request, *args, **kwargs)
        if isinstance(answer, dict):
            return render(request, template, answer)
        if isinstance(answer, TemplateResponse) and not answer.is_rendered:
            answer.context_data = {**frame(request), **(answer.context_data or {})}
        return answer

    guarded = admin.site.admin_view(framed)
    guarded.is_console_page = True  # type: ignore[attr-defined]
    return guarded


def _holds_nul(request: HttpRequest) -> bool:
    return any("\0" in value for sent in (request.GET, request.POST) for each in sent.lists() for value in each[1])


def render(request: HttpRequest, template: str, context: dict[str, Any], **options: Any) -> TemplateResponse:
    """A template inside the console's frame."""
    return TemplateResponse(request, template, {**frame(request), **context}, **options)


def frame(request: HttpRequest) -> dict[str, Any]:
    """What every console template finds: the admin's context, `shop`, `scope`, a plugin's `page`."""
    scope = scope_of(request)
    here: Page | None = getattr(request, "_page", None)
    request.current_app = admin.site.name  # type: ignore[attr-defined]
    context = {**admin.site.each_context(request), "scope": scope, "shop": scope.shop, "page": here}
    return {**context, "title": here.title} if here else context


def shown_once(
    request: HttpRequest, *, title: Any, explanation: Any, texts: Sequence[tuple[Any, str]], back: str
) -> TemplateResponse:
    """Answer with a secret that is shown now and never again: nothing keeps the page, not even the browser."""
    context = {"title": title, "explanation": explanation, "texts": texts, "back": back}
    return render(request, "console/shown_once.html", context, headers={"Cache-Control": "no-store"})


# --- plugins' pages ---------------------------------------------------------------------------------------


def urlpatterns() -> list[URLPattern]:
    """The pages of every installed plugin, below ``/console/<slug>/``."""
    return [
        path(f"{plugin.slug}/{each.path.lstrip('/')}", _mounted(plugin, each), name=name_of(plugin.slug, each.path))
        for plugin in registry.plugins()
        for each in plugin.pages
    ]


def name_of(slug: str, path: str) -> str:
    return f"{slug}.{path.strip('/') or 'board'}"


def url_of(slug: str, path: str, **kwargs: Any) -> str:
    """The address of a plugin's page, as it stands in its `pages`."""
    return reverse(f"console:{name_of(slug, path)}", kwargs=kwargs or None)


def visible(request: HttpRequest, plugin: Plugin) -> list[Page]:
    """The plugin's pages that this person may open in the chosen shop; none while it is off there."""
    shop = scope_of(request).shop
    if shop is None or not registry.is_on(shop.pk, plugin.slug):
        return []
    return [each for each in plugin.pages if "<" not in each.path and may(request, each.permission)]


def _mounted(plugin: Plugin, which: Page) -> View:
    def mounted(request: Any, **kwargs: Any) -> HttpResponse:
        shop = shop_of(request)
        request._plugin = plugin.slug
        if not may(request, which.permission):
            raise PermissionDenied
        if not registry.is_on(shop.pk, plugin.slug):
            raise Http404(_("The plugin is off in this shop."))
        request._page = which
        view = import_string(which.view)
        return (view if hasattr(view, "is_console_page") else page(view))(request, **kwargs)

    return admin.site.admin_view(mounted)
