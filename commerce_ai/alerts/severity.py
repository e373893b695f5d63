"""How bad it is, as numbers that sort."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Severity(models.IntegerChoices):
    INFO = 1, _("info")
    WARNING = 2, _("warning")
    CRITICAL = 3, _("critical")

    @classmethod
    def named(cls, name: str) -> Severity:
        """Of ``"warning"`` and the like. Raises ValueError."""
        try:
            return cls[name.upper()]
        except KeyError:
            raise ValueError(f"there is no severity {name!r}; there are info, warning, critical") from None
