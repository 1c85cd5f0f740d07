"""Which rows make a batch: X-X, X-Y and hybrid batches, none with an item twice."""
