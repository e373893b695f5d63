"""The guide's own words work: its token code signs what we believe, its example bodies are taken."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from commerce_ai import registry
from commerce_ai.api.customer_token import verify
from commerce_ai.api.errors import _CODES
from commerce_ai.shop.models import Shop
from commerce_ai.shop.revision import refresher
from tests.api.conftest import Call

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "integrating.md").read_text()
SECTION = GUIDE.partition("## 5.")[2].partition("## 6.")[0]


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    assert found
    return found[1]


def test_the_python_code_signs_a_token() -> None:
    names: dict = {}
    exec(block("python"), names)
    token = names["customer_token"]("ct_secret", "Kunde ü/1")
    assert verify(["ct_secret"], token).customer_id == "Kunde ü/1"


@pytest.mark.parametrize(
    ("language", "command", "call"),
    [
        ("js", ["node", "--input-type=module", "-e"], 'process.stdout.write(customerToken("ct_secret", "Kunde ü/1"));'),
        ("php", ["php", "-r"], 'echo customer_token("ct_secret", "Kunde ü/1");'),
        ("ruby", ["ruby", "-e"], 'print customer_token("ct_secret", "Kunde ü/1")'),
    ],
)
def test_the_code_of_other_languages_signs_a_token(language: str, command: list[str], call: str) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([*command, block(language) + call], capture_output=True, text=True, check=True)
    assert verify(["ct_secret"], done.stdout).customer_id == "Kunde ü/1"


def test_the_example_bodies_are_taken(call: Call, shop: Shop, secret_key: str, publishable_key: str) -> None:
    products, events, payment = (json.loads(found) for found in re.findall(r"-d '(\{.*?\})'", GUIDE, re.DOTALL))
    registry.switch(shop, "fraud", True)
    refresher.poll()
    assert call("POST", "/api/v1/fraud/score", secret_key, payment).json()["action"] == "allow"
    assert call("POST", "/api/v1/products/bulk", secret_key, products).json()["created"] == 1
    assert call("POST", "/v1/batch", publishable_key, events).json()["stored"] == 1


def test_every_code_of_ours_is_explained() -> None:
    sources = "".join(
        path.read_text() for path in (Path(__file__).resolve().parents[2] / "commerce_ai/api").glob("*.py")
    )
    codes = set(re.findall(r'ApiError\(\s*"(\w+)"', sources)) | set(_CODES.values())
    table = GUIDE.partition("| status |")[2].partition("**Idempotency.**")[0]
    assert {code for code in codes if f"`{code}`" not in table} == set()
