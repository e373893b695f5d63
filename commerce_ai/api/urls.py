"""The core's routes below ``/api/v1/``; plugins bring their own beside them."""

from __future__ import annotations

from typing import Any

urlpatterns: list[Any] = []
