"""YAML with places: every value where it stood, every mistake one sentence with its place."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.yamlfile import Node, load

quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=8)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | words
)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4), max_leaves=15
)


def read(folder: Path, content: str | bytes) -> Node:
    file = folder / "x.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return load(file)


def plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: plain(item) for key, item in node.value.items()}
    return [plain(item) for item in node.value] if isinstance(node.value, list) else node.value


def nodes(node: Node) -> list[Node]:
    below = node.value.values() if isinstance(node.value, dict) else node.value if isinstance(node.value, list) else ()
    return [node, *(found for item in below for found in nodes(item))]


@given(documents)
@quick
def test_json_is_read_as_json_reads_it(tmp_path: Path, document: Any) -> None:
    assert plain(read(tmp_path, json.dumps(document))) == document


@given(st.dictionaries(words, documents, min_size=1, max_size=5))
@quick
def test_every_key_and_value_carries_the_place_where_it_stands(tmp_path: Path, document: dict) -> None:
    text = json.dumps(document, indent=2)
    lines = text.split("\n")

    def at(place: str) -> str:
        line, column = map(int, place.removeprefix(f"{tmp_path / 'x.yaml'}:").split(":"))
        return lines[line - 1][column - 1 :]

    for node in nodes(read(tmp_path, text)):
        if isinstance(node.value, (dict, list)):
            assert at(node.place)[0] == ("{" if isinstance(node.value, dict) else "[")
            for key, place in node.key_places.items():
                assert at(place).startswith(json.dumps(key))
        else:
            assert at(node.place).startswith(json.dumps(node.value))


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("1e-3", 0.001), ("3E5", 3e5), (".5", 0.5), ("-2.", -2.0), ("007", 7), ("+4", 4),
        ("true", True), ("False", False), ("~", None), ("", None), ("null", None),
        ("yes", "yes"), ("off", "off"), ("2026-01-01", "2026-01-01"), ("1:30", "1:30"), ("1_000", "1_000"),
        (".nan", ".nan"), ("-.inf", "-.inf"), ("'12'", "12"), ('"true"', "true"), ("=", "="),
    ],
)  # fmt: skip
def test_words_mean_what_yaml_1_2_says(tmp_path: Path, word: str, value: Any) -> None:
    found = read(tmp_path, f"a: {word}\n").value["a"].value
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("content", "place", "sentence"),
    [
        ("", "1:1", "the file is empty"),
        ("# nothing\n", "1:1", "the file is empty"),
        ("a: 1\nb:\n  c: 2\n  c: 3\n", "4:3", "the key 'c' is given twice (first at "),
        ("a:\n\t- 1\n", "2:1", "not valid YAML: while scanning for the next token, found character '\\t'"),
        ("a: [1, 2\n", "2:1", "not valid YAML: while parsing a flow sequence, expected ',' or ']'"),
        ("a: 1\n b: 2\n", "2:3", "not valid YAML: mapping values are not allowed here"),
        ("a: 1\nb: *c\n", "2:4", "not valid YAML: found undefined alias 'c'"),
        ("a: 1\n---\nb: 2\n", "2:1", "not valid YAML: expected a single document in the stream, but found another"),
        ("a: &x\n  - *x\n", "1:4", "this list or mapping contains itself through an alias"),
        ("a: !!python/object:os.system x\n", "1:4", "the tag '!!python/object:os.system' does not fit here"),
        ("a: !!set {b}\n", "1:4", "the tag '!!set' does not fit here"),
        ("a: !!int b\n", "1:4", "'b' is not a number"),
        ("a: 1\n1: 2\n", "2:1", "a key must be a word"),
        ("? [a]\n: 2\n", "1:3", "a key must be a word"),
        ("a: 1e999\n", "1:4", "the number is too large"),
        (f"a: {2**64}\n", "1:4", "the number is too large"),
        (f"a: 1{'0' * 5000}\n", "1:4", "the number is too large"),
        ('a: "\\ud800"\n', "1:4", "half of a surrogate pair is not a character"),
        ('"\\ud800": 1\n', "1:1", "half of a surrogate pair is not a character"),
        ("a: 1\nb: c\0d\n", "2:5", "not valid YAML: the character '\\x00' is not allowed"),
        (b"a: 1\nb: \xc3\xa4\xff\n", "2:5", "not a UTF-8 text file (byte 0xff)"),
        ("a: 1\n".encode("utf-16"), "1:1", "not a UTF-8 text file (byte 0xff)"),
        ("[" * 5000, "1:1", "not valid YAML for a suite: it is nested too deeply"),
        ("\ufeffa: 1\na: 2\n", "2:1", "the key 'a' is given twice"),
        ("\ufeffa\0", "1:2", "not valid YAML: the character '\\x00' is not allowed"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(
    tmp_path: Path, content: str | bytes, place: str, sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path / 'x.yaml'}:{place}: {sentence}")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.yaml: cannot be read: No such file"):
        load(tmp_path / "none.yaml")


def test_aliases_of_aliases_are_read_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 5)]
    root = read(tmp_path, "\n".join(lines))
    found = {id(node) for node in nodes(root)}
    assert len(found) == 1 + 5 + 1, "the mapping, its five lists, the one word in all of them"


def test_a_setting_is_a_plain_value_or_a_list_of_them(tmp_path: Path) -> None:
    entries = read(tmp_path, "a: 1\nb: [x, 2]\nc: {d: 1}\ne: [1, [2]]\nf:\n").mapping("it")
    assert entries["a"].setting("a") == 1
    assert entries["b"].setting("b") == ("x", 2)
    assert entries["f"].setting("f") is None
    with pytest.raises(UsageError, match=r":3:4: c must be a plain value or a list of them, got a mapping"):
        entries["c"].setting("c")
    with pytest.raises(UsageError, match=r":4:8: e must be a plain value or a list of them, got a list inside"):
        entries["e"].setting("e")
