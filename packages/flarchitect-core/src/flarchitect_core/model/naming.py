"""Names as clients see them: words, cases and plurals for URL segments, fields and relations (rest 2.2, core 6)."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile

import inflection

__all__ = ["convert_camel_to_snake", "convert_case", "convert_kebab_to_snake", "convert_snake_to_camel", "field_name"]
__all__ += ["pluralise_last_word", "segment_name", "split_words"]

# Words are found in a string of kinds, one letter per character of the text, because `re` has no Unicode letter
# classes: U upper case, s the letter s, l any other letter or mark, d digit, and a space for every border.
_WORDS = re.compile(r"UU+s(?![ls])|U+(?![ls])|U?[ls]+|d+")
_WORDS_WITH_DIGITS = re.compile(r"UU+s(?![lsd])|U[Ud]*(?![lsd])|U?[lsd]+")

# What inflection gets wrong. A word that is its own plural stands for itself.
_PLURALS: Mapping[str, str] = {
    "bonus": "bonuses",
    "campus": "campuses",
    "canvas": "canvases",
    "census": "censuses",
    "cow": "cows",
    "criterion": "criteria",
    "feedback": "feedback",
    "foot": "feet",
    "gas": "gases",
    "hardware": "hardware",
    "leaf": "leaves",
    "lens": "lenses",
    "software": "software",
    "staff": "staff",
    "tooth": "teeth",
    "virus": "viruses",
}
_IRREGULAR_PLURALS = frozenset(_PLURALS.values())

# Attribute names that SQLAlchemy keeps for itself on every declarative class, or in its constructor.
_RESERVED_BY_SQLALCHEMY = frozenset({"metadata", "registry", "self"})

_CASES: Mapping[str, Callable[[Sequence[str]], str]] = {
    "camel": lambda words: words[0].lower() + "".join(map(str.capitalize, words[1:])),
    "pascal": lambda words: "".join(map(str.capitalize, words)),
    "snake": lambda words: "_".join(words).lower(),
    "screaming_snake": lambda words: "_".join(words).upper(),
    "kebab": lambda words: "-".join(words).lower(),
    "screaming_kebab": lambda words: "-".join(words).upper(),
}


def split_words(text: str) -> list[str]:
    """Split a name into its words, spelt as in the text.

    A run of capitals is one word up to the capitalised word that follows it (`XMLHttp`: `XML`, `Http`), also with the
    s of a plural (`userIDs`: `user`, `IDs`). Digits are a word of their own. Everything that is neither letter nor
    digit separates words and is dropped. Letters of every script count.
    """
    return _split(text, _WORDS)


def convert_case(text: str, case: str) -> str:
    """Write a name in a case style, digits as a word of their own (`API_KeyID2` in snake: `api_key_id_2`).

    Args:
        text: Name in any case.
        case: `camel`, `pascal`, `snake`, `screaming_snake`, `kebab` or `screaming_kebab`.

    Returns:
        The name in the case; the text itself when it has no letters or the case is unknown.
    """
    return _convert(text, case, _WORDS)


def convert_snake_to_camel(text: str) -> str:
    """Write a snake_case name in camelCase and keep the underscores around it (`_my_field`: `_myField`)."""
    return _keep_underscores(text, "camel")


def convert_camel_to_snake(text: str) -> str:
    """Write a camelCase name in snake_case and keep the underscores around it (`_myField`: `_my_field`)."""
    return _keep_underscores(text, "snake")


def convert_kebab_to_snake(text: str) -> str:
    """Write a kebab-case name in snake_case; nothing but the dashes changes."""
    return text.replace("-", "_")


def _keep_underscores(text: str, case: str) -> str:
    core = text.strip("_")
    before, _, after = text.partition(core) if core else ("", "", "")
    return before + convert_case(core or text, case) + after


def pluralise_last_word(text: str) -> str:
    """Put the last word of a name into the English plural, and leave all else as it is (`orderItem`: `orderItems`).

    A plural stays as it is, and so does a word that is not written in Latin letters. Trailing numbers are passed
    over, because they have no plural (`HttpLog2`: `HttpLogs2`).
    """
    words = [match for match in _WORDS.finditer(_kinds(text)) if not text[match.start()].isdigit()]
    if not words:
        return text
    start, end = words[-1].span()
    word = text[start:end]
    plural = _plural(word.lower())
    kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(word.lower(), plural, strict=False)))
    ending = plural[kept:].upper() if text.isupper() else plural[kept:]
    return text[:start] + word[:kept] + ending + text[end:]


def segment_name(class_name: str, case: str) -> str:
    """Name the URL segment of a model: its words in lower case, the last one in the plural, then the case style."""
    if case not in _CASES:
        return pluralise_last_word(class_name)
    return convert_case(pluralise_last_word(convert_case(class_name, "snake")), case)


def field_name(attribute: str, case: str) -> str:
    """Name a mapped attribute for clients (rest 2.2, decisions 17).

    A case style only moves word borders that `_` or capitals mark: digits stay with the letters before them, so that
    `line1` is `line1` in snake and camel, `address2_line` is `address2Line`, and `user_id_2` is `userId2`. Leading and
    trailing underscores stay (`_note`), except the one that Python needs after a keyword, and SQLAlchemy after
    `metadata`, `registry` and `self`: `class_` is `class`.
    """
    stem = attribute[:-1]
    if attribute.endswith("_") and (keyword.iskeyword(stem) or stem in _RESERVED_BY_SQLALCHEMY):
        attribute = stem
    if case == "snake" and attribute == attribute.lower():
        return attribute
    core = attribute.strip("_")
    before, _, after = attribute.partition(core) if core else ("", "", "")
    return before + _convert(core or attribute, case, _WORDS_WITH_DIGITS) + after


def _convert(text: str, case: str, pattern: re.Pattern[str]) -> str:
    words = _split(text, pattern)
    has_letters = not all(map(str.isdigit, words))
    return _CASES[case](words) if case in _CASES and has_letters else text


def _split(text: str, pattern: re.Pattern[str]) -> list[str]:
    return [text[match.start() : match.end()] for match in pattern.finditer(_kinds(text))]


def _kinds(text: str) -> str:
    return "".join(map(_kind, text))


def _kind(character: str) -> str:
    if character.isupper() or character.istitle():
        return "U"
    if character.isdigit():
        return "d"
    if character == "s":
        return "s"
    # Identifier rules know the combining marks that belong to a letter; `isalpha` does not.
    is_letter = character.isalpha() or (character != "_" and f"a{character}".isidentifier())
    return "l" if is_letter else " "


def _plural(word: str) -> str:
    if word in _IRREGULAR_PLURALS or not unicodedata.name(word[-1], "").startswith("LATIN"):
        return word
    return _PLURALS.get(word) or inflection.pluralize(word)
