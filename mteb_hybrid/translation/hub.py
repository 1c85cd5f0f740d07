"""Where translations are: a folder, or a data set repository on the hub at a pinned commit."""

from __future__ import annotations

import re
from pathlib import Path

from mteb_hybrid.errors import TranslationError
from mteb_hybrid.file_names import is_folder, user_path
from mteb_hybrid.translation.folder import TRANSLATIONS_VARIABLE
from mteb_hybrid.translation.manifest import MANIFEST

SCHEME = "hf://"
_PINNED = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)@(?P<revision>[0-9a-f]{40})")
_FORM = "hf://OWNER/NAME@COMMIT, COMMIT being all 40 hex digits"


def resolve(location: str) -> Path:
    """The translation folder of a location; what is on the hub is fetched into the hub's cache, once.

    Args:
        location: Path of a folder, or ``hf://owner/name@<40 hex digits>``: a data set repository with a translation
            folder at its top, at a commit. A branch or a tag is refused, for it may say something else tomorrow.

    Raises:
        TranslationError: It is neither, or the hub does not have it or cannot be reached; the message names the address
            and what to do.
    """
    if not location.startswith(SCHEME):
        folder = user_path(location)
        if not is_folder(folder):
            raise TranslationError(
                f"{location} is no folder. Translations ({TRANSLATIONS_VARIABLE}) must be a folder or {_FORM}"
            )
        return folder
    pinned = _PINNED.fullmatch(location)
    if pinned is None:
        raise TranslationError(f"{location} is not pinned: write it as {_FORM}")
    from huggingface_hub import constants, snapshot_download

    try:
        fetched = snapshot_download(
            pinned["repository"],
            repo_type="dataset",
            revision=pinned["revision"],
            allow_patterns=[MANIFEST, "*.jsonl"],
        )
    except Exception as error:  # errors of three HTTP libraries, by version of the hub's client, without a common base
        address = f"{constants.ENDPOINT}/datasets/{pinned['repository']}/tree/{pinned['revision']}"
        raise TranslationError(
            f"{address} could not be fetched: {type(error).__name__}: {' '.join(str(error).split())}. Check the name, "
            f"the commit, the network and, for a private repository, `hf auth login`; or download the files by hand "
            f"and set {TRANSLATIONS_VARIABLE} to their folder"
        ) from error
    return Path(fetched)
