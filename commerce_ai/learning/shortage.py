"""Too few facts, said the same way by every learner: what is needed, what is there, and what brings more."""

from __future__ import annotations

from typing import Any

from commerce_ai.learning.learner import NotEnoughData


def short_of(needed: Any, there: Any, remedy: str) -> NotEnoughData:
    """To be raised: ``needs at least 16 weeks of sales; there are 2. Load earlier orders.``

    `needed` and `there` are in the reader's language and count the same things in the same order; `remedy` is a
    sentence: what to do, or what to wait for.
    """
    words = say("needs at least %(needed)s; there are %(there)s. %(remedy)s")
    return NotEnoughData(words % {"needed": needed, "there": there, "remedy": remedy})


def say(words: str) -> str:
    """In the reader's language, where Django is set up; learners are loaded without it."""
    from django.conf import settings
    from django.utils.translation import gettext

    return gettext(words) if settings.configured else words
