"""What a model says of its personal columns: what each is for, on which legal basis, and how long it is kept.

    class Order(ShopModel):
        ...
        handling = Handling(Basis.CONTRACT, Keep.ERASED)
        personal = {
            "customer": "purchase history",                                       # as the model's `handling` says
            "address_hash": Personal("fraud checks", basis=Basis.INTEREST),       # but for its legal basis
        }
        not_personal = {"carrier": "a firm, not a person"}

`commerce_ai.privacy.register` reads it off every installed model, a plugin's too. It refuses a column that could hold
text of a person and is in neither.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext_lazy as _


class Basis(models.TextChoices):
    """The legal basis of a processing: GDPR, article 6 (1), letters a, b, c and f."""

    CONSENT = "consent", _("consent")
    CONTRACT = "contract", _("contract with the customer")
    OBLIGATION = "obligation", _("legal obligation")
    INTEREST = "interest", _("legitimate interest of the shop")


class Keep(models.TextChoices):
    """How long a column is kept, as the code that lets it go does it."""

    ERASED = "erased", _("until the person is erased")
    MONTHS = "months", _("as many months as the install keeps events")
    PROJECTED = "projected", _("until it is in the person's row, within seconds as a rule")
    SWEPT = "swept", _("until the request is carried out and followed up, within the hour")
    DAY = "day", _("24 hours")
    WEEKS = "weeks", _("40 days")
    ALWAYS = "always", _("for good: it proves that the person was erased")
    ACCOUNT = "account", _("as long as the person works here")


@dataclass(frozen=True)
class Handling:
    """What holds for all personal columns of a model that say nothing else."""

    basis: Basis
    keep: Keep


@dataclass(frozen=True)
class Personal:
    """One personal column that differs from its model's `handling`, of whose JSON only some `paths` are personal, or
    whose numbers are keyed hashes."""

    purpose: str
    basis: Basis | None = None
    keep: Keep | None = None
    paths: tuple[str, ...] = ()
    hashed: bool = False
