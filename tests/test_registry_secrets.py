"""The secrets of image registries: which file or variable a name leads to, and that it leads nowhere else."""

import os

import pytest

from catapult import config
from catapult.config import RegistrySecrets, SecretMissing

SECRET = "pa55word-of-ghcr"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir()
    (tmp_path / "outside").write_text(SECRET)
    return folder


def missing(secrets, name):
    """The message that there is no such secret."""
    with pytest.raises(SecretMissing) as error:
        secrets.get(name)
    assert SECRET not in str(error.value) + repr(error.value.__cause__) + repr(secrets)
    return str(error.value)


def test_a_file_comes_before_a_variable(folder):
    secrets = RegistrySecrets(folder, {"REGISTRY_SECRET_GHCR_IO": "of the variable\n"})
    for name in ("ghcr.io", "ghcr-io", "GHCR_io"):
        assert secrets.get(name) == "of the variable"
    for content, secret in (("a\n", "a"), ("a\r\n", "a"), (" a b ", " a b "), ("a\nb\n", "a\nb")):
        (folder / "ghcr.io").write_bytes(content.encode())
        assert (secrets.get("ghcr.io"), secrets.get("ghcr-io")) == (secret, "of the variable")
    (folder / "ghcr.io").unlink()
    assert secrets.get("ghcr.io") == "of the variable"


@pytest.mark.parametrize("name", ["../outside", "sub/inner", ".hidden", "..", "", "/etc/passwd", "nothing", "ghcr\0"])
def test_a_name_leads_out_of_no_folder(folder, name):
    (folder / "sub").mkdir()
    (folder / "sub" / "inner").write_text(SECRET)
    (folder / ".hidden").write_text(SECRET)
    missing(RegistrySecrets(folder), name)


def test_a_link_leads_to_a_file_of_the_folder_alone(folder):
    (folder / "..data").mkdir()  # as Kubernetes mounts secrets
    (folder / "..data" / "ghcr").write_text("kept")
    (folder / "ghcr").symlink_to("..data/ghcr")
    assert RegistrySecrets(folder).get("ghcr") == "kept"
    (folder / "out").symlink_to(folder.parent / "outside")
    (folder / "loop").symlink_to("loop")
    assert "no regular file in that folder" in missing(RegistrySecrets(folder), "out")
    missing(RegistrySecrets(folder), "loop")


def test_only_a_regular_file_of_text_is_read(folder):
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    (folder / "large").write_bytes(SECRET.encode() * 5_000)
    (folder / "full").write_bytes(b"x" * 65_536)
    (folder / "binary").write_bytes(SECRET.encode() + b"\xff")
    (folder / "empty").write_bytes(b"\n")
    secrets = RegistrySecrets(folder, {"REGISTRY_SECRET_PIPE": SECRET})
    for name, message in {
        "pipe": "no regular file",
        "folder": "no regular file",
        "large": "larger than 64 KiB",
        "binary": "not text in UTF-8",
        "empty": "There is no secret empty",
    }.items():
        assert message in missing(secrets, name)
    assert len(secrets.get("full")) == 65_536


def test_a_folder_that_is_not_there_leaves_the_variables(tmp_path):
    secrets = RegistrySecrets(tmp_path / "nowhere", {"REGISTRY_SECRET_A": "a"})
    assert secrets.get("a") == "a"
    assert "as the file b in the folder REGISTRY_SECRETS, or as the variable REGISTRY_SECRET_B." in missing(
        secrets, "b"
    )
    assert "REGISTRY_SECRETS, which is not set, or" in missing(RegistrySecrets(), "b")


def test_the_settings_have_every_variable_and_show_none(monkeypatch, tmp_path, folder):
    monkeypatch.setenv("CATAPULT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REGISTRY_SECRETS", str(folder))
    monkeypatch.setenv("REGISTRY_SECRET_GHCR", SECRET)
    monkeypatch.setenv("REGISTRY_API_KEY", "another")
    settings = config.load()
    assert settings.registry_secrets == RegistrySecrets(folder, {"REGISTRY_SECRET_GHCR": SECRET})
    assert settings.registry_secrets.get("ghcr") == SECRET
    assert SECRET not in repr(settings)
