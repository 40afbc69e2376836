"""Pictures of the site, and of any other page: `python docs/tools/pictures.py [PAGE.html …]` writes build/pictures/.

Every page is taken on a desktop, on a phone and in the dark, by a headless Chromium that has no network.
"""

import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build" / "site"
SHOWN = (
    "index.html", "tutorial.html", "digits.html", "what-a-bound-is.html", "which-bound.html", "refusals.html",
    "theory.html", "reference/theorems.html", "reference/command-line.html",
)  # fmt: skip
VIEWS = {"desktop": (1440, 1400, "light"), "phone": (360, 1400, "light"), "dark": (1440, 1400, "dark")}
"""Name → width, height, colours."""


def chromium() -> str:
    """The browser of the machine.

    Raises:
        SystemExit: there is none.
    """
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        raise SystemExit("no Chromium found: apt-get install chromium")
    return found


def take(pages: Iterable[Path], folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Take every page in every view.

    Args:
        pages: HTML files.
        folder: where the pictures go.

    Returns:
        Pictures, and what is wrong with the page there: errors on the console, requests that leave the folder, a page
        wider than the screen.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for page in pages:
            for view in VIEWS:
                picture = folder / f"{page.parent.name}-{page.stem}-{view}.png"
                yield picture, _take(browser, page, view, picture)
        browser.close()


def _take(browser: Browser, page: Path, view: str, picture: Path) -> list[str]:
    width, height, colours = VIEWS[view]
    wrong: list[str] = []
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if colours == "dark" else "light", offline=True
    )
    tab = context.new_page()
    tab.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on(
        "request", lambda asked: None if asked.url.startswith(("file:", "data:", "blob:")) else wrong.append(asked.url)
    )
    tab.goto(page.as_uri())
    tab.wait_for_timeout(300)
    tab.screenshot(path=picture)
    if tab.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        wrong.append(f"wider than {width} pixels")
    context.close()
    return wrong


if __name__ == "__main__":
    chosen = [Path(name).resolve() for name in sys.argv[1:]] or [SITE / name for name in SHOWN]
    for picture, wrong in take(chosen, ROOT / "build" / "pictures"):
        print(picture.relative_to(ROOT), "·", "; ".join(wrong) or "nothing wrong")
