"""BibTeX entries of what our tasks and benchmarks stand on."""

LAREQA = r"""
@inproceedings{roy-etal-2020-lareqa,
  author = {Roy, Uma and Constant, Noah and Al-Rfou, Rami and Barua, Aditya and Phillips, Aaron and Yang, Yinfei},
  booktitle = {Proceedings of the 2020 Conference on Empirical Methods in Natural Language Processing (EMNLP)},
  doi = {10.18653/v1/2020.emnlp-main.477},
  pages = {5919--5930},
  publisher = {Association for Computational Linguistics},
  title = {{LAR}e{QA}: Language-Agnostic Answer Retrieval from a Multilingual Pool},
  year = {2020},
}
"""

XQUAD = r"""
@inproceedings{artetxe-etal-2020-cross,
  author = {Artetxe, Mikel and Ruder, Sebastian and Yogatama, Dani},
  booktitle = {Proceedings of the 58th Annual Meeting of the Association for Computational Linguistics},
  doi = {10.18653/v1/2020.acl-main.421},
  pages = {4623--4637},
  publisher = {Association for Computational Linguistics},
  title = {On the Cross-lingual Transferability of Monolingual Representations},
  year = {2020},
}
"""

MLQA = r"""
@inproceedings{lewis-etal-2020-mlqa,
  author = {Lewis, Patrick and Oguz, Barlas and Rinott, Ruty and Riedel, Sebastian and Schwenk, Holger},
  booktitle = {Proceedings of the 58th Annual Meeting of the Association for Computational Linguistics},
  doi = {10.18653/v1/2020.acl-main.653},
  pages = {7315--7330},
  publisher = {Association for Computational Linguistics},
  title = {{MLQA}: Evaluating Cross-lingual Extractive Question Answering},
  year = {2020},
}
"""

MIRACL = r"""
@article{zhang-etal-2023-miracl,
  author = {Zhang, Xinyu and Thakur, Nandan and Ogundepo, Odunayo and Kamalloo, Ehsan and Alfonso-Hermelo, David and
            Li, Xiaoguang and Liu, Qun and Rezagholizadeh, Mehdi and Lin, Jimmy},
  doi = {10.1162/tacl_a_00595},
  journal = {Transactions of the Association for Computational Linguistics},
  pages = {1114--1131},
  title = {{MIRACL}: A Multilingual Retrieval Dataset Covering 18 Diverse Languages},
  volume = {11},
  year = {2023},
}
"""
