"""What is attacked: readers, each with valid inputs and with the way in which hostile ones are made of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import binary_mutations
import mutations
import numpy as np
import readers
import seeds
from mutations import Mutate
from readers import SEPARATOR

from mteb_hybrid.errors import MtebHybridError


@dataclass(frozen=True)
class Target:
    """A reader under attack.

    Attributes:
        run: Reads an input.
        seeds: Valid inputs.
        mutate: Makes hostile ones of them.
    """

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    mutate: Mutate

    @property
    def name(self) -> str:
        """The reader's name."""
        return self.run.__name__

    def read(self, data: bytes) -> bool:
        """Whether the reader took an input; anything but our own errors comes out."""
        try:
            self.run(data)
        except MtebHybridError as error:
            if not str(error).strip():
                raise AssertionError("an error without a message") from error
            return False
        return True

    def case(self, rng: random.Random) -> bytes:
        """One hostile input; the same for the same state of the generator."""
        data = rng.choice(self.seeds)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            data = self.mutate(rng, data)
        return data


def _reports() -> tuple[bytes, ...]:
    parts = [
        seeds.model_meta(),
        *(seeds.result(setting) for setting in ("Monolingual", "CrossLingual", "Multilingual")),
    ]
    return (SEPARATOR.join(map(seeds.dumped, parts)),)


_JSON, _LINES = mutations.mutate_json, mutations.mutate_json_lines
_ALL = (
    Target(readers.lareqa, (seeds.dumped(seeds.lareqa()),), _JSON),
    Target(readers.recipe, seeds.recipes(), mutations.mutate_toml),
    Target(
        readers.recipe_change,
        (b"sampler.alpha=0.4", b"data.0.fraction=0.5", b"training.epochs="),
        mutations.mutate_change,
    ),
    Target(readers.card, (seeds.CARD, seeds.FOLDERS_CARD), mutations.mutate_toml),
    Target(readers.tasks, (seeds.CARD,), mutations.mutate_toml),
    Target(readers.rank_info, (seeds.dumped(seeds.INFO),), _JSON),
    Target(readers.rank_table, (seeds.parquet(),), binary_mutations.mutate_parquet),
    Target(readers.results, (seeds.dumped(seeds.result()), seeds.dumped(seeds.unjudged_result())), _JSON),
    Target(readers.model_meta, (seeds.dumped(seeds.model_meta()),), _JSON),
    Target(readers.report, _reports(), mutations.mutate_parts(_JSON, _JSON, _JSON, _JSON, separator=SEPARATOR)),
    Target(readers.manifest, (seeds.dumped(seeds.manifest()),), _JSON),
    Target(readers.translations, (seeds.lines(seeds.translations()),), _LINES),
    Target(readers.topics, (seeds.topics_file(),), mutations.mutate_table),
    Target(readers.beir_corpus, (seeds.lines(seeds.corpus()),), _LINES),
    Target(readers.beir_queries, (seeds.lines(seeds.queries()),), _LINES),
    Target(readers.beir_judgments, (seeds.QRELS,), mutations.mutate_table),
    Target(
        readers.beir,
        (SEPARATOR.join((seeds.lines(seeds.corpus()), seeds.lines(seeds.queries()), seeds.QRELS)),),
        mutations.mutate_parts(_LINES, _LINES, mutations.mutate_table, separator=SEPARATOR),
    ),
    Target(readers.checkpoint, (seeds.checkpoint(),), binary_mutations.mutate_npz),
    Target(
        readers.anchors,
        (seeds.npz(format=np.int64(2), queries=np.eye(2, dtype=np.float32), relevant=np.eye(2, dtype=np.float32)),),
        binary_mutations.mutate_npz,
    ),
    Target(readers.kept, (seeds.npy(np.ones((3, 2), dtype=np.float32)),), binary_mutations.mutate_npy),
    Target(readers.negatives, (seeds.negatives(),), binary_mutations.mutate_npz),
    Target(readers.model_config, (seeds.dumped(seeds.model_config()),), _JSON),
    Target(readers.modules, (seeds.dumped(seeds.modules()),), _JSON),
    Target(
        readers.training_state,
        (SEPARATOR.join((seeds.dumped(seeds.state()), seeds.dumped({"model": "1", "processes": 1}))),),
        mutations.mutate_parts(_JSON, _JSON, separator=SEPARATOR),
    ),
    Target(readers.triples, (b"1\t2\t3\n1\t2\t4\n5\t6\t7\n",), mutations.mutate_table),
)
TARGETS = {target.name: target for target in _ALL}
