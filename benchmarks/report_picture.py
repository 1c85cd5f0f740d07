"""The picture of the report page in the README: what `mteb-hybrid report` shows of two models on MiniQA-R.

    python benchmarks/report_picture.py [--output docs/images/report.png]

Neither model is downloaded. Needs the extra `test` (selenium), Chromium and its driver, and, for the names of languages
in their own scripts, fonts: Debian's packages chromium, chromium-driver, fonts-noto-core and fonts-noto-cjk.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from selenium import webdriver

from mteb_hybrid.atomic import atomic_path

OUTPUT = Path(__file__).parents[1] / "docs" / "images" / "report.png"
MODELS = ("mteb-hybrid/char-ngram", "mteb/baseline-random-encoder")
TASKS = ("MiniQARMonolingual", "MiniQARCrossLingual", "MiniQARMultilingual")
WIDTH = 1540


def make_page(folder: Path) -> Path:
    """Run both models and write the page, as a user does."""
    programs = Path(sys.executable).parent
    page = folder / "report.html"
    for model in MODELS:
        subprocess.run(
            [programs / "mteb", "run", "-m", model, "-t", *TASKS, "--output-folder", folder / "results",
             "--prediction-folder", folder / "results" / "tables", "--verbosity", "1"],
            check=True,
        )  # fmt: skip
    subprocess.run([programs / "mteb-hybrid", "report", folder / "results", "--output", page], check=True)
    return page


def picture(page: Path) -> Image.Image:
    """The page from its top to the end of the heat maps."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars", "--force-color-profile=srgb"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options, webdriver.ChromeService(executable_path=shutil.which("chromedriver")))
    try:
        size = {"width": WIDTH, "height": 4000, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(page.as_uri())
        bottom = driver.execute_script("return document.querySelector('.maps').getBoundingClientRect().bottom")
        shot = Image.open(io.BytesIO(driver.get_screenshot_as_png()))
    finally:
        driver.quit()
    top = shot.convert("RGB").crop((0, 0, WIDTH, round(bottom)))
    return top.quantize(256, method=Image.Quantize.FASTOCTREE)  # the method that keeps the scale of colours smooth


def main() -> None:
    """Make the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = picture(make_page(Path(folder)))
    with atomic_path(options.output) as temporary:
        found.save(temporary, format="PNG", optimize=True)


if __name__ == "__main__":
    main()
