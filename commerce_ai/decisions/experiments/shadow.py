"""A version in the shadow: asked again what visitors asked, beside the live one, and only counted.

A job asks in the worker, some of the latest decisions at a time, once by what is live and once with the version in its
place, at the same moment. Nobody is answered by it and nothing is kept but counts. They are written together with how
far it got, so that a job that is killed counts nothing twice.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext as say

from commerce_ai import registry
from commerce_ai.decisions.experiments import canary
from commerce_ai.decisions.experiments.arms import asking
from commerce_ai.decisions.experiments.drawing import Drawn
from commerce_ai.decisions.experiments.shadow_models import Shadow, ShadowDay
from commerce_ai.ids import uuid7_floor
from commerce_ai.learning import live
from commerce_ai.learning.models import Version

SAMPLE = 200
COUNTS = ("asked", "failed", "own", "same_first", "overlap", "fallbacks", "live_fallbacks", "ms", "live_ms")


class Again(msgspec.Struct, frozen=True):
    """What a plugin would answer now to what a decision was about: items best first, or one verdict."""

    answer: tuple[str, ...]
    version_id: int | None
    fallback: bool = False


def may_shadow(version: Version) -> bool:
    slug = canary.plugin_of(version)
    return canary.may_try(version) and slug is not None and bool(asking()[slug].again)


def why_not(version: Version) -> str:
    """Why a version that could be tried on visitors can't be asked in the shadow; in words, empty where it can."""
    slug = canary.plugin_of(version)
    return "" if slug is None or asking()[slug].again else str(asking()[slug].unasked)


def begin(version: Version) -> Shadow:
    if not may_shadow(version):
        raise ValueError(f"{version} can't be asked in the shadow")
    return Shadow.objects.get_or_create(shop_id=version.shop_id, version=version, until=None)[0]


def end(version: Version) -> None:
    Shadow.objects.of(version.shop_id).filter(version=version, until=None).update(until=timezone.now())


def last_of(version: Version) -> Shadow | None:
    return Shadow.objects.of(version.shop_id).filter(version=version).order_by("-pk").first()


def look(shadow: Shadow, most: int = SAMPLE) -> int:
    """Ask about some of the decisions since the last look, and count; how many those were."""
    from commerce_ai.decisions.models import Decision

    shop, slug = shadow.shop_id, canary.plugin_of(shadow.version)
    if slug is None or not may_shadow(shadow.version):
        end(shadow.version)
        return 0
    if not registry.is_on(shop, slug):
        return 0
    version = live.load(shop, shadow.version_id)
    if version is None:
        shadow.version.refresh_from_db()
        Shadow.objects.of(shop).filter(pk=shadow.pk).update(error=shadow.version.load_error[:300])
        return 0
    rows = Decision.objects.of(shop).filter(plugin=slug, kind__in=asking()[slug].kinds)
    rows = rows.filter(pk__gt=shadow.upto or uuid7_floor(shadow.since))
    latest = list(rows.order_by("-pk")[:most])
    return _keep(shadow, latest[0].pk, _ask(shop, slug, version, latest)) if latest else 0


def in_words(shadow: Shadow) -> list[str]:
    """What was found so far."""
    sums = ShadowDay.objects.of(shadow.shop_id).filter(shadow=shadow).aggregate(**{each: Sum(each) for each in COUNTS})
    found = {name: value or 0 for name, value in sums.items()}
    answered = found["asked"] - found["failed"]
    if not found["asked"]:
        said = [say("It has answered nothing yet: every ten minutes some of the latest requests are asked again.")]
        return [*said, shadow.error] if shadow.error else said
    failed = f"{found['failed']:,}" if found["failed"] else say("none")
    words = say("Answered %(asked)s requests beside the live version: %(failed)s failed.")
    said = [words % {"asked": f"{found['asked']:,}", "failed": failed}]
    if shadow.error:
        said.append(say("The last error: %(error)s") % {"error": shadow.error})
    if not answered:
        return said
    same, overlap, own = (100 * found[name] / answered for name in ("same_first", "overlap", "own"))
    words = say("%(same).0f %% the same first product or verdict; %(overlap).0f %% of what either names, both do.")
    said.append(words % {"same": same, "overlap": overlap})
    if found["own"] < answered:
        words = say("%(own).0f %% are its own answers: for the rest another comes before it, or it knows too little.")
        said.append(words % {"own": own})
    words = say("%(ms).1f ms against %(live_ms).1f ms; fallbacks: %(fallbacks)s against %(live_fallbacks)s.")
    said.append(words % (found | {name: found[name] / answered for name in ("ms", "live_ms")}))
    return said


def _ask(shop_id: int, slug: str, version: live.LiveVersion, decisions: Sequence[Any]) -> tuple[dict[str, float], str]:
    """The counts, and the last error."""
    ask = import_string(f"{registry.plugin(slug).name}.{asking()[slug].again}")
    settings = registry.settings_for(shop_id, slug)
    errors: list[str] = []
    watched = dataclasses.replace(version, scorer=_Watched(version.scorer, errors))
    ours, theirs = Drawn(shop_id, settings, instead=watched), Drawn(shop_id, settings)
    for drawn in (theirs, ours):
        _timed(ask, shop_id, decisions[0], drawn, [])  # the first is slow: it fills what is kept in memory
    errors.clear()
    counts: dict[str, float] = dict.fromkeys(COUNTS, 0)
    last = ""
    for number, each in enumerate(decisions):
        found = {}
        failures: list[str] = []
        for drawn in (ours, theirs) if number % 2 else (theirs, ours):
            found[drawn.instead is None] = _timed(ask, shop_id, each, drawn, failures if drawn is ours else [])
        (new, ms), (old, live_ms) = found[False], found[True]
        broken = [*failures, *errors]
        errors.clear()
        if old is None or (new is None and not broken):
            continue  # the decision holds too little, or what is live failed
        counts["asked"] += 1
        if broken or new is None:
            counts["failed"], last = counts["failed"] + 1, broken[-1]
            continue
        one, two = set(new.answer), set(old.answer)
        counts["own"] += new.version_id == version.version_id
        counts["same_first"] += new.answer[:1] == old.answer[:1]
        counts["overlap"] += len(one & two) / len(one | two) if one | two else 1.0
        counts["fallbacks"] += new.fallback
        counts["live_fallbacks"] += old.fallback
        counts["ms"] += ms
        counts["live_ms"] += live_ms
    return counts, last


def _timed(
    ask: Callable[..., Again | None], shop_id: int, decision: Any, drawn: Drawn, failures: list[str]
) -> tuple[Again | None, float]:
    started = time.perf_counter()
    try:
        with transaction.atomic():  # what fails in Postgres leaves the connection usable
            answer = ask(shop_id, decision, drawn)
    except Exception as error:
        failures.append(_words(error))
        return None, 0.0
    return answer, (time.perf_counter() - started) * 1000


def _keep(shadow: Shadow, newest: Any, found: tuple[dict[str, float], str]) -> int:
    """Count, unless another look was quicker."""
    counts, error = found
    shop = shadow.shop_id
    with transaction.atomic():
        mine = Shadow.objects.of(shop).filter(pk=shadow.pk, upto=shadow.upto)
        if not mine.update(upto=newest, **({"error": error[:300]} if error else {})):
            return 0
        day, _made = ShadowDay.objects.of(shop).get_or_create(shop_id=shop, shadow=shadow, day=_today(shadow))
        ShadowDay.objects.of(shop).filter(pk=day.pk).update(**{name: F(name) + n for name, n in counts.items()})
    return int(counts["asked"])


def _today(shadow: Shadow) -> Any:
    now: datetime = timezone.now()
    return now.astimezone(shadow.shop.tz).date()


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


class _Watched:
    """A scorer whose failures are noted: plugins catch them, and answer by the next one."""

    def __init__(self, scorer: Any, errors: list[str]) -> None:
        self._scorer, self._errors = scorer, errors

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._scorer, name)
        if not callable(found):
            return found

        def call(*args: Any, **more: Any) -> Any:
            try:
                return found(*args, **more)
            except Exception as error:
                self._errors.append(_words(error))
                raise

        return call
