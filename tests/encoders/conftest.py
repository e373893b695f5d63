"""The text encoder, exported once for the session, before any test moves VAR_DIR away."""

from __future__ import annotations

from pathlib import Path

import pytest

from commerce_ai.encoders.exporting import exported


@pytest.fixture(scope="session")
def exported_encoder() -> Path:
    return exported()
