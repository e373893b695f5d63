"""What the shop itself wants to be answered to an intent."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop as later

from commerce_ai.shop.models.tenancy import ShopModel
from plugins.support import phrasing

# Answers that suit most shops, until a shop writes its own: the first whose slots can all be filled.
DEFAULTS = {
    "where_is_my_order": (
        later("Your order {order} of {order_date} was given to {carrier} as {tracking}. Its state: {order_status}."),
        later("Your order {order} of {order_date} is in this state: {order_status}."),
    ),
    "refund_status": (later("For your order {order} {refund} were refunded."),),
}


class AnswerTemplate(ShopModel):
    """The answer to one intent. Slots in braces are filled with facts; without them the template is passed over."""

    intent = models.CharField(_("intent"), max_length=255)
    text = models.TextField(
        _("answer"),
        help_text=_(
            "Slots: {shop}, {order}, {order_status}, {order_date}, {order_total}, {tracking}, {carrier}, {refund}."
        ),
    )
    active = models.BooleanField(_("active"), default=True)
    updated_at = models.DateTimeField(_("changed at"), auto_now=True)

    not_personal = {"intent": "a name of the shop's", "text": "written by the shop for everybody"}

    class Meta:
        verbose_name, verbose_name_plural = _("answer template"), _("answer templates")
        constraints = [models.UniqueConstraint(fields=["shop", "intent"], name="support_answertemplate_once")]

    def __str__(self) -> str:
        return self.intent

    def clean(self) -> None:
        if unknown := phrasing.unknown_slots(self.text):
            words: Any = _("There is no slot {%(name)s}.") % {"name": unknown[0]}
            raise ValidationError({"text": words})
