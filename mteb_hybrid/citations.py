"""BibTeX entry of the method, for both halves of the package."""

HYBRID = r"""
@article{elmahdy-etal-2024-synergistic,
  author = {Elmahdy, Adel and Lin, Sheng-Chieh and Ahmad, Amin},
  journal = {arXiv preprint arXiv:2408.10536},
  title = {Synergistic Approach for Simultaneous Optimization of Monolingual, Cross-lingual, and Multilingual
           Information Retrieval},
  year = {2024},
}
"""
