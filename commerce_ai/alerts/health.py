"""Checks of health as alerts: what a check finds is raised, what it finds no more is resolved.

A room names its check in `settings.ALERT_CHECKS` as ``check(shop, rule) -> list[Finding]``: rooms above this one are
not imported here.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string
from django.utils.translation import gettext as say

from commerce_ai import registry
from commerce_ai.alerts import raising, rules
from commerce_ai.alerts.models import Alert, AlertRule, Severity
from commerce_ai.shop.models import Shop

logger = logging.getLogger(__name__)
SOURCE = "health"
HAPPENS = {AlertRule.Check.LOST_DECISIONS}  # found when it happens, and then over: a person resolves it


@dataclass(frozen=True)
class Finding:
    """One thing that is not well; `key` names it as long as it lasts."""

    key: str
    title: Any
    detail: Any = ""
    url: str = ""
    level: Literal["warn", "bad"] = "bad"


Check = Callable[[Shop, AlertRule], list[Finding]]


def run(shop: Shop) -> int:
    """Every check that is on in this shop; how many findings. A check that fails raises and resolves nothing."""
    found = 0
    for rule in rules.health_rules(shop):
        if not rule.on:
            _resolve_but(shop, rule, set())
            continue
        memory = dict(rule.memory)
        try:
            with transaction.atomic():
                findings = _check(rule)(shop, rule)
        except Exception:  # one check must not keep the others from looking
            logger.exception("the check %s of shop %s failed", rule.check_name, shop.pk)
            continue
        for each in findings:
            raising.raise_alert(shop.pk, _said(rule, each), again=rule.check_name in HAPPENS)
        if rule.check_name not in HAPPENS:
            _resolve_but(shop, rule, {_key(rule, each) for each in findings})
        if rule.memory != memory:
            rule.save(update_fields=["memory"])
        found += len(findings)
    return found


def plugins(shop: Shop, rule: AlertRule) -> list[Finding]:
    """What plugins that are on say of their own health, but for what they raise by themselves."""
    found = []
    for plugin in registry.plugins():
        if not registry.is_on(shop.pk, plugin.slug):
            continue
        try:
            with transaction.atomic():  # a query of its own that fails is not the next one's
                said = plugin.health(shop)
        except Exception as error:  # a third party's code
            title = say("The health check of %(plugin)s failed") % {"plugin": plugin.verbose_name}
            found.append(Finding(f"{plugin.slug}:failed", title, type(error).__name__))
            continue
        for each in said:
            if each.level != "ok" and each.alert:
                title = f"{plugin.verbose_name}: {each.message}"
                found.append(Finding(f"{plugin.slug}:{_named(each.message)}", title, url=each.url, level=each.level))
    return found


def _check(rule: AlertRule) -> Check:
    return import_string(settings.ALERT_CHECKS[rule.check_name])


def _said(rule: AlertRule, finding: Finding) -> raising.Said:
    severity = rule.severity if finding.level == "bad" else min(rule.severity, Severity.WARNING)
    return raising.Said(
        SOURCE, _key(rule, finding), Severity(severity).name.lower(), finding.title, finding.detail, finding.url
    )


def _key(rule: AlertRule, finding: Finding) -> str:
    return f"{rule.check_name}:{finding.key}"[:200]


def _resolve_but(shop: Shop, rule: AlertRule, keys: set[str]) -> None:
    kept = Alert.objects.of(shop).filter(source=SOURCE, key__startswith=f"{rule.check_name}:")
    for key in kept.exclude(state=Alert.State.RESOLVED).values_list("key", flat=True):
        if key not in keys:
            raising.resolve(shop.pk, SOURCE, key)


def _named(message: Any) -> str:
    """The same for a finding whose figures move: its words without numbers."""
    return hashlib.sha256(re.sub(r"[\d.,]+", "#", str(message)).encode()).hexdigest()[:16]
