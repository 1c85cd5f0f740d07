"""Do the tests notice a fault? ``python tests/mutation/mutate.py --group metrics``.

Every mutant (mutants.py) of a group's modules is tried (trials.py): whatever does not end well in time is killed, a
fault that was noticed. Mutants that survive must be in explained.toml, which says why nothing can be seen of them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from mutants import mutants
from mutation_log import Fate, Record, write_log
from trials import Group, Laboratory

GROUPS = {
    "metrics": Group(("metrics/*.py",), ("metrics/test_*.py",)),
    "losses": Group(
        ("trainers/losses/*.py",),
        tuple(f"trainers/test_{name}.py" for name in ("contrast", "gather", "objective", "loss*")),
    ),
    "sampling": Group(
        ("trainers/sampling/*.py",),
        tuple(
            f"trainers/test_{name}.py" for name in ("permutation", "plan", "streams", "ahead", "filling", "sampler*")
        ),
    ),
    "ranking": Group(
        tuple(
            f"{name}.py"
            for name in ("ranking", "above", "top_lists", "exact", "counted", "arrays", "vectors", "threads")
        ),
        tuple(f"test_{name}.py" for name in ("above", "exact", "counted", "ranking*", "threads", "top_lists")),
    ),
}


def main() -> None:
    """Try the mutants of some groups; a line for each that survives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--group", action="append", choices=GROUPS, help="repeatable. Default: all")
    parser.add_argument("--module", default="", help="only modules whose path has this in it")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants of each group, drawn; 0 for all")
    parser.add_argument("--seed", type=int, default=0, help="the same one draws the same mutants")
    parser.add_argument("--fates", type=_absolute, help="file for what became of each; who is in it is not tried again")
    parser.add_argument("--again", action="store_true", help="but those that survived are, after a new test")
    parser.add_argument("--log", type=_absolute, help="file that is written about it, in Markdown")
    options = parser.parse_args()
    known = _known(options.fates, again=options.again)
    records = []
    for name in options.group or GROUPS:
        records.append(_try_group(name, options, known))
        print(records[-1].summary(), flush=True)
    if options.log is not None:
        write_log(options.log, records, options)
    sys.exit(any(record.unexplained for record in records))


def _absolute(path: str) -> Path:
    """A path that is the same after this process has gone to another folder."""
    return Path(path).absolute()


def _try_group(name: str, options: argparse.Namespace, known: dict[str, Fate]) -> Record:
    """Try the mutants of one group."""
    with tempfile.TemporaryDirectory(prefix="mteb-hybrid-mutants-") as place:
        laboratory = Laboratory(GROUPS[name], Path(place))
        there = [(module, mutant) for module in laboratory.modules() for mutant in mutants(laboratory.source(module))]
        drawn = [one for one in there if options.module in one[0]]
        if 0 < options.sample < len(drawn):
            places = list(range(len(drawn)))
            random.Random(f"{name} {options.seed}").shuffle(places)  # so that a larger sample has a smaller one in it
            drawn = [drawn[place] for place in sorted(places[: options.sample])]
        record = Record(name, len(there))
        if any(f"{module}: {mutant}" not in known for module, mutant in drawn):
            laboratory.warm_up()
        print(f"{name}: {len(drawn)} of {len(there)} mutants, tests of {laboratory.seconds:.0f} s", flush=True)
        for module, mutant in drawn:
            fate = known.get(f"{module}: {mutant}")
            if fate is None:
                begun = time.monotonic()
                killer = laboratory.try_out(module, mutant)
                fate = Fate(module, mutant.line, str(mutant), killer, round(time.monotonic() - begun, 2))
                _note(options.fates, fate)
            record.add(fate)
            if not fate.killer:
                print(f"  {fate.module}:{fate.line}: {fate.change}", flush=True)
        os.chdir("/")  # the folder goes
        sys.path.remove(place)
    return record


def _note(path: Path | None, fate: Fate) -> None:
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(fate), ensure_ascii=False) + "\n")


def _known(path: Path | None, *, again: bool) -> dict[str, Fate]:
    """What became of mutants in an earlier run, where that is to stand."""
    if path is None or not path.exists():
        return {}
    fates = [Fate(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    return {f"{fate.module}: {fate.change}": fate for fate in fates if fate.killer or not again}


if __name__ == "__main__":
    main()
