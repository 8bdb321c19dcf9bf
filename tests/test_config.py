"""Settings: where they are read from, and how invalid ones are reported."""

import os
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import certifi
import pytest
from limits import parse_many
from stage import SETTINGS

from catapult import config
from catapult.config import Allowed, ConfigError, Settings
from catapult.extensions import engine_options

SALT, SECRET = "s" * 32, "a secret"
TEAM = {"DATABASE_URL": "postgresql://u:pa55word@db/registry", "API_KEY_SALT": SALT, "SECRET_KEY": SECRET}
ORIGINS = ("https://a.example.com", "http://localhost:3000")
NETWORKS = tuple(map(ip_network, ("10.0.0.5/32", "10.1.0.0/16", "::1/128")))
HOSTS = ("ml.example.com", ".example.org", "[::1]")
PUBLIC_URLS = {
    "https://ml.example.com": "https://ml.example.com",
    "HTTPS://ML.Example.com:8443/Catapult/": "https://ml.example.com:8443/Catapult",
    "http://[::1]:8000/a/b.c_d~e-f": "http://[::1]:8000/a/b.c_d~e-f",
}
ALLOWED = {
    "10.0.0.0/8": ("", "10.0.0.0/8", None),
    "10.1.2.3:443": ("", "10.1.2.3/32", 443),
    "10.2.0.0/16:8443": ("", "10.2.0.0/16", 8443),
    "::1": ("", "::1/128", None),
    "fd00::/8": ("", "fd00::/8", None),
    "[FD00::7]:9000": ("", "fd00::7/128", 9000),
    "[fd00::/8]:443": ("", "fd00::/8", 443),
    "169.254.169.254": ("", "169.254.169.254/32", None),
    "Hooks.Corp": ("hooks.corp", None, None),
    "localhost:9000": ("localhost", None, 9000),
    "my_host.xn--bcher-kva.example": ("my_host.xn--bcher-kva.example", None, None),
}
RATES = ("50 per second", "50/second", "50 per second; 1000 per minute", "5 per 10 seconds")


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    monkeypatch.setenv("CATAPULT_HOME", str(tmp_path / "home"))


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):
    """A function that reads the settings from these variables."""

    def read(**variables: object) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        return config.load()

    return read


@pytest.fixture
def problems(load):
    """A function that returns the problems of these variables, by the name that each sentence begins with."""

    def read(**variables: object) -> dict[str, str]:
        with pytest.raises(ConfigError) as error:
            load(**variables)
        by_name = {problem.replace(":", " ").split()[0]: problem for problem in error.value.problems}
        assert len(by_name) == len(error.value.problems)
        assert str(error.value) == "\n".join(error.value.problems)
        return by_name

    return read


# --- reading


def test_without_any_setting_it_is_the_single_user_default(load, tmp_path):
    settings = load()
    assert settings.embedded
    assert settings.home == tmp_path / "home"
    assert str(settings.home / "postgres") in settings.database_url
    assert (settings.host, settings.port, settings.log_level) == ("127.0.0.1", 8000, "INFO")
    empty = (settings.cors_origins, settings.trusted_proxies, settings.trusted_hosts, settings.metrics_folder)
    assert empty == ((), (), (), None)
    assert 1 <= settings.workers <= 4
    assert settings.url == "http://127.0.0.1:8000"


def test_secrets_are_created_once_and_readable_by_their_owner_alone(load, tmp_path):
    first, second = load(), load()
    assert (first.api_key_salt, first.secret_key) == (second.api_key_salt, second.secret_key)
    assert len({first.api_key_salt, first.secret_key}) == 2
    assert min(len(first.api_key_salt), len(first.secret_key)) >= 32
    home = tmp_path / "home"
    assert {path.name for path in home.iterdir()} == {"api_key_salt", "secret_key"}
    assert [path.stat().st_mode & 0o777 for path in (home, *home.iterdir())] == [0o700, 0o600, 0o600]


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("HOST", "::", "host", "::"),
        ("PORT", "9000", "port", 9000),
        ("WEB_CONCURRENCY", "3", "workers", 3),
        ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("CORS_ORIGINS", "https://a.example.com, http://localhost:3000", "cors_origins", ORIGINS),
        ("TRUSTED_PROXIES", "10.0.0.5, 10.1.0.0/16,::1,", "trusted_proxies", NETWORKS),
        ("TRUSTED_HOSTS", " ML.example.com, .example.org ,[::1]", "trusted_hosts", HOSTS),
        *(("PUBLIC_URL", sent, "public_url", read) for sent, read in PUBLIC_URLS.items()),
        *(("RATE_LIMIT", rate, "rate_limit", rate) for rate in RATES),
        ("KEY_MAX_AGE", "90d", "key_max_age", timedelta(days=90)),
        ("ENVIRONMENT_ROLE", "admin", "environment_role", "admin"),
        ("MLFLOW_UI_URL", "https://mlflow.example.com/", "mlflow_ui_url", "https://mlflow.example.com"),
        (
            "EGRESS_ALLOW",
            "10.0.0.0/8, hooks.corp,",
            "egress_allow",
            tuple(map(Allowed.of, ("10.0.0.0/8", "hooks.corp"))),
        ),
        ("EGRESS_PROXY", "http://u:p%40ss@[::1]:3128/", "egress_proxy", "http://u:p%40ss@[::1]:3128/"),
        ("PROMETHEUS_MULTIPROC_DIR", "/metrics", "metrics_folder", Path("/metrics")),
    ],
)
def test_every_setting_is_read(load, name, text, field, value):
    assert getattr(load(**{name: text}), field) == value
    assert name != "RATE_LIMIT" or parse_many(value)  # as the limiter does


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
def test_the_url_can_be_opened_in_a_browser(load, host, url):
    assert load(HOST=host).url == url


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_a_database_url_names_its_driver(load, scheme):
    settings = load(**{**TEAM, "DATABASE_URL": f"{scheme}://u:p%40ss@db:5432/registry?sslmode=require"})
    assert settings.database_url == "postgresql+psycopg2://u:p%40ss@db:5432/registry?sslmode=require"


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_setting_is_not_set(load, name, empty):
    assert load() == load(**{name: empty, f"{name}_FILE": ""})


@pytest.mark.parametrize(("text", "parts"), ALLOWED.items())
def test_what_requests_may_reach_is_a_network_or_a_host_with_a_port_or_without(text, parts):
    host, network, port = parts
    assert Allowed.of(text) == (host, network and ip_network(network), port)


@pytest.mark.parametrize("name", ["EGRESS_CA", "EGRESS_CA_FILE"])
def test_authorities_come_from_a_file(load, name):
    assert load(**{name: certifi.where()}).egress_ca.strip() == Path(certifi.where()).read_text().strip()


def test_the_host_of_the_public_url_is_trusted_where_hosts_are(load):
    url = {"PUBLIC_URL": "https://ml.example.com:8443/catapult"}
    assert load(**url, TRUSTED_HOSTS="backend").trusted_hosts == ("backend", "ml.example.com")
    assert load(**url, TRUSTED_HOSTS="").trusted_hosts == ()


def test_no_variable_of_gunicorn_is_the_path(load):
    load(SCRIPT_NAME="/catapult")
    assert "SCRIPT_NAME" not in os.environ


def test_an_empty_number_of_workers_does_not_reach_gunicorn(load):
    load(WEB_CONCURRENCY=" ")
    assert "WEB_CONCURRENCY" not in os.environ  # gunicorn.config fails on it when it is imported
    load(WEB_CONCURRENCY="2")
    assert os.environ["WEB_CONCURRENCY"] == "2"


# --- files


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_team_sets_all_three_and_each_may_come_from_a_file(load, tmp_path, end):
    files = {f"{name}_FILE": tmp_path / name for name in TEAM}
    for file in files.values():
        file.write_text(TEAM[file.name] + end)
    from_files = load(**files)
    for name in files:
        os.environ.pop(name)
    assert from_files == load(**TEAM)
    assert (from_files.embedded, from_files.api_key_salt, from_files.secret_key) == (False, SALT, SECRET)
    assert not (tmp_path / "home").exists()


def test_a_setting_and_its_file_at_once_are_refused(problems, tmp_path):
    file = tmp_path / "salt"
    file.write_text("t" * 40)
    (problem,) = problems(**TEAM, API_KEY_SALT_FILE=file).values()
    assert "API_KEY_SALT_FILE" in problem
    assert "unset one" in problem


@pytest.mark.parametrize("name", TEAM)
def test_an_unusable_file_is_reported_and_its_setting_not_as_missing(problems, tmp_path, name):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe" * 40)
    rest = {other: value for other, value in TEAM.items() if other != name}
    for file in ("nowhere", ".", "empty", "binary", "empty/below"):
        ((first_word, problem),) = problems(**rest, **{f"{name}_FILE": tmp_path / file}).items()
        assert first_word == f"{name}_FILE"
        assert str(tmp_path / file) in problem


# --- invalid settings

INVALID = {
    "DATABASE_URL": [
        *("mysql://u:pa55word@db/registry", "sqlite:///registry.db", "postgresql+asyncpg://u@db/registry", "://"),
        *("db.example.com/registry", "postgresql://u@db:port/registry", "postgresql://u@[::1/registry", "postgresql"),
    ],
    "PORT": ["abc", "0", "-1", "70000", "65536", "80.5", "8000 9000", "0x50"],
    "WEB_CONCURRENCY": ["many", "0", "-2", "129", "1.5"],
    "LOG_LEVEL": ["LOUD"],
    "KEY_MAX_AGE": ["90", "0d", "-1d"],
    "ENVIRONMENT_ROLE": ["viewer", "Admin", "owner"],
    "MLFLOW_UI_URL": ["mlflow.example.com", "javascript:alert(1)", "https://u:pw@h", "https://h/#/x"],
    "CORS_ORIGINS": [
        *("example.com", "https://example.com/", "https://example.com/path", "ftp://x", "https://"),
        *("https://*.example.com", "https://a.example.com(:8080)?", "^https://a.com$"),  # patterns to flask-cors
    ],
    "TRUSTED_PROXIES": ["10.0.0.1/8", "nginx", "10.0.0.0/33", "*", "10.0.0.1:80", "10.0.0.1 10.0.0.2"],
    "TRUSTED_HOSTS": ["https://a.example.com", "a.example.com:80", "a.example.com/x", "*", "a..b", "a b"],
    "PUBLIC_URL": [
        *("ml.example.com", "/catapult", "ftp://ml.example.com", "https://", "https://a b", "https://h//x"),
        *("https://ml.example.com/a/../b", "https://ml.example.com/.", "https://ml.example.com/?x", "https://h/#x"),
        *("https://h/a%20b", "https://h/ü", "https://h/a\nb", "https://u@h", "https://h:port/", "https://h/x//"),
    ],
    "RATE_LIMIT": ["fast", "50", "0 per second", "-1 per second", "50 per week", "per second", "50 per second;"],
    "RATE_LIMIT_STORAGE": ["http://:pa55word@redis", "redis", "/tmp/redis.sock", "memcached://m"],
    "METRICS_KEY": ["pa55word", "pa55word pa55word"],
    "EGRESS_ALLOW": [
        *("10.0.0.1/8", "10.0.0.0/33", "*", "*.corp", "http://hooks.corp", "hooks.corp/path", "hooks.corp:0", "a..b"),
        *("hooks.corp:65536", "hooks.corp:", "[::1", "::1]:80", "127.1", "2130706433", "0x7f.1", "1.2.3.4.5"),
        *("bücher.corp", "169.254.0.0/16", "fe80::/10", "fe80::1%eth0", "a b", "-a.corp", "a-.corp", "hooks.corp."),
        "a" * 64 + ".corp",
    ],
    "EGRESS_PROXY": [
        *("proxy.corp:3128", "https://pa55word@proxy.corp:3128", "http://proxy.corp", "socks5://proxy.corp:1080"),
        *("http://:3128", "http://u:pa55word@proxy.corp:3128/x", "http://proxy.corp:0", "http://proxy.corp:99999"),
        *("http://[::1:3128", "http://proxy.corp:3128?pa55word", "http://u:pa55 word@proxy.corp:3128"),
        "http://u:pa/55@proxy.corp:3128",
    ],
    "EGRESS_CA": ["/nowhere/ca.pem", "/", "/dev/null", "-----BEGIN CERTIFICATE-----", "/etc/passwd"],
}
QUOTED = (
    *("LOG_LEVEL", "CORS_ORIGINS", "TRUSTED_PROXIES", "TRUSTED_HOSTS", "PUBLIC_URL", "RATE_LIMIT", "KEY_MAX_AGE"),
    *("ENVIRONMENT_ROLE", "MLFLOW_UI_URL", "EGRESS_ALLOW"),
)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in INVALID.items() for value in values])
def test_an_invalid_value_is_refused_alone_and_quoted_unless_it_may_hold_a_secret(problems, name, value):
    others = {"API_KEY_SALT": SALT, "SECRET_KEY": SECRET}
    ((first_word, problem),) = problems(**others, **{name: value}).items()
    assert first_word == name
    assert (repr(value) in problem) is (name in QUOTED)
    assert "pa55word" not in problem


@pytest.mark.parametrize(
    ("name", "valid"), [("CORS_ORIGINS", "https://a.com"), ("TRUSTED_PROXIES", "10.0.0.5"), ("TRUSTED_HOSTS", "a.com")]
)
def test_the_invalid_one_of_several_values_is_quoted(problems, name, valid):
    (problem,) = problems(**{name: f"{valid},{INVALID[name][0]}"}).values()
    assert repr(INVALID[name][0]) in problem
    assert repr(valid) not in problem


def test_every_problem_is_reported_at_once_with_what_to_do(problems, tmp_path):
    reported = problems(**{name: values[0] for name, values in INVALID.items()})
    assert set(reported) == {*INVALID, "API_KEY_SALT", "SECRET_KEY"}
    advice = {"DATABASE_URL": "postgresql://", "LOG_LEVEL": "DEBUG, INFO", "CORS_ORIGINS": "https://"}
    for name, words in {**advice, **dict.fromkeys(("API_KEY_SALT", "SECRET_KEY"), "python3 -c")}.items():
        assert words in reported[name]
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("missing", ["API_KEY_SALT", "SECRET_KEY"])
def test_a_missing_setting_of_a_team_is_reported(problems, missing):
    ((name, problem),) = problems(**{name: value for name, value in TEAM.items() if name != missing}).items()
    assert name == missing
    assert "not set" in problem


@pytest.mark.parametrize("team", [{}, TEAM])
@pytest.mark.parametrize("length", [1, 31])
def test_a_short_salt_is_refused_and_not_shown(problems, team, length):
    (problem,) = problems(**{**team, "API_KEY_SALT": "q" * length}).values()
    assert f"{length} characters" in problem
    assert "32 or more" in problem
    assert "q" * length not in problem or length == 1


def test_a_home_that_cannot_be_created_is_reported(problems, tmp_path):
    (tmp_path / "file").touch()
    assert "may write" in problems(CATAPULT_HOME=tmp_path / "file" / "home")["CATAPULT_HOME"]


# --- secrets


def test_no_secret_is_in_the_repr(load):
    ours = load()
    team = load(
        **TEAM,
        RATE_LIMIT_STORAGE="redis://:pa55word@r",
        METRICS_KEY="pa55word" * 2,
        EGRESS_PROXY="http://u:pa55word@proxy.corp:3128",
    )
    secrets = (SALT, f"'{SECRET}'", "pa55word", ours.api_key_salt, ours.secret_key)
    assert not [secret for secret in secrets if secret in f"{ours!r} {team!r}"]


@pytest.mark.parametrize("name", ["api_key_salt", "secret_key"])
def test_a_truncated_secret_is_reported_and_not_used(load, tmp_path, name):
    (tmp_path / name).write_text("")
    with pytest.raises(ConfigError, match=f"{name} contains no secret"):
        load(CATAPULT_HOME=tmp_path)


LIBPQ = {
    **dict.fromkeys(("PGCLIENTENCODING", "PGTZ", "PGDATESTYLE", "PGGEQO", "PGOPTIONS", "PGHOSTADDR", "PGSERVICE"), "x"),
    **dict.fromkeys(("PGUSER", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT", "PGHOST", "PGPORT"), "y"),
}


@pytest.mark.parametrize(
    ("url", "stays"),
    [
        ("postgresql://db/registry", {"PGUSER", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT", "PGHOST"}),
        ("postgresql:///registry?host=/tmp", {"PGUSER", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT", "PGHOST"}),
        ("postgresql:///registry", {"PGUSER", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT", "PGHOST", "PGPORT"}),
        ("", set()),
    ],
)
def test_what_libpq_would_read_beside_the_address_is_unset_unless_it_completes_it(load, monkeypatch, url, stays):
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    load(**{**TEAM, "DATABASE_URL": url}, **LIBPQ)
    assert {name for name in os.environ if name.startswith("PG")} == stays


def test_options_of_the_database_url_take_precedence():
    url = "postgresql+psycopg2://u@h/d?options=-csearch_path%3Dteam&application_name=mine&connect_timeout=9"
    arguments = engine_options(url)["connect_args"]
    assert arguments["options"].endswith(" -csearch_path=team")
    assert "statement_timeout" in arguments["options"]
    assert not {"application_name", "connect_timeout"} & set(arguments)
    assert arguments["client_encoding"] == "utf8"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"STORAGE_URL": "/srv/files"}, "STORAGE_URL is '/srv/files'"),
        ({"STORAGE_URL": "file://srv/files"}, "STORAGE_URL is 'file://srv/files'"),
        ({"STORAGE_URL": "s3://Bucket"}, "STORAGE_URL is 's3://Bucket'"),
        ({"S3_ENDPOINT_URL": "ceph:8443"}, "S3_ENDPOINT_URL is 'ceph:8443'"),
        ({"STORAGE_QUOTA": "10GB"}, "STORAGE_QUOTA is '10GB'"),
        ({"CEPH_MOUNT_PATH": "mnt"}, "CEPH_MOUNT_PATH is 'mnt'"),
        ({"FILES_URL": "files:8000"}, "FILES_URL is 'files:8000'"),
        ({"AWS_ACCESS_KEY_ID": "a"}, "belong together"),
    ],
)
def test_a_storage_that_cannot_be_is_named(settings, problem, monkeypatch):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=problem):
        config.load()


@pytest.mark.parametrize(
    ("size", "count"), [("12", 12), ("1KiB", 1024), ("100MiB", 100 * 1024**2), ("2TiB", 2 * 1024**4)]
)
def test_a_quota_is_a_number_of_bytes(size, count, monkeypatch):
    monkeypatch.setenv("STORAGE_QUOTA", size)
    assert config.load().storage_quota == count
