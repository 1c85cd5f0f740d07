"""What the names of our tasks say: ``XQuADRMonolingual`` is a collection in a setting."""

from __future__ import annotations

import re

SETTINGS = ("Monolingual", "CrossLingual", "Multilingual")
"""The three settings of arXiv 2408.10536, section 3.2, as tasks are named by them."""
# family, setting, and which data of the family: XQuADRMonolingual, MIRACLMonolingualHardNegatives
_TASK = re.compile(rf"(?P<family>\w+?)(?P<setting>{'|'.join(SETTINGS)})(?P<data>HardNegatives)?")


def parse_task(name: str) -> tuple[str, str] | None:
    """Collection and setting of a task of ours by its name, such as ("XQuADR", "Monolingual"); None for another."""
    match = _TASK.fullmatch(name)
    return (match["family"] + (match["data"] or ""), match["setting"]) if match else None
