"""Corpora larger than memory: read, encoded and ranked chunk by chunk, and gone on with after a kill."""

from mteb_hybrid.streaming.corpus import Corpus
from mteb_hybrid.streaming.passes import CorpusPass, Encoder, Questions
from mteb_hybrid.streaming.progress import Progress

__all__ = ["Corpus", "CorpusPass", "Encoder", "Progress", "Questions"]
