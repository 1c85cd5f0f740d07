"""Hard negatives for parallel training data: passages that a model finds close to a query but that do not answer it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from tqdm.auto import tqdm

from mteb_hybrid.errors import OptionError, TrainingDataError
from mteb_hybrid.fingerprint import model_fingerprint
from mteb_hybrid.trainers.data.blocks import regroup
from mteb_hybrid.trainers.data.builders.patterns import by_pattern
from mteb_hybrid.trainers.data.parallel_dataset import ParallelDataset
from mteb_hybrid.trainers.data.texts import Texts
from mteb_hybrid.trainers.mining.folder import MiningFolder
from mteb_hybrid.trainers.mining.languages import Miner, Negatives
from mteb_hybrid.trainers.mining.search import Choice, check_faiss
from mteb_hybrid.trainers.mining.search_pool import COLUMN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from mteb_hybrid.trainers.data.texts import Block

    Ints = NDArray[np.int64]


def mine_parallel_hard_negatives(
    view: ParallelDataset,
    model: SentenceTransformer,
    *,
    pool: Literal["monolingual", "multilingual"] = "monolingual",
    num_negatives: int = 1,
    range_min: int = 0,
    range_max: int = 100,
    absolute_margin: float | None = None,
    relative_margin: float | None = None,
    max_score: float | None = None,
    min_score: float | None = None,
    sampling_strategy: Literal["top", "random"] = "top",
    missing: Literal["random", "drop", "error"] = "random",
    seed: int = 0,
    query_prompt: str | None = None,
    passage_prompt: str | None = None,
    batch_size: int = 32,
    use_faiss: bool = True,
    folder: Path | str | None = None,
    progress: bool = True,
    verbose: bool = False,
) -> ParallelDataset:
    """The same items with hard negatives, columns ``negative`` or ``negative_1``, ``negative_2``, ..., hardest first.

    Sentence-transformers' ``mine_hard_negatives`` searches the passages of the view, and margins, scores and ranks mean
    what they mean there. A negative is never a passage of the query's own item in any language, nor one of an item that
    the view counts as the same, nor one whose text equals one of these. Negatives that the view has are replaced; of
    the mined ones rows of the passages' tables are stored, no texts.

    In a monolingual pool the queries of a language are searched for among the passages of that language. A row's
    negatives are in the language of its passage, found with the query of that language. In a multilingual pool the
    queries of a language are searched for among the passages of all languages. A row's negatives are those of its
    query, in any language, also in one that the view is restricted from later on.

    Queries that are equal in a language are searched for once, and the passages of all their items are positives. Where
    a query has several positives, in a multilingual pool its passage in every language, the margins are below the one
    that is least similar.

    Embeddings of a language (for a multilingual pool of all languages) are held in memory, and by FAISS once more:
    8 x dimension bytes for each different text, and about 100 more for its bookkeeping. Without FAISS up to 1 GiB of
    scores takes the place of the second copy.

    Args:
        view: The items.
        model: Embeds queries and passages.
        pool: Whether passages of the query's language are searched, or of all languages.
        num_negatives: How many for each passage (monolingual) or query (multilingual).
        range_min: The first rank to take negatives from, as in ``mine_hard_negatives``: 10 leaves out the 10 most
            similar ones, which are often right answers that nobody has marked.
        range_max: The rank after the last one.
        absolute_margin: How far the cosine of a negative must be below the positive's.
        relative_margin: The same as a share of the positive's: with 0.05, at most 95 % of it.
        max_score: The highest cosine that a negative may have.
        min_score: The lowest one.
        sampling_strategy: ``top`` takes the most similar passages of the range, ``random`` draws from it.
        missing: What happens where fewer negatives are found than asked for, or there is no query in the language of a
            passage: ``random`` fills up with random passages of the pool, ``drop`` leaves out that passage (in a
            multilingual pool that query), which the item may have in other languages, ``error`` raises. The log says
            how many there were.
        seed: Of all that is drawn.
        query_prompt: Put in front of every query. By default the model's own, as ``model.encode_query`` finds it.
        passage_prompt: Put in front of every passage. By default the model's own, as ``model.encode_document`` finds
            it.
        batch_size: Texts that are encoded at a time.
        use_faiss: Search with FAISS, from ``pip install "mteb-hybrid[faiss]"``.
        folder: Where every finished language is noted; the same call goes on from there. Until their language is
            finished (for a multilingual pool, until all are) embeddings of passages are kept there, too.
        progress: Show a bar of languages, if on a terminal.
        verbose: Show sentence-transformers' own output and bars as well.

    Returns:
        The view with negatives. It has the options of the one that was given.

    Raises:
        TrainingDataError: FAISS is missing, the folder is of other settings, another model or other texts, there is
            nothing to mine from or nothing was found, or negatives are missing where they must not.
        EmbeddingError: The model's embeddings cannot be ranked.
        OptionError: An option is none of those above.
    """
    if pool not in ("monolingual", "multilingual"):
        raise OptionError(f"pool must be 'monolingual' or 'multilingual', not {pool!r}")
    if missing not in ("random", "drop", "error"):
        raise OptionError(f"missing must be 'random', 'drop' or 'error', not {missing!r}")
    choice = Choice(
        num_negatives, range_min, range_max, absolute_margin, relative_margin, max_score, min_score, sampling_strategy,
        seed,
    )  # fmt: skip
    if use_faiss:
        check_faiss()
    prompts = {"query": query_prompt, "passage": passage_prompt}
    key = {
        "pool": pool, **choice.describe(), "query_prompt": query_prompt, "passage_prompt": passage_prompt,
        "model": model_fingerprint(model),
    }  # fmt: skip
    kept = MiningFolder(None if folder is None else Path(folder), key)
    kept.open()
    miner = Miner(view, model, pool, choice, prompts, batch_size, use_faiss, verbose, missing, seed, kept)
    negatives = {}
    bar = tqdm(miner.languages, desc="Mining hard negatives", unit="language", disable=None if progress else True)
    for language in bar:
        bar.set_postfix_str(language)
        negatives[language] = miner.mine(language)
    miner.finish()
    if not any(one.mined for one in negatives.values()):
        raise TrainingDataError(
            f"no item has {num_negatives} hard negatives in any language: widen range_max={range_max}, loosen margins "
            "and scores, or, if no item has a query and a passage in one language, mine with pool='multilingual'"
        )
    return _with_negatives(view, negatives, "query" if pool == "multilingual" else "passage")


def _with_negatives(
    view: ParallelDataset, negatives: Mapping[str, Negatives], by: Literal["query", "passage"]
) -> ParallelDataset:
    """The view with negatives by the language of queries or passages, without what lacks them."""
    starts = view.training_rows.triples.item_start.tolist()
    done = dict.fromkeys(negatives, 0)  # rows of each language that the blocks before this one have used
    blocks: list[Block] = []
    items: list[Ints] = []
    for block, first in zip(view.blocks, starts, strict=False):
        rows = {}
        for language in block.queries if by == "query" else block.passages:
            rows[language] = negatives[language].rows[done[language] : done[language] + block.count]
            done[language] += block.count
        has = {("", language): np.asarray((found >= 0).all(axis=1)) for language, found in rows.items()}
        partial = {column: None if mask.all() else mask for column, mask in has.items()}
        for pattern, members in by_pattern(partial, block.count):
            here = {
                language: tuple(
                    Texts(negatives[language].table, COLUMN, np.ascontiguousarray(one))
                    for one in rows[language][members].T
                )
                for _, language in sorted(pattern)
            }
            if here:
                blocks.append(_block(block, members, here, by))
                items.append(first + members)
    groups = view.training_rows.groups
    return ParallelDataset(
        blocks,
        parallel=view.parallel,
        temperature=view.training_rows.temperature,
        groups=regroup(groups, np.concatenate(items)),
        _evaluation=view.training_rows.evaluation,
        _grouped=True,
    )


def _block(
    block: Block, members: Ints, negatives: Mapping[str, tuple[Texts, ...]], by: Literal["query", "passage"]
) -> Block:
    """The block of some items with their negatives, and in no other languages of what these go by."""
    part = block if len(members) == block.count else block.select(members)
    if by == "query":
        queries = {language: texts for language, texts in part.queries.items() if language in negatives}
        return replace(part, queries=queries, negatives=negatives, negatives_by=by)
    passages = {language: texts for language, texts in part.passages.items() if language in negatives}
    return replace(part, passages=passages, negatives=negatives, negatives_by=by)
