"""What a trained model's card says about the recipe, beside what sentence-transformers writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mteb_hybrid.citations import HYBRID

if TYPE_CHECKING:
    from pathlib import Path

    from mteb_hybrid.trainers.recipes.reading import Recipe
    from mteb_hybrid.trainers.recipes.run import TrainingSummary


def write_card(path: Path, recipe: Recipe, summary: TrainingSummary) -> None:
    """Put our part before the first section of a card that is there, or write one."""
    card = path.read_text(encoding="utf-8") if path.is_file() else "# Sentence Transformer model\n"
    head, section, rest = card.partition("\n## ")
    path.write_text(f"{head.rstrip()}\n\n{_ours(recipe, summary)}{section}{rest}", encoding="utf-8")


def _ours(recipe: Recipe, summary: TrainingSummary) -> str:
    sampler = recipe.sampler
    items = ", ".join(f"{name} ({count:,} items)" for name, count in summary.items.items())
    held_out = f"; {summary.held_out:,} items held out" if summary.held_out else ""
    steps = f"{summary.trained_steps:,} of {summary.steps:,}"
    if summary.best_step is not None:
        steps += f"; the model is that of step {summary.best_step:,}"
    scores = "".join(f"| {name} | {value:.4f} |\n" for name, value in (summary.metrics or {}).items())
    table = f"\n| Evaluation | |\n|---|---:|\n{scores}" if scores else ""
    return f"""## Hybrid batch training

Trained by `mteb-hybrid train` with [hybrid batches](https://arxiv.org/abs/2408.10536): each batch is monolingual with
probability alpha, else every query has its passage in another language.

- **Base model:** {recipe.model.name}
- **Alpha:** {sampler.alpha:g}{" (mixed languages in monolingual batches)" if sampler.monolingual == "mixed" else ""}
- **Languages:** {", ".join(summary.languages)}
- **Data:** {items}{held_out}
- **Steps:** {steps}
- **Prompts:** `{recipe.model.query_prompt}` before queries, `{recipe.model.passage_prompt}` before passages
{table}
<details><summary>The recipe</summary>

```toml
{recipe.to_toml().strip()}
```
</details>

```bibtex
{HYBRID.strip()}
```
"""
