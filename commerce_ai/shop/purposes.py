"""What consent is asked for, and what a shop takes silence for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

KEY = "consent"  # in `Shop.settings`


class Purpose(models.TextChoices):
    """What consent is asked for. A shop may keep answers to purposes of its own beside them."""

    ANALYTICS = "analytics", _("analytics")
    PERSONALISATION = "personalisation", _("personalisation")
    ADS = "ads", _("advertising")
    MODEL_TRAINING = "model_training", _("training of models")


class Silence(models.TextChoices):
    """What it means that somebody was not asked, or did not answer."""

    OPT_OUT = "opt_out", _("allowed until refused (opt-out)")
    OPT_IN = "opt_in", _("refused until allowed (opt-in)")


def silences_of(settings: Mapping[str, Any]) -> dict[Purpose, Silence]:
    """What a shop's settings say for each purpose: opt-out where they say nothing."""
    said = settings.get(KEY)
    said = said if isinstance(said, dict) else {}
    return {each: Silence.OPT_IN if said.get(each.value) == Silence.OPT_IN else Silence.OPT_OUT for each in Purpose}


def check_silences(given: Mapping[str, Any]) -> dict[str, str]:
    """`given` as it stands in settings. Raises ValueError for what is no purpose, and for what it can't mean."""
    for name, meaning in given.items():
        if name not in Purpose.values:
            words = {"name": name, "purposes": ", ".join(Purpose.values)}
            raise ValueError(say("%(name)s is no purpose; there are: %(purposes)s") % words)
        if meaning not in Silence.values:
            words = {"name": name, "values": ", ".join(Silence.values)}
            raise ValueError(say("%(name)s is one of: %(values)s") % words)
    return {str(name): str(meaning) for name, meaning in given.items()}
