"""From what users have to blocks of items: one file for each form of data."""
