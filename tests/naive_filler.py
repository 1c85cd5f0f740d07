"""Steps filled place by place, as `StepFiller` defines them, in plain Python and slowly.

What is drawn at random is the same: the language pairs (`Plan.draw`), the stream of a place where collections have a
temperature, and the orders of passes (`Permutation`). How items are put at places shares no code.
"""

from __future__ import annotations

import numpy as np
from textless_data import count_rows

from mteb_hybrid.trainers.sampling import filling
from mteb_hybrid.trainers.sampling.filling import StepFiller
from mteb_hybrid.trainers.sampling.permutation import Permutation


class NaiveStream:
    """Items pass after pass."""

    def __init__(self, items, blocks, seed, start, length):
        self.items, self.blocks, self.seed, self.length = items, blocks, seed, length
        self.cursor = start
        self.waiting = {}  # items that were skipped: by group, the group first that has waited longest
        self.orders = {}

    def at(self, draw):
        number, place = divmod(draw, self.length)
        if number not in self.orders:
            order = Permutation(self.length, (self.seed, number, *self.blocks))
            self.orders[number] = order(np.arange(self.length)).tolist()
        return self.items[(self.orders[number][place] + number * self.length) % len(self.items)]

    def next_free(self, taken, group):
        """The next item whose group is not taken."""
        if all(group[item] in taken for item in self.items):
            return None
        for one, items in self.waiting.items():
            if one not in taken:
                self.waiting = {**self.waiting, one: items[1:]} if items[1:] else without(self.waiting, one)
                return items[0]
        while True:
            item = self.at(self.cursor)
            self.cursor += 1
            if group[item] not in taken:
                return item
            self.waiting.setdefault(group[item], []).append(item)


def without(waiting, group):
    return {one: items for one, items in waiting.items() if one != group}


def naive_steps(shapes, rows, plan, *, places, steps, seed, epoch):
    """The steps of one epoch, each a list of rows of the data set."""
    all_rows = count_rows(shapes)
    number = {(row.item, row.query, row.passage): place for place, row in enumerate(all_rows)}
    languages = rows.triples.languages
    items = sorted({row.item for row in all_rows})
    group = {item: item if rows.groups is None else int(rows.groups[item]) for item in items}
    first_item = np.concatenate([[0], np.cumsum([shape.count for shape in shapes])]).tolist()

    def block_items(blocks):
        return [item for block in blocks for item in range(first_item[block], first_item[block + 1])]

    # one stream for each set of blocks that a pair, or with a temperature a pair in a collection, draws from
    expected: dict[tuple[int, ...], float] = {}
    streams_of: dict[int, list[tuple[int, ...]]] = {}
    for code, share in enumerate(plan.shares):
        if share <= 0:
            continue
        query, passage = (languages[one] for one in plan.pairs[code])
        having = [b for b, shape in enumerate(shapes) if query in shape.queries and passage in shape.passages]
        collections = list(dict.fromkeys(shapes[block].collection for block in having))
        if rows.temperature == 1:
            parts = [tuple(having)]
        else:
            parts = [tuple(block for block in having if shapes[block].collection == one) for one in collections]
        sizes = [len(block_items(part)) ** (1 / rows.temperature) for part in parts]
        for part, size in zip(parts, sizes, strict=True):
            expected[part] = expected.get(part, 0.0) + share * (size / sum(sizes))
        streams_of[code] = parts
    streams = {}
    for blocks, share in expected.items():
        pool = block_items(blocks)
        whole_steps = len(pool) - len(pool) % places
        length = whole_steps if len(expected) == 1 and whole_steps else len(pool)
        start = round(epoch * steps * places * min(1.0, share))
        streams[blocks] = NaiveStream(pool, blocks, seed, start, length)

    drawer = StepFiller(rows, plan, places=places, steps=steps, seed=seed, epoch=epoch)
    assert [stream.pool.blocks for stream in drawer._streams] == list(streams)
    chunk = max(1, filling._CHUNK_PLACES // places)
    found = []
    for part, first in enumerate(range(0, steps, chunk)):
        rng = np.random.default_rng([seed, epoch, part])
        cross, codes = plan.draw(rng, first, min(chunk, steps - first), places)
        drawn = drawer._draw_streams(rng, codes)
        for row in range(len(codes)):
            taken: set[int] = set()
            step = []
            for place in range(places):
                code = int(codes[row, place])
                blocks = list(streams)[int(drawn[row, place])]
                assert blocks in streams_of[code]
                item = streams[blocks].next_free(taken, group)
                if item is None:
                    elsewhere = np.random.default_rng([seed, epoch, first + row, place])
                    for other in [code, *plan.others(elsewhere, bool(cross[row]))]:
                        for blocks in streams_of[other]:
                            item = streams[blocks].next_free(taken, group) if item is None else item
                        if item is not None:
                            code = other
                            break
                taken.add(group[item])
                query, passage = (languages[one] for one in plan.pairs[code])
                triple = number[item, query, passage]
                step.append(triple if rows.order is None else int(rows.order[triple]))
            found.append(step)
    return found
