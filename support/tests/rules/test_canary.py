"""The shape of a canary: a marker that survives base64, and an owner who can be read off it."""

import base64

import pytest
from greenlight_gate.client.canary_factory import canary_of
from greenlight_gate.rules.engine.canary import HALF, LETTERS, MARKER, canary_word, named, owner_code, read_owner
from greenlight_gate.rules.engine.text_decoding import CORES, HEX
from hypothesis import given
from hypothesis import strategies as st

NAMES = ["Ada", "ada", "ADA", "O'Brien", "User 12", "Élodie Ünal", "McQueen-qQ", "安娜", "A:b.c_d", "x" * 40, "Q", ""]
names = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("aAqQzZ 19.'-:_"), max_size=40)


def test_the_marker_is_ten_letters_or_more_whose_base64_has_only_letters_and_digits() -> None:
    packed = [base64.b64encode(b"\xff" * before + MARKER + b"\xff" * 3) for before in range(3)]
    cores = [text[-(-before * 4 // 3) : (before + len(MARKER)) * 4 // 3] for before, text in enumerate(packed)]

    assert len(MARKER) >= 10
    assert MARKER.isalpha()
    assert MARKER.islower()
    assert all(core.isalnum() for core in cores)


def test_the_filter_can_rely_on_the_letters_of_the_marker() -> None:
    assert b"j" in HALF
    assert [b"X" in core for core, _ in CORES] == [True, True, True]
    assert HEX.count(b"69717976") == 1


@pytest.mark.parametrize("before", range(3))
def test_a_core_is_in_base64_of_a_half_whatever_stands_around_it(before: int) -> None:
    for around in (b"\0", b"\xff", b"a"):
        assert CORES[before][0] in base64.b64encode(around * before + HALF + around)


@pytest.mark.parametrize("name", NAMES)
def test_the_owner_is_read_off_any_canary(name: str) -> None:
    canary = canary_of(name)
    owner = read_owner(canary.encode()[len(MARKER) :])

    assert canary.isascii()
    assert canary.isalpha()
    assert canary.islower()
    assert (owner.name, owner.whole) == (name, True)


@given(names, st.text(st.sampled_from(LETTERS), max_size=8))
def test_any_name_is_written_and_read_again(name: str, unique: str) -> None:
    word = canary_word(name, unique).encode()

    assert read_owner(word[len(MARKER) :])[:2] == (name, True)
    assert word.count(HALF) == 2


@given(names, names)
def test_no_two_names_are_written_alike(one: str, other: str) -> None:
    assert (owner_code(one) == owner_code(other)) == (one == other)
    assert one == other or not owner_code(one).startswith(owner_code(other))


def test_what_cannot_be_read_is_shown_as_far_as_it_goes() -> None:
    assert read_owner(b"bas") == ("Bas", False, 3)
    assert read_owner(b"basq") == ("Bas", False, 4)
    assert read_owner(b"basqijk") == ("Bas", False, 7)
    assert read_owner(b"basqxzzzzz") == ("Bas", False, 10)
    assert read_owner(b"") == ("", False, 0)


def test_two_canaries_of_one_user_differ() -> None:
    assert len({canary_of("Ada") for _ in range(100)}) == 100


@given(names)
def test_a_canary_is_printed_by_its_owner(name: str) -> None:
    assert named(f"so {canary_word(name, 'abcdefgh')}, yes") == f"so canary of {name}, yes"
