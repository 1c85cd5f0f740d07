"""What the start-up hook costs a Python that never imports MTEB, and what registration adds to `import mteb`.

    python benchmarks/startup.py [--runs 200] [--imports 7]

Every run is a fresh interpreter. The hook is the one line of our .pth, the imports read from .pyc as at any start.
Imports of MTEB are timed in turn with and without us, in seconds of the CPU, so that other programs count little.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

SCRIPT = """
import sys, time
for name in [name for name in sys.modules if name.startswith("mteb_hybrid")]:
    del sys.modules[name]
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "RegistryFinder"]
started = time.perf_counter()
import mteb_hybrid._autoload; mteb_hybrid._autoload.install()
print(time.perf_counter() - started)
"""

IMPORT = "import time; started = time.process_time(); import mteb; print(time.process_time() - started)"


def hook_seconds() -> float:
    """Seconds that the hook takes in a fresh interpreter."""
    return float(subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout)


def import_seconds(switch: str) -> float:
    """CPU seconds of `import mteb` in a fresh interpreter, with us (1) or without (0)."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORT], env={**os.environ, "MTEB_HYBRID_AUTOLOAD": switch},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--imports", type=int, default=7, help="imports of MTEB of each kind")
    options = parser.parse_args()
    runs = options.runs
    seconds = sorted(hook_seconds() for _ in range(runs))
    median, late = statistics.median(seconds) * 1e3, seconds[int(runs * 0.95)] * 1e3
    python = sys.version.split()[0]
    print(f"hook: median {median:.3f} ms, 95th percentile {late:.3f} ms ({runs} interpreters, Python {python})")
    without, with_us = zip(*([import_seconds(switch) for switch in "01"] for _ in range(options.imports)), strict=True)
    one, other = statistics.median(without), statistics.median(with_us)
    ratio = other / one
    print(f"import mteb: {one:.2f} s, with us {other:.2f} s: {ratio:.3f} times (medians of {options.imports})")


if __name__ == "__main__":
    main()
