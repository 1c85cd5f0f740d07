"""What the start-up hook costs a Python that never imports MTEB.

    python benchmarks/startup.py [--runs 200]

Every run is a fresh interpreter that times the one line of our .pth, the imports read from .pyc as at any start.
"""

from __future__ import annotations

import argparse
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


def hook_seconds() -> float:
    """Seconds that the hook takes in a fresh interpreter."""
    return float(subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    seconds = sorted(hook_seconds() for _ in range(runs))
    median, late = statistics.median(seconds) * 1e3, seconds[int(runs * 0.95)] * 1e3
    python = sys.version.split()[0]
    print(f"hook: median {median:.3f} ms, 95th percentile {late:.3f} ms ({runs} interpreters, Python {python})")


if __name__ == "__main__":
    main()
