"""The report in a real browser: every picture loads, nothing leaves the file, nothing overflows."""

from __future__ import annotations

import base64
import itertools
import shutil
from pathlib import Path

import pytest
import toy
from report_case import report, subject
from test_report import HOSTILE, hostile_report

from neurodiffuse import builtin, pipeline
from neurodiffuse.config import resolve
from neurodiffuse.plugins import Registry
from neurodiffuse.report import build
from neurodiffuse.run import Run, opened

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver")
    if not CHROMIUM or not DRIVER:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    people = (subject("01", n=14), *(subject(x, n=3, with_brain=False) for x in ("02", "03")))
    cases = {
        "one": report(),
        "three": report(*people),
        "one-image": report(subject(n=1, with_brain=False, scores=()), created=""),
        "hostile": hostile_report(),
    }
    pages = {name: _written(folder / f"{name}.html", data) for name, data in cases.items()}
    return pages | {"decoded": _decoded(folder / "run")}


def _decoded(path: Path) -> str:
    """Decode the toys of the core's tests and return the page that the report step wrote."""
    registry = Registry([("builtin", builtin), ("toy", toy)])
    config = resolve(registry, dataset="toy", subjects=("1", "2"), recipe="toy")
    run = Run(path, *_opened(config, registry), quiet=True)
    with opened(run):
        pipeline.execute(run)
    return (path / "report.html").as_uri()


def _opened(config, registry):
    config, dataset = pipeline.open_subjects(config, registry)
    return config, registry, dataset


def _written(path: Path, data) -> str:
    path.write_text(build(data), encoding="utf-8")
    return path.as_uri()


def shown(browser, address, *, width=1280, theme="light"):
    """Open a page at a width and in a theme, its folded parts unfolded."""
    browser.get_log("browser")
    browser.get_log("performance")
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(address)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")


def js(browser, code):
    return browser.execute_script(f"return {code}")


CASES = ["one", "three", "one-image", "hostile", "decoded"]


@pytest.mark.parametrize("case", CASES)
def test_every_picture_loads_and_the_console_is_silent(browser, pages, case):
    shown(browser, pages[case])
    broken = js(
        browser,
        "[...document.images].filter(i => !(i.complete && i.naturalWidth > 0)).map(i => i.alt)",
    )
    assert js(browser, "document.images.length") > 2
    assert broken == []
    assert browser.get_log("browser") == []


def test_nothing_but_the_file_is_asked_for(browser, pages):
    shown(browser, pages["one"])
    messages = "".join(entry["message"] for entry in browser.get_log("performance"))
    assert "Network.requestWillBeSent" in messages
    for scheme in ("http:", "https:", "ws:", "ftp:"):
        assert f'"url":"{scheme}' not in messages
    asked = js(browser, "performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in asked if not name.startswith("data:")] == []


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("width", [360, 700, 1280])
def test_page_does_not_scroll_sideways(browser, pages, case, width):
    shown(browser, pages[case], width=width)
    assert js(browser, "document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [360, 1280])
def test_seen_stands_above_its_reconstruction(browser, pages, width):
    shown(browser, pages["one"], width=width)
    first = "[...document.querySelector('.pair').querySelectorAll('img')]"
    boxes = js(browser, f"{first}.map(i => i.getBoundingClientRect().toJSON())")
    assert len(boxes) == 4
    assert len({round(box["left"]) for box in boxes}) == 1
    for above, below in itertools.pairwise(boxes):
        assert above["bottom"] <= below["top"]
        assert below["width"] == pytest.approx(above["width"], abs=0.5)


@pytest.mark.parametrize("width", [360, 1280])
def test_grid_is_on_the_first_screen(browser, pages, width):
    shown(browser, pages["one"], width=width)
    assert js(browser, "document.querySelector('.pair img').getBoundingClientRect().top") < 640


def test_light_and_dark_follow_the_reader(browser, pages):
    seen = {}
    for theme in ("light", "dark"):
        shown(browser, pages["one"], theme=theme)
        colour = js(browser, "getComputedStyle(document.body).backgroundColor")
        seen[theme] = sum(int(v) for v in colour[4:-1].split(","))
    assert seen["light"] > 700
    assert seen["dark"] < 120


def test_enlarging_shows_the_pair_and_escape_closes_it(browser, pages):
    from selenium.webdriver.common.keys import Keys

    shown(browser, pages["one"])
    browser.execute_script("document.querySelector('.pair .enlarge').click()")
    assert js(browser, "document.querySelector('dialog').open")
    assert js(browser, "document.querySelectorAll('dialog img').length") == 4
    text = browser.find_element("css selector", "dialog p").text
    assert "Rank 1 of 16" in text
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not js(browser, "document.querySelector('dialog').open")


def test_hostile_text_is_text_in_the_enlarged_view_too(browser, pages):
    shown(browser, pages["hostile"])
    browser.execute_script("document.querySelector('.pair .enlarge').click()")
    assert HOSTILE in browser.find_element("css selector", "dialog p").text
    assert js(browser, "document.querySelectorAll('dialog script').length") == 0
    assert browser.get_log("browser") == []


def test_printed_grid_is_not_cut(browser, pages):
    shown(browser, pages["one"], width=703)  # A4 less the margins of @page
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    edges = js(
        browser,
        "[...document.querySelectorAll('img, table, svg.chart, pre')]"
        ".map(e => e.getBoundingClientRect().right)",
    )
    assert max(edges) <= 703
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert base64.b64decode(printed["data"]).count(b"/Type /Page\n") >= 3
