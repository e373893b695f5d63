"""axe-core on the page that a browser shows; what it found is kept beside the pictures, as text and as JSON lines."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT

SHOTS = os.environ.get("SCREENSHOTS")
GRAVE = {"serious", "critical"}
COLOURS = ["color-contrast", "link-in-text-block"]  # all that a change of the theme alone can break
WIDTHS = [*COLOURS, "scrollable-region-focusable"]  # and of the width
RUN = """async ([rules, without]) => {
    const only = rules ? {runOnly: {type: "rule", values: rules}} : {};
    const part = without ? {exclude: [without]} : document;
    const found = await axe.run(part, {resultTypes: ["violations"], preload: false, ...only});
    return found.violations;
}"""


def examine(page: Any, clothes: str, rules: list[str] | None = None, without: str = "") -> list[str]:
    """Grave violations (serious, critical) in words, each with its nodes.

    `clothes` names width and theme; `without` what need not be looked at again, by its selector.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate(RUN, [rules, without])
    where = page.evaluate("location.pathname + location.search")
    if page.url.startswith("http"):
        _report(where, clothes, found)
    return [_words(where, clothes, each) for each in found if each["impact"] in GRAVE]


def _words(where: str, clothes: str, violation: dict[str, Any]) -> str:
    nodes = [
        f"    {' '.join(map(str, node['target']))}: {node['html'][:200]}\n      "
        + "; ".join(each["message"] for kind in ("any", "all", "none") for each in node[kind])
        for node in violation["nodes"][:8]
    ]
    head = f"{where} ({clothes}): {violation['id']}, {violation['impact']}, {len(violation['nodes'])} times"
    return "\n".join([head, f"    {violation['help']} ({violation['helpUrl']})", *nodes])


def _report(where: str, clothes: str, found: list[dict[str, Any]]) -> None:
    """One line a page in axe.txt, the same with nodes in axe.jsonl; appended, as several workers write it."""
    if not SHOTS:
        return
    grave = sum(each["impact"] in GRAVE for each in found)
    rest = ", ".join(f"{each['id']} ({each['impact']}) × {len(each['nodes'])}" for each in found)
    with (Path(SHOTS) / "axe.txt").open("a") as file:
        file.write(f"{clothes:<14} serious or critical: {grave}  {where}  {rest}\n")
    keep = ("id", "impact", "help", "helpUrl")
    said = [
        {name: each[name] for name in keep}
        | {"nodes": [{name: node[name] for name in ("target", "html")} for node in each["nodes"]]}
        for each in found
    ]
    with (Path(SHOTS) / "axe.jsonl").open("a") as file:
        file.write(json.dumps({"page": where, "clothes": clothes, "violations": said}, ensure_ascii=False) + "\n")
