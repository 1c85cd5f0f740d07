"""From a TOML file to a recipe, and what is said about a wrong one."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tiny_recipes import TEXT, tiny_content, tiny_recipe, write_recipe

from mteb_hybrid.errors import MtebHybridError, RecipeError
from mteb_hybrid.trainers.recipes import Recipe, shipped_recipes
from mteb_hybrid.trainers.recipes.reading import differences
from mteb_hybrid.trainers.recipes.toml import to_toml


class TestRead:
    """Recipe.read, by file and by name."""

    def test_file(self, tmp_path: Path) -> None:
        """Keys are read as written; those that are not there have their defaults."""
        recipe = Recipe.read(write_recipe(tmp_path / "mine.toml", "base"))
        assert recipe.model.name == "base"
        assert recipe.data[0].languages == ("de", "en", "es", "tr")
        assert (recipe.sampler.alpha, recipe.training.weight_decay, recipe.loss.scale) == (0.5, 1e-2, 20.0)
        assert recipe.sampler.languages is None

    def test_paper_is_the_default(self) -> None:
        """What a recipe leaves out is as in arXiv 2408.10536, section 3.1."""
        content = {"model": {"name": "m"}, "data": [{"kind": "collection", "name": "mlqa-r"}], "training": {"steps": 1}}
        recipe = Recipe.parse(content)
        assert (recipe.model.query_prompt, recipe.model.passage_prompt) == ("Query: ", "Passage: ")
        training = recipe.training
        assert (training.batch_size, training.learning_rate, training.weight_decay) == (100, 3e-5, 1e-2)
        assert recipe.sampler.alpha == 0.5

    @pytest.mark.parametrize("name", ["e5-small-mlqa-r", "e5-small-mlqa-r.toml"])
    def test_shipped_by_name(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A name without a file is a recipe of the package, wherever the process is."""
        monkeypatch.chdir(tmp_path)
        recipe = Recipe.read(name)
        assert recipe.model.name == "intfloat/multilingual-e5-small"
        assert (recipe.model.query_prompt, recipe.model.passage_prompt) == ("query: ", "passage: ")

    def test_a_file_wins_over_a_shipped_recipe(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file of that name in the working directory is meant."""
        monkeypatch.chdir(tmp_path)
        write_recipe(tmp_path / "labse-mmarco", "mine")
        assert Recipe.read("labse-mmarco").model.name == "mine"

    def test_shipped(self) -> None:
        """The shipped recipes by name; each can be read."""
        assert shipped_recipes() == ["e5-small-mlqa-r", "labse-mmarco", "xlm-r-base-mmarco"]
        for name in shipped_recipes():
            assert Recipe.read(name).model.name

    @pytest.mark.parametrize("name", ["xlm-r-base-mmarco", "labse-mmarco"])
    def test_shipped_has_the_papers_settings(self, name: str) -> None:
        """Batch, optimiser, alpha, prompts and early stopping of the paper; its languages as far as mMARCO goes."""
        recipe = Recipe.read(name)
        assert recipe.training.batch_size == 100
        assert (recipe.training.learning_rate, recipe.training.weight_decay) == (3e-5, 1e-2)
        assert recipe.training.patience is not None
        assert recipe.sampler.alpha == 0.5
        assert recipe.evaluation is not None
        assert (recipe.evaluation.metric, recipe.evaluation.languages) == ("loss", ("en",))
        assert set(recipe.data[0].languages or ()) == {"ar", "zh", "en", "de", "hi", "ru", "es"}

    def test_neither(self) -> None:
        """Neither a file nor shipped: all names, and the one that is probably meant."""
        with pytest.raises(RecipeError, match=r"labse-marco is neither a file nor .*did you mean 'labse-mmarco'"):
            Recipe.read("labse-marco")

    def test_no_toml(self, tmp_path: Path) -> None:
        """Broken TOML names the file and the line."""
        path = tmp_path / "broken.toml"
        path.write_text("[model]\nname = \n")
        with pytest.raises(RecipeError, match=r"broken\.toml cannot be read: .*line 2"):
            Recipe.read(path)

    def test_frozen(self) -> None:
        """A recipe is what was read; nothing changes it."""
        with pytest.raises(ValidationError, match="frozen"):
            tiny_recipe("m").training.steps = 5  # type: ignore[misc]


WARMUP = "must be a share in [0, 1) or a whole number of at least 0"
HELD_OUT = "must be a share in (0, 1) or a whole number of at least 1"
WRONG: list[tuple[list[str], str]] = [
    (["training.batch_size=0"], "training.batch_size: must be at least 2, got 0"),
    (["training.batch_size=1.5"], "training.batch_size: must be a whole number, got 1.5"),
    (["training.batch_size='24'"], "training.batch_size: must be a whole number, got '24'"),
    (["training.batch_size=true"], "training.batch_size: must be a whole number, got True"),
    (["training.learning_rate=0"], "training.learning_rate: must be greater than 0, got 0"),
    (["training.learning_rate=inf"], "training.learning_rate: must be a finite number, got inf"),
    (["training.warmup=-1"], f"training.warmup: {WARMUP}, got -1"),
    (["training.warmup=1.5"], f"training.warmup: {WARMUP}, got 1.5"),
    (["training.warmup=-0.5"], f"training.warmup: {WARMUP}, got -0.5"),
    (["training.warmup=some"], f"training.warmup: {WARMUP}, got 'some'"),
    (["training.precision=fp8"], "training.precision: must be 'fp32', 'bf16' or 'fp16', got 'fp8'"),
    (["training.steps="], "training.steps: give either steps or epochs"),
    (["training.epochs=1"], "training.steps: give either steps or epochs"),
    (["training.stesp=3"], "training.stesp: unknown key; did you mean 'steps'?"),
    (["sampler.alfa=0.4"], "sampler.alfa: unknown key; did you mean 'alpha'?"),
    (["sampler.alpha=1.01"], "sampler.alpha: must be at most 1, got 1.01"),
    (["sampler.languages=en"], "sampler.languages: must be a list, got 'en'"),
    (["sampler.languages=[]"], "sampler.languages: must not be empty"),
    (["sampler.languages=[1]"], "sampler.languages.0: must be text in quotes, got 1"),
    (["sampler.pair_weights.en-de=-1"], "sampler.pair_weights.en-de: must be at least 0, got -1"),
    (["trainin.steps=1"], "trainin: unknown key; did you mean 'training'?"),
    (["model.name="], "model.name: is missing"),
    (["model=tiny"], "model: must be a table, got 'tiny'"),
    (["model.max_seq_length=1"], "model.max_seq_length: must be at least 2, got 1"),
    (["data="], "data: is missing"),
    (["data=[]"], "data: must not be empty"),
    (["data=3"], "data: must be a list, got 3"),
    (["data.0.kind="], "data.0.kind: is missing; one of 'collection', 'wide', 'long', 'pairs', 'beir', 'mmarco'"),
    (["data.0.kind=parquet"], "data.0.kind: must be one of 'collection', 'wide', 'long', 'pairs', 'beir', 'mmarco'"),
    (["data.0.name=mlqar"], "data.0.name: must be 'miniqa-r', 'mlqa-r' or 'xquad-r', got 'mlqar'; did you mean"),
    (["data.0.fraction=0"], "data.0.fraction: must be greater than 0, got 0"),
    (["data.0.max_items=5"], "data.0.max_items: unknown key"),
    (["data.0.kind=mmarco", "data.0.languages="], "data.0.languages: must be named"),
    (["data=[{kind='beir'}]"], "data.0.path: give either path or folders"),
    (["data=[{kind='beir', path='a', folders={en='b'}}]"], "data.0.path: give either path or folders"),
    (["data=[{kind='pairs', pairs={}}]"], "data.0.pairs: must not be empty"),
    (["data=[{kind='wide', path=''}]"], "data.0.path: must not be empty"),
    (["data=[3]"], "data.0: must be a table, got 3"),
    (["sampler.language_weights.int=x"], "sampler.language_weights.int: must be a number, got 'x'"),
    (["loss.directions=['doc_to_doc']"], "loss.directions: must have 'query_to_doc'"),
    (["loss.scale=-1"], "loss.scale: must be greater than 0, got -1"),
    (["evaluation.held_out="], "evaluation.held_out: is missing, and metric = 'loss' needs it"),
    (["evaluation.held_out=1.0"], f"evaluation.held_out: {HELD_OUT}, got 1.0"),
    (["evaluation.held_out=0"], f"evaluation.held_out: {HELD_OUT}, got 0"),
    (["evaluation.metric=map"], "evaluation.metric: must be 'loss', 'monolingual_map', "),
    (["training.patience=2", "evaluation="], "training.patience: needs an [evaluation] table"),
    (["training.patience=2", "evaluation.every=3"], "training.save_every: must be a multiple of evaluation.every = 3"),
    (["sampling.temperature=0"], "sampling.temperature: must be greater than 0, got 0"),
]  # fmt: skip


class TestWrong:
    """Every message names the file and the key."""

    @pytest.mark.parametrize(("changes", "message"), WRONG, ids=["; ".join(changes) for changes, _ in WRONG])
    def test_names_the_key(self, changes: list[str], message: str, tmp_path: Path) -> None:
        """One wrong key, one line."""
        path = write_recipe(tmp_path / "mine.toml", "tiny")
        with pytest.raises(RecipeError) as caught:
            Recipe.read(path, changes)
        assert str(caught.value).startswith(f"mine.toml: {message}")
        assert isinstance(caught.value, MtebHybridError)
        assert isinstance(caught.value, ValueError)
        assert "\n" not in str(caught.value)

    def test_all_at_once(self) -> None:
        """Several wrong keys are named together, one a line."""
        with pytest.raises(RecipeError) as caught:
            tiny_recipe("m", "training.batch_size=0", "sampler.alpha=2", "loss.sacle=3")
        assert str(caught.value).splitlines() == [
            "recipe:",
            "  sampler.alpha: must be at most 1, got 2",
            "  loss.sacle: unknown key; did you mean 'scale'?",
            "  training.batch_size: must be at least 2, got 0",
        ]

    def test_unknown_without_a_close_one(self) -> None:
        """A key that is like none: all that there are."""
        with pytest.raises(RecipeError, match=r"output\.zzz: unknown key; there are directory"):
            tiny_recipe("m", "output.zzz=1")


class TestChanges:
    """``--set key=value``."""

    @pytest.mark.parametrize(
        ("change", "value"),
        [
            ("sampler.alpha=0.4", 0.4),
            ("sampler.alpha = 1", 1),
            ("sampler.languages=['de', 'en']", ("de", "en")),
            ("model.name=some/dir", "some/dir"),
            ('model.name="2024"', "2024"),
            ("model.name=a=b", "a=b"),
            ("model.query_prompt='query: '", "query: "),
            ("training.learning_rate=1e-4", 1e-4),
            ("model.gradient_checkpointing=true", True),
            ("sampler.pair_weights.en-de=2.0", {"en-de": 2.0}),
            ("data.0.fraction=0.5", 0.5),
            ("training.save_every=", None),
        ],
    )
    def test_value(self, change: str, value: Any) -> None:
        """A value is TOML where it can be, text where it cannot; nothing takes the key out."""
        recipe: Any = tiny_recipe("m", change)
        for part in change.split("=")[0].strip().split("."):
            if part == "en-de":
                break
            recipe = recipe[int(part)] if part.isdecimal() else getattr(recipe, part)
        assert recipe == value

    @pytest.mark.parametrize("change", ["alpha", "=3", "sampler..alpha=1", ""])
    def test_no_change(self, change: str) -> None:
        """What is no key=value."""
        with pytest.raises(RecipeError, match="is no change: write key=value"):
            tiny_recipe("m", change)

    @pytest.mark.parametrize("change", ["data.1.fraction=1", "data.first.fraction=1", "training.steps.all=1"])
    def test_leads_nowhere(self, change: str) -> None:
        """A path through something that is no table, or not there."""
        with pytest.raises(RecipeError, match=r"there is no|is no table"):
            tiny_recipe("m", change)

    def test_a_new_data_table(self) -> None:
        """The last change wins, and earlier ones are seen by later ones."""
        recipe = tiny_recipe("m", "training.steps=", "training.epochs=2", "training.epochs=3")
        assert (recipe.training.steps, recipe.training.epochs) == (None, 3)

    def test_changed(self) -> None:
        """Another recipe; the first one is left as it was."""
        recipe = tiny_recipe("m")
        other = recipe.changed(["sampler.alpha=1"])
        assert (recipe.sampler.alpha, other.sampler.alpha) == (0.5, 1)
        assert differences(recipe, other) == ["sampler.alpha: 0.5, now 1.0"]

    def test_differences(self) -> None:
        """By key, in both directions; where the model goes does not matter."""
        one = tiny_recipe("m", "output.directory=here", "evaluation.max_queries=3")
        other = tiny_recipe("n", "output.directory=there", "data.0.languages=['en']")
        assert differences(one, other) == [
            "model.name: 'm', now 'n'",
            "data.0.languages: ['de', 'en', 'es', 'tr'], now ['en']",
            "evaluation.max_queries: 3, now 'not set'",
        ]


class TestToToml:
    """Recipes as text."""

    @pytest.mark.parametrize("name", shipped_recipes())
    def test_reads_back(self, name: str) -> None:
        """Reading what was written gives an equal recipe."""
        recipe = Recipe.read(name, ["sampler.pair_weights.en-de=2", 'model.query_prompt="a\\"b\\n\\u007f\\\\ é"'])
        assert Recipe.parse(tomllib.loads(recipe.to_toml())) == recipe

    def test_values(self) -> None:
        """All kinds of values, tables in lists, and keys that need quotes."""
        content = {
            "a": {"b": True, "c": [1, 2.5, "x"], "d": {"e f": 1e-05, "zh-en": 1e16}},
            "l": [{"x": 1, "y": {"z": "\t"}}, {"x": -2, "w": []}],
        }
        assert tomllib.loads(to_toml(content)) == content

    def test_unknown_type(self) -> None:
        """Nothing is written that TOML does not have."""
        with pytest.raises(TypeError, match="holds no NoneType"):
            to_toml({"a": None})

    def test_template(self) -> None:
        """The tests' own recipe is what it says."""
        assert tomllib.loads(TEXT.format(model="m")) == tiny_content("m")
