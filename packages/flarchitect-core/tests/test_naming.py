"""Names as clients see them: words, cases, plurals, segments and fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flarchitect_core.model.naming import (
    convert_camel_to_snake,
    convert_case,
    convert_kebab_to_snake,
    convert_snake_to_camel,
    field_name,
    pluralise_last_word,
    segment_name,
    split_words,
)

CASES = ["camel", "pascal", "snake", "screaming_snake", "kebab", "screaming_kebab"]

plain_words = st.text("abcdefghijklmnopqrstuvwxyzéüñжλ", min_size=2, max_size=8)
plain_names = st.lists(plain_words, min_size=1, max_size=4).map("_".join)
any_names = st.text(st.sampled_from("abcsXYZS019_-éÉжЖ "), max_size=20)


@pytest.mark.contract("core 6, cases")
@pytest.mark.parametrize(
    "text,words",
    [
        ("HelloWorld", ["Hello", "World"]),
        ("userID", ["user", "ID"]),
        ("userIDs", ["user", "IDs"]),
        ("XMLHttpRequest", ["XML", "Http", "Request"]),
        ("API_KeyID2", ["API", "Key", "ID", "2"]),
        ("order2items", ["order", "2", "items"]),
        ("--a b__c--", ["a", "b", "c"]),
        ("Été", ["Été"]),
        ("naïveCafé", ["naïve", "Café"]),
        ("数量", ["数量"]),
        ("हिन्दी", ["हिन्दी"]),
        ("", []),
        ("__", []),
    ],
)
def test_words_are_split(text, words):
    assert split_words(text) == words


@pytest.mark.contract("core 12 29")
@pytest.mark.contract("core 6, cases")
@pytest.mark.parametrize(
    "text,camel,pascal,snake,kebab",
    [
        ("HelloWorld", "helloWorld", "HelloWorld", "hello_world", "hello-world"),
        ("userID", "userId", "UserId", "user_id", "user-id"),
        ("XMLHttpRequest", "xmlHttpRequest", "XmlHttpRequest", "xml_http_request", "xml-http-request"),
        ("API_KeyID2", "apiKeyId2", "ApiKeyId2", "api_key_id_2", "api-key-id-2"),
        ("_private", "private", "Private", "private", "private"),
        ("Été", "été", "Été", "été", "été"),
    ],
)
def test_cases_of_the_contract(text, camel, pascal, snake, kebab):
    converted = {case: convert_case(text, case) for case in CASES}
    assert converted == {
        "camel": camel,
        "pascal": pascal,
        "snake": snake,
        "screaming_snake": snake.upper(),
        "kebab": kebab,
        "screaming_kebab": kebab.upper(),
    }


@pytest.mark.contract("core 6, cases")
@pytest.mark.parametrize("text", ["", "__", "123", "1_2", "-"])
@pytest.mark.parametrize("case", CASES)
def test_a_text_without_letters_keeps_its_form(text, case):
    assert convert_case(text, case) == text


@pytest.mark.contract("core 6, cases")
@pytest.mark.parametrize("text", ["HelloWorld", "user_id", "Été"])
def test_an_unknown_case_changes_nothing(text):
    assert convert_case(text, "spongebob") == field_name(text, "spongebob") == text


@given(any_names, st.sampled_from(["snake", "screaming_snake", "kebab", "screaming_kebab"]))
def test_separated_cases_are_idempotent(text, case):
    assert convert_case(convert_case(text, case), case) == convert_case(text, case)


@given(plain_names, st.sampled_from(CASES))
def test_every_case_is_idempotent_for_plain_names(text, case):
    assert convert_case(convert_case(text, case), case) == convert_case(text, case)


@given(plain_names, st.sampled_from(CASES))
def test_plain_names_come_back_from_every_case(text, case):
    assert convert_case(convert_case(text, case), "snake") == text
    assert field_name(field_name(text, case), "snake").replace("-", "_") == text


@given(st.text(max_size=30), st.sampled_from([*CASES, "unknown"]))
def test_no_text_makes_a_name_fail(text, case):
    assert isinstance(convert_case(text, case), str)
    assert isinstance(segment_name(text, case), str)
    assert isinstance(field_name(text, case), str)


@pytest.mark.contract("core 6, pluralize_last_word")
@pytest.mark.parametrize(
    "text,plural",
    [
        ("user", "users"),
        ("user_category", "user_categories"),
        ("orderItem", "orderItems"),
        ("people", "people"),
        ("status", "statuses"),
        ("Person", "People"),
        ("CATEGORY", "CATEGORIES"),
        ("userID", "userIDs"),
        ("HttpLog2", "HttpLogs2"),
        ("订单", "订单"),
        ("été", "étés"),
        ("42", "42"),
        ("", ""),
    ],
)
def test_the_last_word_is_put_into_the_plural(text, plural):
    assert pluralise_last_word(text) == plural


WORDS = """
access address alias analysis api axis basis bill bonus box bus call campus canvas category census child church class
cow criterion data datum day dish employee feedback foot gas half hardware hero history human index information invoice
key knife lady leaf lens loaf man matrix media menu metadata money mouse news octopus ox party person playlist potato
process quiz series sheep shelf software species staff status tooth toy track virus wife woman
"""


@pytest.mark.contract("rest D54")
@pytest.mark.parametrize("word", WORDS.split())
def test_a_plural_stays_a_plural(word):
    once = pluralise_last_word(word)
    assert pluralise_last_word(once) == once


@pytest.mark.contract("rest 2.2")
@pytest.mark.parametrize(
    "class_name,kebab,snake,camel,pascal",
    [
        ("APICall", "api-calls", "api_calls", "apiCalls", "ApiCalls"),
        ("BookCategory", "book-categories", "book_categories", "bookCategories", "BookCategories"),
        ("user_profile", "user-profiles", "user_profiles", "userProfiles", "UserProfiles"),
    ],
)
def test_segments_of_the_contract(class_name, kebab, snake, camel, pascal):
    segments = [segment_name(class_name, case) for case in ("kebab", "snake", "camel", "pascal")]
    assert segments == [kebab, snake, camel, pascal]


@pytest.mark.contract("rest 2.2")
@pytest.mark.parametrize(
    "class_name,segment",
    [
        ("Category", "categories"),
        ("Person", "people"),
        ("News", "news"),
        ("Sheep", "sheep"),
        ("Address", "addresses"),
        ("Status", "statuses"),
        ("CATEGORY", "categories"),
        ("HTTPStatus", "http-statuses"),
        ("HttpLog2", "http-logs-2"),
        ("Users", "users"),
        ("Data", "data"),
        ("Cow", "cows"),
    ],
)
def test_segments_are_plurals(class_name, segment):
    assert segment_name(class_name, "kebab") == segment


@pytest.mark.contract("rest D54")
@pytest.mark.parametrize("class_name", ["BookCategory", "Status", "HttpLog2", "News", "APICall", "Person"])
@pytest.mark.parametrize("case", CASES)
def test_a_segment_means_the_same_in_every_case(class_name, case):
    assert convert_case(segment_name(class_name, case), "kebab") == segment_name(class_name, "kebab")
    assert segment_name(segment_name(class_name, case), case) == segment_name(class_name, case)


@pytest.mark.contract("rest 2.2")
def test_an_unknown_case_leaves_the_spelling_of_a_segment():
    assert segment_name("BookCategory", "unknown") == "BookCategories"


@pytest.mark.contract("decisions 17")
@pytest.mark.parametrize(
    "attribute,snake,camel,pascal,kebab,screaming_snake",
    [
        ("line1", "line1", "line1", "Line1", "line1", "LINE1"),
        ("address2_line", "address2_line", "address2Line", "Address2Line", "address2-line", "ADDRESS2_LINE"),
        ("user_id_2", "user_id_2", "userId2", "UserId2", "user-id-2", "USER_ID_2"),
        ("AlbumId", "album_id", "albumId", "AlbumId", "album-id", "ALBUM_ID"),
        ("userIDs", "user_ids", "userIds", "UserIds", "user-ids", "USER_IDS"),
        ("HTTP2Server", "http2_server", "http2Server", "Http2Server", "http2-server", "HTTP2_SERVER"),
        ("_note", "_note", "_note", "_Note", "_note", "_NOTE"),
        ("type_", "type_", "type_", "Type_", "type_", "TYPE_"),
        ("a__b", "a__b", "aB", "AB", "a-b", "A_B"),
        ("2nd_try", "2nd_try", "2ndTry", "2ndTry", "2nd-try", "2ND_TRY"),
        ("_", "_", "_", "_", "_", "_"),
    ],
)
def test_fields_keep_their_names_and_only_move_word_borders(attribute, snake, camel, pascal, kebab, screaming_snake):
    cases = ("snake", "camel", "pascal", "kebab", "screaming_snake")
    assert [field_name(attribute, case) for case in cases] == [snake, camel, pascal, kebab, screaming_snake]


@pytest.mark.contract("decisions 17")
@pytest.mark.parametrize("attribute,name", [("class_", "class"), ("metadata_", "metadata"), ("registry_", "registry")])
@pytest.mark.parametrize("case", ["snake", "camel", "kebab", "unknown"])
def test_the_underscore_that_python_forces_on_a_name_is_not_shown(attribute, name, case):
    assert field_name(attribute, case) == name


@given(plain_names.map(lambda name: f"{name}7"), st.sampled_from(CASES))
def test_digits_stay_with_the_word_before(attribute, case):
    assert field_name(attribute, case).lower().endswith(f"{attribute[-2]}7")


@pytest.mark.contract("core 6, cases")
@pytest.mark.parametrize(
    "snake,camel",
    [
        ("my_field", "myField"),
        ("_my_field", "_myField"),
        ("name", "name"),
        ("_", "_"),
        ("", ""),
        ("été_long", "étéLong"),
    ],
)
def test_snake_and_camel_turn_into_each_other_and_keep_underscores_around(snake, camel):
    assert convert_snake_to_camel(snake) == camel
    assert convert_camel_to_snake(camel) == snake


@pytest.mark.contract("core 6, cases")
@pytest.mark.parametrize("kebab,snake", [("my-field", "my_field"), ("-x-", "_x_"), ("Über-uns", "Über_uns"), ("", "")])
def test_kebab_turns_into_snake(kebab, snake):
    assert convert_kebab_to_snake(kebab) == snake
