"""The report in a real browser and as a real PDF: nothing is asked for, nothing complains, everything can be read."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from fixtures.report.builder import recovery
from recovery.evidence.bundle import seal
from recovery.report.page import write

PHONE, PAPER = 390, 1000


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """HTML and PDF of one sealed incident, in both languages."""
    directory = tmp_path_factory.mktemp("report") / "2026-11-21-01"
    recovery(directory)
    seal(directory)
    return {language: write(directory, language, directory.parent / language) for language in ("zh", "en")}


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """Debian's Chromium without a head, its console and its network written down."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert binary and driver, "Debian's packages chromium and chromium-driver are missing: bin/setup everything"
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


def visit(browser: webdriver.Chrome, page: Path, width: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Open a page at a width; return the console's messages and the addresses that the page asked for."""
    metrics = {"width": width, "height": 1200, "deviceScaleFactor": 1, "mobile": width == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(page.as_uri())
    asked = []
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.append(message["params"]["request"]["url"])
    return browser.get_log("browser"), asked


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("width", [PAPER, PHONE])
def test_the_page_complains_of_nothing_and_asks_for_nothing(
    reports: dict[str, tuple[Path, Path]], browser: webdriver.Chrome, language: str, width: int
) -> None:
    page = reports[language][0]
    console, asked = visit(browser, page, width)
    assert console == []
    assert page.as_uri() in asked
    outside = [address for address in asked if urllib.parse.urlsplit(address).scheme not in ("file", "data")]
    assert outside == []
    assert [address for address in asked if address.startswith("file:")] == [page.as_uri()]


def test_the_watch_over_console_and_network_sees_what_it_should(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """The test above could not fail if nothing were ever seen."""
    page = tmp_path / "bad.html"
    page.write_text("<link rel=icon href=data:,><script>console.error('seen')</script><img src='http://127.0.0.1:9/x.png'>")
    console, asked = visit(browser, page, PAPER)
    assert any("seen" in entry["message"] for entry in console)
    assert "http://127.0.0.1:9/x.png" in asked


@pytest.mark.parametrize("width", [PAPER, PHONE])
def test_the_page_fits_its_width_and_shows_one_drawing_of_each(
    reports: dict[str, tuple[Path, Path]], browser: webdriver.Chrome, width: int
) -> None:
    visit(browser, reports["zh"][0], width)
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    shown = [svg for svg in browser.find_elements(By.CSS_SELECTOR, "figure svg") if svg.is_displayed()]
    assert [svg.get_attribute("class") for svg in shown] == ["narrow" if width == PHONE else "wide"] * 2
    assert all(svg.get_attribute("aria-label") for svg in shown)


def test_headings_go_down_one_level_at_a_time(reports: dict[str, tuple[Path, Path]], browser: webdriver.Chrome) -> None:
    visit(browser, reports["en"][0], PAPER)
    levels = [int(each.tag_name[1]) for each in browser.find_elements(By.CSS_SELECTOR, "h1, h2, h3, h4")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


CONTRAST = """
const light = rgb => { const c = rgb.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]; };
const parts = colour => colour.match(/[\\d.]+/g).map(Number);
const ground = element => { for (let e = element; e; e = e.parentElement) { const c = parts(getComputedStyle(e).backgroundColor);
  if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
const poor = [];
for (const e of document.querySelectorAll('body *:not(svg):not(svg *)')) {
  if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
  const [a, b] = [light(parts(getComputedStyle(e).color).slice(0, 3)), light(ground(e))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) poor.push(e.tagName + '.' + e.className + ' ' + ratio.toFixed(2));
}
return poor;
"""


def test_every_text_has_the_contrast_that_wcag_asks_for(reports: dict[str, tuple[Path, Path]], browser: webdriver.Chrome) -> None:
    visit(browser, reports["zh"][0], PAPER)
    assert browser.execute_script(CONTRAST) == []


@pytest.mark.parametrize(("language", "sentence"), [("zh", "从故障到恢复验证"), ("en", "Fault to proven service")])
def test_the_pdf_can_be_read_and_brings_its_letters(reports: dict[str, tuple[Path, Path]], language: str, sentence: str) -> None:
    printed = reports[language][1]
    text = subprocess.run(["pdftotext", "-layout", str(printed), "-"], capture_output=True, text=True, check=True).stdout
    assert sentence in text
    assert "pgbackrest --stanza=his" in text, "commands are printed as well, though a screen folds them away"
    assert text.count("\f") > 3
    fonts = subprocess.run(["pdffonts", str(printed)], capture_output=True, text=True, check=True).stdout.splitlines()[2:]
    assert fonts and all(line.split()[-5] == "yes" for line in fonts), "a font is not embedded"
    if language == "zh":
        assert any("WenQuanYi" in line or "CJK" in line for line in fonts)


def test_the_command_writes_both_files_and_refuses_in_sentences(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("recovery")), "report"]
    recovery(tmp_path / "incident", finished=False)
    asked = [*command, str(tmp_path / "incident"), "--language", "en", "--timezone", "Asia/Shanghai"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "incident").glob("report.*")} == {"report.html", "report.pdf"}
    refused = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False)
    assert refused.returncode == 64
    assert "holds no journal" in refused.stderr
