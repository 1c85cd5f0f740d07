"""The card of an exported data set: what the hub reads of it, and what people do."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mteb_hybrid import __version__
from mteb_hybrid.languages import KNOWN_SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mteb.abstasks import AbsTaskRetrieval

# licences of MTEB's that the hub has another name for
_LICENSES = {
    "not specified": "unknown",
    "multiple": "other",
    "msr-la-nc": "other",
    "cc-by-nd-2.1-jp": "other",
}


def dataset_card(
    task: AbsTaskRetrieval, subsets: Mapping[str, Mapping[str, Any]], configs: Sequence[Mapping[str, Any]]
) -> str:
    """The text of ``README.md``: front matter in YAML, then Markdown. Nothing that the task does not say of itself.

    Args:
        task: The task that was exported.
        subsets: Subset to split to data, of what was exported.
        configs: Configurations with their names and files, as the hub reads them.
    """
    from huggingface_hub import DatasetCardData

    metadata = task.metadata
    languages = _languages(task, subsets)
    data = DatasetCardData(
        pretty_name=metadata.name,
        language=languages,
        multilinguality="monolingual" if len(languages) == 1 else "multilingual",
        task_categories=["text-retrieval"],
        tags=["mteb", "text"],
        configs=[dict(config) for config in configs],
        **_license(metadata.license),
    )
    sections = [f"# {metadata.name}", metadata.description]
    if metadata.reference:
        sections.append(f"Reference: <{metadata.reference}>")
    sections += ["## Configurations", _layout(subsets), "## How it was made", _provenance(task)]
    if metadata.bibtex_citation:
        sections += ["## Citation", f"```bibtex\n{metadata.bibtex_citation.strip()}\n```"]
    front = data.to_yaml()
    return "\n\n".join([f"---\n{front}\n---", *sections]) + "\n"


def _layout(subsets: Mapping[str, Mapping[str, Any]]) -> str:
    data = next(iter(next(iter(subsets.values())).values()))
    corpus, queries = (", ".join(f"`{one}`" for one in data[part].column_names) for part in ("corpus", "queries"))
    return (
        f"Each subset has a `corpus` ({corpus}), `queries` ({queries}) and `qrels` (`query-id`, `corpus-id`, `score`), "
        "as MTEB's `RetrievalDatasetLoader` reads them. Configurations with equal rows name the same file."
    )


def _provenance(task: AbsTaskRetrieval) -> str:
    path, revision = task.metadata.dataset["path"], task.metadata.dataset["revision"]
    source = "local data" if Path(path).exists() else f"`{path}`"  # whose folder is nobody's business
    return (
        f"Written by `mteb-hybrid export {task.metadata.name} --layout hub` (mteb-hybrid {__version__}, mteb "
        f"{importlib.metadata.version('mteb')}) from {source}, revision `{revision}`: ids, texts and judgments are "
        "those that the task evaluates."
    )


def _license(name: str | None) -> dict[str, Any]:
    if name is not None and name.startswith("http"):
        return {"license": "other", "license_link": name}
    return {} if name is None else {"license": _LICENSES.get(name, name)}


def _languages(task: AbsTaskRetrieval, subsets: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Codes of ISO 639-3: the languages of the subsets, and of a pool's passages where they say theirs."""
    scripts = task.metadata.hf_subsets_to_langscripts
    found = {code for subset in subsets for code in scripts[subset]}
    corpora = {id(data["corpus"]): data["corpus"] for splits in subsets.values() for data in splits.values()}
    for corpus in corpora.values():
        if "language" in corpus.column_names:
            found |= {KNOWN_SCRIPTS[code] for code in corpus.unique("language") if code in KNOWN_SCRIPTS}
    return sorted({"code" if code.endswith("-Code") else code.partition("-")[0] for code in found})
