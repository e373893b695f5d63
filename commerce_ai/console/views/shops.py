from __future__ import annotations

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from commerce_ai.console.scope import choose


@admin.site.admin_view
@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Work in another shop from now on; always lands on the first page, whose figures are that shop's."""
    wanted = request.POST.get("shop", "")
    shop = choose(request, int(wanted)) if wanted.isdecimal() and len(wanted) < 19 else None
    if shop is None:
        messages.error(request, _("You are not a member of that shop."))
    return HttpResponseRedirect(reverse("admin:index"))
