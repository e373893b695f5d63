"""Decisions that were answered and not kept, as an alert each time there are more of them."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from commerce_ai.alerts.health import Finding
from commerce_ai.alerts.models import AlertRule
from commerce_ai.decisions.losses import losses
from commerce_ai.shop.models import Shop


def lost(shop: Shop, rule: AlertRule) -> list[Finding]:
    """Plugins that lost decisions since the last look; what was counted then is the rule's memory."""
    counted = losses(shop.pk)
    before, rule.memory = rule.memory, dict(counted)
    found = []
    for plugin, count in sorted(counted.items()):
        more = count - before.get(plugin, 0)
        if more > 0:
            title = _("Decisions of %(plugin)s were answered and not kept") % {"plugin": plugin}
            detail = ngettext("%(n)d more, %(all)d in all.", "%(n)d more, %(all)d in all.", more)
            url = reverse("admin:decisions_decision_changelist")
            found.append(Finding(plugin, title, detail % {"n": more, "all": count}, url))
    return found
