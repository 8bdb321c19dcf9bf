"""Settings: what is read, from where, and what is said when they are wrong."""

import os
from pathlib import Path

import pytest
from limits import parse_many

from catapult import config
from catapult.config import ConfigError, Settings
from catapult.extensions import engine_options

SALT, SECRET = "s" * 32, "a secret"
TEAM = {"DATABASE_URL": "postgresql://u:pa55word@db/registry", "API_KEY_SALT": SALT, "SECRET_KEY": SECRET}
TRUST = ("TRUSTED_PROXIES", "TRUSTED_HOSTS")
METRICS = ("METRICS_KEY", "PROMETHEUS_MULTIPROC_DIR")
RATES = ("RATE_LIMIT", "RATE_LIMIT_STORAGE")
NAMES = (
    *TEAM,
    "CATAPULT_HOME",
    "HOST",
    "PORT",
    "WEB_CONCURRENCY",
    "LOG_LEVEL",
    "CORS_ORIGINS",
    *TRUST,
    *RATES,
    *METRICS,
)


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    monkeypatch.setenv("CATAPULT_HOME", str(tmp_path / "home"))


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):
    """Read the settings from these variables."""

    def read(**variables: object) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        return config.load()

    return read


@pytest.fixture
def problems(load):
    """What is wrong with these variables, by the name that each sentence begins with."""

    def read(**variables: object) -> dict[str, str]:
        with pytest.raises(ConfigError) as wrong:
            load(**variables)
        found = {problem.replace(":", " ").split()[0]: problem for problem in wrong.value.problems}
        assert len(found) == len(wrong.value.problems)
        assert str(wrong.value) == "\n".join(wrong.value.problems)
        return found

    return read


# --- what is read


def test_without_any_setting_it_is_the_single_user_default(load, tmp_path):
    settings = load()
    assert settings.embedded
    assert settings.home == tmp_path / "home"
    assert str(settings.home / "postgres") in settings.database_url
    assert (settings.host, settings.port, settings.log_level) == ("127.0.0.1", 8000, "INFO")
    assert settings.cors_origins == ()
    assert 1 <= settings.workers <= 4
    assert settings.url == "http://127.0.0.1:8000"


def test_secrets_are_made_once_and_kept_for_their_owner_alone(load, tmp_path):
    first, second = load(), load()
    assert (first.api_key_salt, first.secret_key) == (second.api_key_salt, second.secret_key)
    assert len({first.api_key_salt, first.secret_key}) == 2
    assert min(len(first.api_key_salt), len(first.secret_key)) >= 32
    home = tmp_path / "home"
    assert {path.name for path in home.iterdir()} == {"api_key_salt", "secret_key"}
    assert [path.stat().st_mode & 0o777 for path in (home, *home.iterdir())] == [0o700, 0o600, 0o600]


def test_a_team_sets_all_three_and_nothing_is_made(load, tmp_path):
    settings = load(**TEAM)
    assert not settings.embedded
    assert (settings.api_key_salt, settings.secret_key) == (SALT, SECRET)
    assert not (tmp_path / "home").exists()


def test_every_setting_is_read(load):
    settings = load(
        **TEAM,
        HOST="::",
        PORT="9000",
        WEB_CONCURRENCY="3",
        LOG_LEVEL="debug",
        CORS_ORIGINS="https://ml.example.com, http://localhost:3000",
    )
    assert (settings.host, settings.port, settings.workers, settings.log_level) == ("::", 9000, 3, "DEBUG")
    assert settings.cors_origins == ("https://ml.example.com", "http://localhost:3000")
    assert (settings.trusted_proxies, settings.trusted_hosts) == ((), ())


def test_what_is_trusted_is_read(load):
    settings = load(TRUSTED_PROXIES="10.0.0.5, 10.1.0.0/16,::1,", TRUSTED_HOSTS=" ML.example.com, .example.org ,[::1]")
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.5/32", "10.1.0.0/16", "::1/128"]
    assert settings.trusted_hosts == ("ml.example.com", ".example.org", "[::1]")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://localhost:8000"),
        ("::", "http://localhost:8000"),
        ("::1", "http://[::1]:8000"),
        ("ml.example.com", "http://ml.example.com:8000"),
    ],
)
def test_the_address_is_one_to_open(load, host, url):
    assert load(HOST=host).url == url


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_a_database_address_names_its_driver_however_it_is_written(load, scheme):
    settings = load(**{**TEAM, "DATABASE_URL": f"{scheme}://u:p%40ss@db:5432/registry?sslmode=require"})
    assert settings.database_url == "postgresql+psycopg2://u:p%40ss@db:5432/registry?sslmode=require"


@pytest.mark.parametrize("name", NAMES[:3] + NAMES[4:])
@pytest.mark.parametrize("nothing", ["", "  "])
def test_what_is_empty_is_as_not_set(load, name, nothing):
    kept = ("host", "port", "workers", "log_level", "cors_origins", "embedded")
    before, after = load(), load(**{name: nothing, f"{name}_FILE": ""})
    assert [getattr(after, field) for field in kept] == [getattr(before, field) for field in kept]
    assert (after.api_key_salt, after.secret_key) == (before.api_key_salt, before.secret_key)


@pytest.mark.parametrize("nothing", ["", "  "])
def test_an_empty_number_of_workers_does_not_reach_gunicorn(load, nothing):
    load(WEB_CONCURRENCY=nothing)
    assert "WEB_CONCURRENCY" not in os.environ  # gunicorn.config takes "" for a number when it is imported
    load(WEB_CONCURRENCY="2")
    assert os.environ["WEB_CONCURRENCY"] == "2"


# --- files


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_each_of_the_three_may_come_from_a_file(load, tmp_path, end):
    files = {}
    for name, value in TEAM.items():
        files[f"{name}_FILE"] = tmp_path / name
        files[f"{name}_FILE"].write_text(value + end)
    from_files = load(**files)
    for name in files:
        os.environ.pop(name)
    assert from_files == load(**TEAM)


def test_a_file_and_the_setting_itself_at_once_are_refused(problems, tmp_path):
    file = tmp_path / "salt"
    file.write_text("t" * 40)
    (problem,) = problems(**TEAM, API_KEY_SALT_FILE=file).values()
    assert "API_KEY_SALT_FILE" in problem
    assert "unset one" in problem


@pytest.mark.parametrize("name", TEAM)
def test_a_file_that_cannot_be_used_is_named_and_not_also_called_missing(problems, tmp_path, name):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe" * 40)
    rest = {other: value for other, value in TEAM.items() if other != name}
    for file in ("nowhere", ".", "empty", "binary", "empty/below"):
        found = problems(**rest, **{f"{name}_FILE": tmp_path / file})
        assert list(found) == [f"{name}_FILE"]
        assert str(tmp_path / file) in found[f"{name}_FILE"]


# --- what is wrong


def test_everything_that_is_wrong_is_named_at_once_with_what_to_do(problems):
    found = problems(
        DATABASE_URL="mysql://u:pa55word@db/registry",
        PORT="abc",
        WEB_CONCURRENCY="many",
        LOG_LEVEL="loud",
        CORS_ORIGINS="example.com",
        TRUSTED_PROXIES="10.0.0.1/8",
        TRUSTED_HOSTS="https://ml.example.com",
        RATE_LIMIT="fast",
        RATE_LIMIT_STORAGE="http://:pa55word@redis",
        METRICS_KEY="pa55word",
    )
    assert set(found) == {
        *(*TEAM, "PORT", "WEB_CONCURRENCY", "LOG_LEVEL", "CORS_ORIGINS", *TRUST, *RATES, "METRICS_KEY"),
    }
    assert "postgresql://" in found["DATABASE_URL"]
    assert "python3 -c" in found["API_KEY_SALT"]
    assert "python3 -c" in found["SECRET_KEY"]
    assert "DEBUG, INFO" in found["LOG_LEVEL"]
    assert "https://" in found["CORS_ORIGINS"]
    assert "pa55word" not in str(found)


@pytest.mark.parametrize("missing", ["API_KEY_SALT", "SECRET_KEY"])
def test_what_a_team_has_not_set_is_named(problems, missing):
    found = problems(**{name: value for name, value in TEAM.items() if name != missing})
    assert list(found) == [missing]
    assert "not set" in found[missing]


@pytest.mark.parametrize("team", [{}, TEAM])
@pytest.mark.parametrize("length", [1, 31])
def test_a_short_salt_is_refused_and_not_shown(problems, team, length):
    (problem,) = problems(**{**team, "API_KEY_SALT": "q" * length}).values()
    assert f"{length} characters" in problem
    assert "32 or more" in problem
    assert "q" * length not in problem.replace("API_KEY_SALT", "") or length == 1


@pytest.mark.parametrize("port", ["abc", "0", "-1", "70000", "65536", "80.5", "8000 9000", "0x50"])
def test_a_port_is_a_number_that_a_port_can_be(problems, port):
    assert list(problems(PORT=port)) == ["PORT"]


@pytest.mark.parametrize("workers", ["0", "-2", "two", "129", "1.5"])
def test_workers_are_a_number_above_nought(problems, workers):
    assert list(problems(WEB_CONCURRENCY=workers)) == ["WEB_CONCURRENCY"]


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u@db/registry",
        "sqlite:///registry.db",
        "postgresql+asyncpg://u@db/registry",
        "db.example.com/registry",
        "postgresql://u@db:port/registry",
        "postgresql://u@[::1/registry",
        "postgresql",
        "://",
    ],
)
def test_what_is_no_postgresql_address_is_refused(problems, url):
    assert list(problems(**{**TEAM, "DATABASE_URL": url})) == ["DATABASE_URL"]


@pytest.mark.parametrize(
    "origin", ["example.com", "https://example.com/", "https://example.com/path", "ftp://x", "https://"]
)
def test_an_origin_is_a_scheme_and_a_host_and_nothing_more(problems, origin):
    (problem,) = problems(CORS_ORIGINS=f"https://fine.example.com,{origin}").values()
    assert repr(origin) in problem


@pytest.mark.parametrize("proxy", ["nginx", "10.0.0.0/33", "10.0.0.1/8", "*", "10.0.0.1:80", "10.0.0.1 10.0.0.2"])
def test_a_trusted_proxy_is_an_address_or_a_network(problems, proxy):
    (problem,) = problems(TRUSTED_PROXIES=f"10.0.0.5,{proxy}").values()
    assert repr(proxy) in problem


@pytest.mark.parametrize("host", ["https://a.example.com", "a.example.com:80", "a.example.com/x", "*", "a..b", "a b"])
def test_a_trusted_host_is_a_name_without_scheme_and_port(problems, host):
    (problem,) = problems(TRUSTED_HOSTS=f"fine.example.com,{host}").values()
    assert repr(host) in problem


@pytest.mark.parametrize("limit", ["50 per second", "50/second", "50 per second; 1000 per minute", "5 per 10 seconds"])
def test_a_rate_is_a_number_and_a_time(load, limit):
    assert load(RATE_LIMIT=limit).rate_limit == limit
    assert parse_many(limit)


@pytest.mark.parametrize(
    "limit", ["50", "0 per second", "-1 per second", "50 per week", "per second", "50 per second;"]
)
def test_any_other_rate_is_refused(problems, limit):
    (problem,) = problems(RATE_LIMIT=limit).values()
    assert repr(limit) in problem


@pytest.mark.parametrize("storage", ["http://redis", "redis", "/tmp/redis.sock", "memcached://m"])
def test_rates_are_shared_by_redis_alone(problems, storage):
    assert list(problems(RATE_LIMIT_STORAGE=storage)) == ["RATE_LIMIT_STORAGE"]


def test_where_workers_share_figures_can_be_said(load, tmp_path):
    assert load().metrics_folder is None
    assert load(PROMETHEUS_MULTIPROC_DIR=tmp_path / "figures").metrics_folder == tmp_path / "figures"


def test_a_home_that_cannot_be_made_is_named(problems, tmp_path):
    (tmp_path / "file").touch()
    found = problems(CATAPULT_HOME=tmp_path / "file" / "home")
    assert list(found) == ["CATAPULT_HOME"]
    assert "may write" in found["CATAPULT_HOME"]


def test_wrong_settings_make_no_home(problems, tmp_path):
    problems(PORT="abc")
    assert not (tmp_path / "home").exists()


# --- secrets


def test_no_secret_is_in_the_repr(load):
    shown = repr(load(**TEAM, RATE_LIMIT_STORAGE="redis://:pa55word@r", METRICS_KEY="pa55word" * 2)) + str(load())
    assert not [secret for secret in (SALT, f"'{SECRET}'", "pa55word") if secret in shown]
    settings = load()
    assert not [secret for secret in (settings.api_key_salt, settings.secret_key) if secret in repr(settings)]


@pytest.mark.parametrize("name", ["api_key_salt", "secret_key"])
def test_a_kept_secret_that_was_cut_off_is_told_and_not_used(tmp_path, monkeypatch, name):
    monkeypatch.setenv("CATAPULT_HOME", str(tmp_path))
    (tmp_path / name).write_text("")
    with pytest.raises(ConfigError, match=f"{name} holds no secret"):
        config.load()


@pytest.mark.parametrize("origin", ["https://*.example.com", "https://a.example.com(:8080)?", "^https://a.com$"])
def test_an_origin_that_would_be_a_pattern_is_refused(tmp_path, monkeypatch, origin):
    monkeypatch.setenv("CATAPULT_HOME", str(tmp_path))
    monkeypatch.setenv("CORS_ORIGINS", origin)
    with pytest.raises(ConfigError, match="CORS_ORIGINS"):
        config.load()


def test_what_the_address_says_of_the_connection_is_kept():
    url = "postgresql+psycopg2://u@h/d?options=-csearch_path%3Dteam&application_name=mine&connect_timeout=9"
    arguments = engine_options(url)["connect_args"]
    assert arguments["options"].endswith(" -csearch_path=team")
    assert "statement_timeout" in arguments["options"]
    assert not {"application_name", "connect_timeout"} & set(arguments)
