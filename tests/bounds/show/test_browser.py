"""A page in a real browser: silent, alone, readable at every width, in the dark, on paper, by keyboard."""

import os
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from shown import trained

from sparsebounds import bounds

pytestmark = pytest.mark.slow
WIDTHS = (360, 768, 1440)
PLACES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, which is in the extra [dev]")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PLACES)), None)
    if found is None:
        pytest.skip("needs a browser: apt-get install chromium, or CHROMIUM=/path/to/it")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    f, x, y, x_test, y_test = trained()
    table = bounds.table(f, x, y, x_test, y_test, pixel_range=(-1.0, 1.0))
    path = tmp_path_factory.mktemp("page") / "page.html"
    bounds.page({"<b>conv</b> & more": table}, path, title="A page for a test")
    return path


class Opened:
    """The page in one window, drawn, with all that it said and asked for."""

    def __init__(self, browser, path: Path, width: int = 1440, scheme: str = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-drawn]")

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *error: object) -> None:
        self.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_silent_alone_and_no_wider_than_the_window(browser, page: Path, width: int, scheme: str) -> None:
    with Opened(browser, page, width, scheme) as opened:
        assert opened.said == [] and opened.asked == [page.as_uri()]
        for script in ("0", "document.querySelectorAll('details').forEach(one => one.open = true)"):
            opened.page.evaluate(script)
            assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        rows = opened.page.locator("table.bounds tr").evaluate_all("rows => rows.map(row => row.offsetHeight)")
        assert len(rows) > 5 and max(rows) < 90, "no cell is broken letter by letter: two lines of a name at most"
        headline = opened.page.locator("h2").first.bounding_box()
        assert headline["y"] + headline["height"] < 800, "the verdict is on the first screen"
        drawn = opened.page.locator("[data-chart] svg").count()
        assert drawn == opened.page.locator("[data-chart]").count() >= 6


@pytest.mark.parametrize("width", WIDTHS)
def test_no_two_numbers_of_an_axis_touch(browser, page: Path, width: int) -> None:
    shown = "mark => getComputedStyle(mark).opacity > 0 && /^[0-9.,]+$/.test(mark.textContent)"
    boxes = "mark => mark.getBoundingClientRect()).map(box => [box.left, box.right]"
    with Opened(browser, page, width) as opened:
        labels = opened.page.locator("[data-chart$=-values] .role-axis-label text")
        numbers = sorted(labels.evaluate_all(f"marks => marks.filter({shown}).map({boxes})"))
        assert len(numbers) >= 3 and all(right < left for (_, right), (left, _) in pairwise(numbers))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_contrast_names_and_roles(browser, page: Path, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with Opened(browser, page, width, scheme) as opened:
        opened.page.evaluate("document.querySelectorAll('details').forEach((one, i) => one.open = i < 3)")
        found = axe.run(opened.page).response
        assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
        assert any(one["id"] == "color-contrast" for one in found["passes"])


def test_axe_would_see_what_is_wrong(browser, page: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with Opened(browser, page) as opened:
        opened.page.evaluate("document.querySelector('h2').style.color = '#dddddd'")
        assert "color-contrast" in [one["id"] for one in axe.run(opened.page).response["violations"]]


def test_the_dark_page_is_dark_and_its_charts_too(browser, page: Path) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    with Opened(browser, page) as opened:
        assert opened.page.evaluate(ground) == "rgb(255, 255, 255)"
        opened.page.emulate_media(color_scheme="dark")
        opened.page.wait_for_selector("html[data-drawn=dark]")
        assert opened.page.evaluate(ground) == "rgb(20, 24, 30)"
        label = opened.page.locator("[data-chart] svg text").first
        assert label.get_attribute("fill") == "#d6dbe3"


def test_by_keyboard(browser, page: Path) -> None:
    focused = "document.activeElement.textContent.trim()"
    with Opened(browser, page) as opened:
        opened.page.keyboard.press("Tab")
        assert opened.page.evaluate(focused) == "Skip to the verdict"
        opened.page.keyboard.press("Enter")
        assert opened.page.evaluate("document.activeElement.id") == "content"
        name = opened.page.locator("table.bounds a").first
        name.focus()
        opened.page.keyboard.press("Enter")
        details = opened.page.locator("details.factors").first
        details.locator("table").wait_for()
        assert opened.page.evaluate("document.activeElement.tagName") == "SUMMARY"
        opened.page.keyboard.press("Enter")
        assert details.get_attribute("open") is None


def test_printed_with_everything_open(browser, page: Path) -> None:
    with Opened(browser, page) as opened:
        paper = opened.page.pdf(format="A4")
        assert paper.startswith(b"%PDF")
        opened.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert opened.page.locator("details:not([open])").count() == 0


def test_markup_in_a_name_is_text(browser, page: Path) -> None:
    with Opened(browser, page) as opened:
        assert opened.page.locator(".network").inner_text() == "<b>conv</b> & more"
        assert opened.page.locator(".network b").count() == 0
