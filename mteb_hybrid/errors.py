"""Every exception that this package raises on purpose.

::

    MtebHybridError
    ├── CollectionError (ValueError)       a collection's file is missing, damaged or inconsistent
    │   └── DownloadError                  a collection's file could not be fetched
    ├── CardError (ValueError)             a card of a user's own collection is wrong
    ├── EmbeddingError (ValueError)        a model returned embeddings that cannot be ranked
    ├── FaissError (ValueError)            a search with FAISS cannot be, or would not be told from an exact one
    ├── ModelDirectoryError (ValueError)   a local model directory cannot be used
    ├── RankTableError (ValueError)        a rank table is missing, damaged or of another kind
    ├── ResultsError (ValueError)          a results folder holds nothing that can be read
    ├── TrainingDataError (ValueError)     training data cannot be read, or cannot give the batches that are asked for
    ├── OptionError (ValueError)           an option in Python, or an environment variable, is none that there is
    ├── RecipeError (ValueError)           a training recipe is wrong, or does not fit what is there
    ├── TranslationError (ValueError)      queries cannot be translated, or translations cannot be used
    ├── StorageError (OSError)             a file cannot be written: no room, or no permission
    ├── ClusterError (RuntimeError)        a Ray cluster cannot be used, or work on it failed
    └── RegistrationError (RuntimeError)   MTEB and this package do not fit each other
"""


class MtebHybridError(Exception):
    """Base of all errors of this package."""


class CollectionError(MtebHybridError, ValueError):
    """A collection's file is missing, damaged or inconsistent; the message names file and place."""


class DownloadError(CollectionError):
    """A collection's file could not be fetched; the message names the address and what to do."""


class CardError(MtebHybridError, ValueError):
    """A card of a user's own collection cannot be used; the message names the file and the key."""


class EmbeddingError(MtebHybridError, ValueError):
    """A model returned embeddings that cannot be ranked; the message names model, subset and text."""


class FaissError(MtebHybridError, ValueError):
    """A search with FAISS cannot be, or would not be told from an exact one; the message says what to do."""


class ModelDirectoryError(MtebHybridError, ValueError):
    """A local model directory cannot be used; the message names the directory and what to do."""


class RankTableError(MtebHybridError, ValueError):
    """A rank table is missing, damaged or of another kind; the message names the file."""


class ResultsError(MtebHybridError, ValueError):
    """A results folder holds nothing that can be read; the message names the folder."""


class TrainingDataError(MtebHybridError, ValueError):
    """Training data is inconsistent or too small for what is asked of it; the message says where and what to do."""


class OptionError(MtebHybridError, ValueError):
    """An option in Python, or an environment variable, cannot be used; the message names it and says what it may be."""


class RecipeError(MtebHybridError, ValueError):
    """A training recipe cannot be used; the message names the file and the key."""


class TranslationError(MtebHybridError, ValueError):
    """Queries cannot be translated, or translations cannot be used; the message says where and what to do."""


class StorageError(MtebHybridError, OSError):
    """A file cannot be written; the message names it, the reason and what to do."""


class ClusterError(MtebHybridError, RuntimeError):
    """A Ray cluster cannot be used, or work on it failed; the message says where and what to do."""


class RegistrationError(MtebHybridError, RuntimeError):
    """MTEB and this package do not fit each other; the message names what is in the way."""
