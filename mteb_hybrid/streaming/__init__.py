"""Corpora larger than memory: read, encoded and ranked chunk by chunk, and gone on with after a kill."""
