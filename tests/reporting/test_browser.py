"""The page in headless Chromium: it fits, shows the JSON's numbers, can be used without a mouse, and asks for nothing.

Needs Chromium and its driver: Debian's packages chromium and chromium-driver, or what MTEB_HYBRID_TEST_BROWSER and
MTEB_HYBRID_TEST_DRIVER name.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil

import pytest

from mteb_hybrid.reporting import ModelSummary
from mteb_hybrid.reporting.colours import luminance
from mteb_hybrid.reporting.differences import read_differences
from mteb_hybrid.reporting.formats import records
from mteb_hybrid.reporting.page import html

BROWSER = os.environ.get("MTEB_HYBRID_TEST_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = os.environ.get("MTEB_HYBRID_TEST_DRIVER") or shutil.which("chromedriver")
pytestmark = pytest.mark.slow
QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--force-color-profile=srgb",
)  # fmt: skip
MIRACL = ("ar", "bn", "de", "en", "es", "fa", "fi", "fr", "hi", "id", "ja", "ko", "ru", "sw", "te", "th", "yo", "zh")
# what sticks out of the window, unless it lies in a region that scrolls by itself
STICKING_OUT = """
const wide = document.documentElement.clientWidth;
return [...document.querySelectorAll("body *")].filter(element => {
  if (element.closest(".hidden, .skip")) return false;
  const region = element.parentElement.closest(".scroll");
  return !region && element.getBoundingClientRect().right > wide + 1;
}).map(element => element.outerHTML.slice(0, 120));
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium, driven."""
    if BROWSER is None or DRIVER is None:
        pytest.skip("Chromium and its driver are not installed: Debian's packages chromium and chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in (*QUIET, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(executable_path=DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def pages(runs, summaries, tmp_path_factory):
    """A page of two models with everything, one of the 18 languages of MIRACL, and one of a model with long names."""
    folder = tmp_path_factory.mktemp("pages")
    comparisons = read_differences(summaries, [runs], draws=200)
    trained_on = dict.fromkeys((one.model for one in summaries), ("de", "en"))
    crossed = {f"{a}-{b}": {"map": 0.1 * (1 + len(a + b))} for a in MIRACL for b in MIRACL if a != b}
    pooled = {one: {"map": 0.5, **{f"mean_rank_{other}": 9.0 for other in MIRACL}} for one in MIRACL}
    many = ModelSummary("a/b", "r", "MIRACL", {"CrossLingual": crossed, "Multilingual": pooled})
    long = ModelSummary(
        "organisation/" + "averyveryverylongname" * 6, "r", "XQuADR", {"Monolingual": {"de": {"map": 1}}}
    )
    for name, text in (
        ("full", html(summaries, comparisons=comparisons, trained_on=trained_on)),
        ("many", html([many])),
        ("long", html([long])),
    ):
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return folder


def show(browser, page, width=1600, dark=False):
    """Open a page in a window of so many pixels."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    browser.get(page.as_uri())


@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("name", ["full", "many", "long"])
def test_nothing_overflows(browser, pages, name, width):
    """The window does not scroll sideways, and nothing sticks out of it; wide tables scroll in regions of their own."""
    show(browser, pages / f"{name}.html", width)
    assert browser.execute_script("return window.innerWidth") == width
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(STICKING_OUT) == []
    spilling = (
        "return [...document.querySelectorAll('.scroll')].filter(e => e.getBoundingClientRect().right > innerWidth)"
    )
    assert browser.execute_script(f"{spilling}.length") == 0


def test_the_check_for_overflow_sees_overflow(browser, pages):
    """A block that is too wide is found by both checks."""
    show(browser, pages / "full.html", 400)
    browser.execute_script("document.querySelector('header').style.width = '900px'")
    assert browser.execute_script("return document.documentElement.scrollWidth") > 400
    assert browser.execute_script(STICKING_OUT)


def test_numbers_equal_those_of_the_json(browser, pages, summaries):
    """Every record of the JSON report is on the screen, as the table of its setting and language has it."""
    show(browser, pages / "full.html")
    rows = browser.execute_script("""
        return [...document.querySelectorAll("table.scores")].flatMap(table => {
            const headings = [...table.tHead.rows[0].cells].map(cell => cell.innerText);
            return [...table.tBodies[0].rows].flatMap(row => [...row.cells].map((cell, column) => [
                table.caption.innerText, row.cells[0].innerText, headings[column], cell.innerText]));
        })""")
    shown = {(title, row.split()[0], heading): text.split()[0] for title, row, heading, text in rows}
    headings = {
        ("Monolingual", "map"): "Mo. mAP", ("CrossLingual", "map"): "Cr. mAP", ("Multilingual", "map"): "Mul. mAP",
        ("Monolingual", "recall_at_1"): "Mo. R@1", ("CrossLingual", "recall_at_1"): "Cr. R@1",
        ("Multilingual", "recall_at_10"): "Mul. R@10", ("Multilingual", "rank_distance"): "Rank distance",
    }  # fmt: skip
    checked = 0
    for record in records(summaries):
        model, language = record["model"], record["query_language"]
        heading = headings.get((record["setting"], record["score"]))
        if heading is None:
            text = shown["MiniQAR: language bias in the pool", record["score"], model]
        elif language:
            text = shown[f"{model} on MiniQAR, by query language", language, heading]
        else:
            text = shown["MiniQAR: macro-average over subsets", model.split()[0], heading]
        places = len(text.partition(".")[2])
        assert float(text.replace(",", "")) == pytest.approx(record["value"], abs=0.51 * 10**-places)
        checked += 1
    assert checked > 100
    assert browser.execute_script("return JSON.parse(document.getElementById('records').textContent).length") == checked


def test_heat_map_by_mouse_and_keyboard(browser, pages):
    """The full value is written under the map for the cell that is pointed at, or reached by arrow keys."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    show(browser, pages / "full.html")
    figure = browser.find_element(By.TAG_NAME, "figure")
    output = figure.find_element(By.TAG_NAME, "output")
    cells = figure.find_elements(By.CSS_SELECTOR, "td[data-name]")
    assert len(cells) == 6 * 5 + 11
    ActionChains(browser).move_to_element(cells[13]).perform()
    assert output.text == cells[13].get_attribute("data-name")
    assert [cell.get_attribute("tabindex") for cell in cells].count("0") == 1  # one tab stop for each map
    browser.execute_script("arguments[0].focus()", cells[0])
    ActionChains(browser).send_keys(Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT).perform()
    assert browser.switch_to.active_element.get_attribute("data-name") == output.text
    assert output.text.startswith("German to Greek: 0.")
    ActionChains(browser).send_keys(Keys.ARROW_UP, Keys.ARROW_UP).perform()  # stays at the edge
    assert output.text.startswith("Arabic to Greek: 0.")
    ActionChains(browser).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT).perform()  # over what was not run
    assert output.text.startswith("Arabic to Thai: 0.")
    assert [cell.get_attribute("tabindex") for cell in cells].count("0") == 1


@pytest.mark.parametrize("dark", [False, True])
def test_colours_follow_the_system_and_the_button(browser, pages, dark):
    """Text can be read on its background (contrast of at least 4.5) in both; the button changes one for the other."""
    from selenium.webdriver.common.by import By

    show(browser, pages / "full.html", dark=dark)
    assert is_dark(browser) == dark
    assert worst_contrast(browser) >= 4.5
    button = browser.find_element(By.ID, "theme")
    assert button.text == ("Light colours" if dark else "Dark colours")
    button.click()
    assert is_dark(browser) != dark
    assert worst_contrast(browser) >= 4.5


def is_dark(browser) -> bool:
    colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    return sum(int(channel) for channel in colour.removeprefix("rgb(").rstrip(")").split(",")) < 3 * 128


def worst_contrast(browser) -> float:
    """The least WCAG contrast of any text with what is painted behind it."""
    texts = browser.execute_script("""
        const painted = element => {
            for (let at = element; at; at = at.parentElement) {
                const colour = getComputedStyle(at).backgroundColor;
                if (colour !== "rgba(0, 0, 0, 0)") return colour;
            }
            return "rgb(255, 255, 255)";
        };
        return [...document.querySelectorAll("body *:not(script):not(style)")]
            .filter(element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
            .map(element => [getComputedStyle(element).color, painted(element)]);""")
    assert len(texts) > 400

    def light(colour: str) -> float:
        return luminance("#{:02x}{:02x}{:02x}".format(*map(int, re.findall(r"\d+", colour)[:3])))

    pairs = (sorted(map(light, pair)) for pair in {tuple(pair) for pair in texts})
    return min((high + 0.05) / (low + 0.05) for low, high in pairs)


def test_nothing_is_asked_of_the_network_and_nothing_fails(browser, pages):
    """No request but for the page itself, no error in the console."""
    browser.get_log("performance"), browser.get_log("browser")
    show(browser, pages / "full.html")
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {one["params"]["request"]["url"] for one in sent if one["method"] == "Network.requestWillBeSent"}
    assert {address for address in asked if not address.startswith("data:")} == {(pages / "full.html").as_uri()}
    assert browser.get_log("browser") == []


def test_without_scripts(browser, pages):
    """All numbers are there, and values on pointing too; only the button is not."""
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show(browser, pages / "full.html")
        from selenium.webdriver.common.by import By

        assert not browser.find_element(By.ID, "theme").is_displayed()
        cell = browser.find_element(By.CSS_SELECTOR, "td[data-name]")
        assert cell.is_displayed()
        assert cell.get_attribute("title") == cell.get_attribute("data-name")
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_print(browser, pages):
    """A PDF of some pages, in dark paper on no account."""
    show(browser, pages / "full.html", dark=True)
    printed = browser.execute_cdp_cmd(
        "Page.printToPDF", {"printBackground": True, "paperWidth": 8.27, "paperHeight": 11.7}
    )
    content = base64.b64decode(printed["data"])
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page\n") >= 2
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not is_dark(browser)
