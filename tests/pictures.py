"""The pictures of README, taken of a running demo: `make demo` in one terminal, `make pictures` in another.

Two of the console as its operator sees it: the first page, and an experiment in the dark.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--address", default="http://127.0.0.1:8000")
    asked.add_argument("--var", type=Path, default=Path("var"), help="the demo's folder, where its operator stands")
    asked.add_argument("--to", type=Path, default=Path("docs/images"))
    given = asked.parse_args()
    operator = json.loads((given.var / "demo.json").read_text())
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, size, theme, link in (
            ("", (1440, 900), "light", "Figures over time"),  # only counted anew, for the first page
            ("experiment", (1440, 950), "dark", "Recommendations against bestsellers"),
            ("overview", (1440, 950), "light", ""),
        ):
            screen = {"width": size[0], "height": size[1]}
            page = browser.new_page(viewport=screen, color_scheme=theme, reduced_motion="reduce")
            _sign_in(page, given.address, operator)
            if link:
                page.goto(f"{given.address}/console/experiments/")
                page.get_by_role("link", name=link).first.click()
                page.get_by_role("button", name="Count anew").click()
                page.wait_for_load_state("load")
            if not name:
                continue
            page.wait_for_load_state("networkidle")
            page.screenshot(path=str(given.to / f"{name}.png"))
            print(given.to / f"{name}.png")
        browser.close()


def _sign_in(page: Page, address: str, operator: dict[str, str]) -> None:
    page.goto(f"{address}/console/")
    page.get_by_label("Username").fill(operator["operator"])
    page.get_by_label("Password").fill(operator["password"])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/console/")


if __name__ == "__main__":
    main()
