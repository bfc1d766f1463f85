import pytest

from core.targets.aws_lambda.placeholders import fill, fill_json


def test_each_placeholder_becomes_its_value():
    assert fill("${a}/${b}/${a}$c{d}", {"a": "x", "b": 2}) == "x/2/x$c{d}"


def test_values_of_a_json_document_keep_their_type():
    document = {"${key}": ["${list}", {"text": "at most ${number}"}, "${number}", 1, None, True]}
    assert fill_json(document, {"key": "k", "list": [1], "number": 5}) == {
        "k": [[1], {"text": "at most 5"}, 5, 1, None, True]
    }


def test_a_value_is_not_scanned_for_placeholders():
    assert fill("${a}", {"a": "${b}"}) == "${b}"
    assert fill_json(["${a}", "-${a}"], {"a": "${a}"}) == ["${a}", "-${a}"]


@pytest.mark.parametrize("template", ["${a} ${other}", "${a} ${}", "${a} ${Other-1}", "${a} ${oth"])
def test_a_placeholder_without_a_value_is_an_error(template: str):
    with pytest.raises(ValueError, match=r"^placeholders without a value: "):
        fill(template, {"a": "x"})
    with pytest.raises(ValueError, match=r"^placeholders without a value: "):
        fill_json({"key": [template]}, {"a": "x"})
    with pytest.raises(ValueError, match=r"^placeholders without a value: "):
        fill_json({template: 1}, {"a": "x"})


def test_a_value_without_a_placeholder_is_an_error():
    with pytest.raises(ValueError, match=r"^values without a placeholder: b, c$"):
        fill("${a}", {"a": 1, "c": 2, "b": 3})
    with pytest.raises(ValueError, match=r"^values without a placeholder: b$"):
        fill_json(["${a}"], {"a": 1, "b": 3})
