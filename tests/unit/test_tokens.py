import hashlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from room import tokens
from room.tokens import Token

ID, SECRET = "abcdefghij", "k2" * 20
TOKEN = f"{ID}_{SECRET}"
LINK = f"https://room.example/hub/login#token={TOKEN}"


@pytest.mark.parametrize(
    "pasted",
    [
        pytest.param(TOKEN, id="as it is"),
        pytest.param(f"  {TOKEN}\r\n", id="blanks and a line break around"),
        pytest.param(f"{TOKEN[:20]}\n  {TOKEN[20:]}", id="broken over two lines by a mailer"),
        pytest.param(
            f"\ufeff{TOKEN}\u200b\u200e", id="byte order mark, zero width, direction mark"
        ),
        pytest.param(f"{TOKEN[:9]}\u00ad{TOKEN[9:]}\u00a0", id="soft hyphen and no-break space"),
        pytest.param(TOKEN.upper(), id="capitals"),
        pytest.param(f"“{TOKEN}”.", id="quotes and a full stop"),
        pytest.param(f"<{LINK}>", id="the whole link in brackets"),
        pytest.param(LINK + "&next=%2Fhub%2Fhome", id="a link with more in its fragment"),
        pytest.param(LINK.replace("_", "%5F").replace("#", "%23"), id="a link that was quoted"),
        pytest.param(f"http://127.0.0.1:8000/hub/login?next=%2Fx#token={TOKEN}", id="with next"),
    ],
)
def test_a_pasted_token_or_link_is_read(pasted: str) -> None:
    assert tokens.parse(pasted) == Token(ID, SECRET)


@pytest.mark.parametrize(
    "pasted",
    [
        pytest.param("", id="nothing"),
        pytest.param(TOKEN[:-1], id="one character short"),
        pytest.param(TOKEN + "a", id="one too many"),
        pytest.param(TOKEN.replace("k", "к"), id="a Cyrillic look-alike"),
        pytest.param(TOKEN.replace("2", "1"), id="a digit that no token has"),
        pytest.param(f"{TOKEN} {TOKEN}", id="two tokens"),
        pytest.param(TOKEN + " " * tokens.MAX_PASTED, id="too long to look at"),
    ],
)
def test_anything_else_is_no_token(pasted: str) -> None:
    assert tokens.parse(pasted) is None


@given(st.text(max_size=200))
def test_no_text_breaks_the_parser(text: str) -> None:
    assert tokens.parse(text) is None


def test_a_new_token_has_200_random_bits_and_comes_back_from_its_link() -> None:
    made = [tokens.new() for _ in range(200)]
    assert len({token.id for token in made}) == len({token.secret for token in made}) == 200
    for token in made:
        assert tokens.parse(tokens.link("https://room.example/", token)) == token
    bits = len(made[0].secret) * math.log2(len(set("".join(t.secret for t in made))))
    assert bits == 200


def test_only_the_right_secret_matches_the_digest() -> None:
    token = Token(ID, SECRET)
    assert token.matches(hashlib.sha256(SECRET.encode()).hexdigest())
    assert not Token(ID, SECRET[:-1] + "a").matches(token.digest)


def test_a_token_in_a_log_shows_its_public_half_only() -> None:
    assert SECRET not in f"{Token(ID, SECRET)!r}"
    assert ID in f"{Token(ID, SECRET)!r}"
