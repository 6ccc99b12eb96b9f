"""Addresses: patterns, and what of an address may be shown."""

from __future__ import annotations

import os

import pytest

from doldrum.errors import InputError
from doldrum.remote import expanded, find_shards, is_pattern, redacted, scrubbed


def test_patterns_count_with_their_zeros_and_keep_the_query() -> None:
    found = expanded("https://h/{a,b}/s-{0098..0101}.tar?sig={1..2}")
    assert len(found) == 8
    assert found[0] == "https://h/a/s-0098.tar?sig={1..2}"
    assert found[-1] == "https://h/b/s-0101.tar?sig={1..2}"
    assert expanded("s3://b/x-{8..11}.tar") == [f"s3://b/x-{i}.tar" for i in (8, 9, 10, 11)]


@pytest.mark.parametrize("wrong", ["s-{9..1}.tar", "s-{0..99999999}.tar", "{0..9999}{0..9999}.tar"])
def test_patterns_of_nothing_or_too_much_are_refused(wrong) -> None:
    with pytest.raises(InputError, match=r"expected a (range|pattern)"):
        expanded(wrong)


def test_a_file_with_braces_is_a_file(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "{a,b}.tar").touch()
    assert not is_pattern("{a,b}.tar")
    assert is_pattern("{a,c}.tar")
    assert [s.name for s in find_shards("{a,b}.tar").shards] == ["{a,b}.tar"]
    with pytest.raises(InputError, match="names each shard once"):
        find_shards("{x,x}.tar")


@pytest.mark.parametrize(
    "address",
    [
        "https://me:hunter22@host:8443/a/b.tar", "s3://key:hunter22@bucket/a.tar", "https://host/a?X-Amz-Signature=hunter22",
        "https://host/a#hunter22", "https://hunter22@host/a", "HTTPS://me:hunter22@host/a?hunter22",
        "https://me:p@hunter22@host/a", "https://host?token=hunter22",
    ],
)  # fmt: skip
def test_no_secret_is_shown(address) -> None:
    assert "hunter22" not in redacted(address)
    said = f"GET {address} failed: Cannot connect to '{address}', url=URL(\"{address}\"), see <{address}>"
    assert "hunter22" not in scrubbed(said)
    assert "failed: Cannot connect" in scrubbed(said)
    assert redacted(redacted(address)) == redacted(address)


def test_what_is_no_secret_stays() -> None:
    for address in ("s3://bucket/a@2x/b.tar", "photos/a?b.tar", "gs://b", "https://host:80/a/b"):
        assert redacted(address) == address
    assert "wJalrXUtnFEMI" not in scrubbed(f"for {os.environ.get('NONE', 'x')}")


def test_secrets_of_the_environment_are_not_shown(monkeypatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    assert scrubbed("signed with wJalrXUtnFEMI, refused") == "signed with …, refused"
