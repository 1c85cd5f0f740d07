"""The loss of hybrid training."""
