"""The admin pages of every table, by the groups of the sidebar."""

from commerce_ai.console.admin import (  # noqa: F401
    access,
    audit,
    decisions,
    goods,
    happenings,
    intake,
    keys,
    learning,
    people,
    privacy,
    published,
    schedules,
    stock,
    webhooks,
    words,
)
