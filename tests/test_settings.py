"""Settings are read from the environment and from files of secrets, and a bad one is named."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from imagestore.settings import Settings
from imagestore.settings.variables import SECRET_FILE_CHARACTERS, InvalidSetting, environment_name, variables

pytestmark = pytest.mark.quick

SECRETS = (
    "secret_key",
    "admin_secret",
    "mongo_url",
    "redis_url",
    "alert_webhook",
    "purge_hook",
    "purge_hook_token",
    "purge_hook_headers",
    "access_secret",
)
URLS = {
    "mongo_url": "mongodb://user:hush@db/?replicaSet=rs0",
    "redis_url": "rediss://:hush@cache:6380/1",
    "alert_webhook": "https://hooks.example.com/hush",
    "purge_hook": "https://purge.example.com/hush",
}


def value_of(secret: str) -> str:
    if secret == "purge_hook_headers":
        return '{"X-Key": "hush"}'
    return URLS.get(secret, "hush, a secret of some length")


def refusal(**values: str) -> str:
    """What `Settings.load` says of settings given by their names in lower case."""
    with pytest.raises(InvalidSetting) as refused:
        Settings.load({f"IMAGESTORE_{name.upper()}": value for name, value in values.items()})
    return str(refused.value)


def test_nothing_set_gives_the_defaults() -> None:
    assert Settings.load({}) == Settings()
    assert Settings.load({"PATH": "/bin", "IMAGESTOREKEEPER": "x"}) == Settings()


def test_an_empty_value_counts_as_not_set() -> None:
    assert Settings.load({"IMAGESTORE_WORKERS": "", "IMAGESTORE_SECRET_KEY_FILE": ""}) == Settings()


def test_the_environment_of_this_process_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGESTORE_WORKERS", "7")
    assert Settings.load().workers == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bind", "8000"),
        ("bind", ":8000"),
        ("bind", "127.0.0.1:eighty"),
        ("bind", "127.0.0.1:65536"),
        ("workers", "0"),
        ("workers", "257"),
        ("workers", "two"),
        ("workers", "1.5"),
        ("store_timeout", "0"),
        ("store_timeout", "nan"),
        ("store_timeout", "soon"),
        ("log_level", "chatty"),
        ("cache_value_bytes", "1048577"),
        ("mongo_port", "-1"),
        ("trusted_proxies", "10.0.0.1/8"),
        ("trusted_proxies", "proxy.example.com"),
        ("allowed_hosts", "https://img.example.com"),
        ("rate_limit_address", "600"),
        ("rate_limit_writes", "0/minute"),
        ("rate_limit_failures", "5/fortnight"),
        ("alert_disk_used", "80"),
        ("alert_disk_used", "80,80"),
        ("alert_disk_used", "80,90,95"),
        ("alert_days_left", "30,soon"),
        ("alert_days_left", "-1,-7"),
        ("alert_days_left", "nan,inf"),
        ("upkeep_interval", "0"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_variable(name: str, value: str) -> None:
    told = refusal(**{name: value})
    assert told.startswith(f"IMAGESTORE_{name.upper()}: {value!r} cannot be used: ")
    assert "\n" not in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mongo_url", "http://user:hush@db/"),
        ("mongo_url", "mongodb://"),
        ("mongo_url", "mongodb://user:hu:sh@db/"),
        ("mongo_url", "mongodb://user:hu@sh@db/"),
        ("mongo_url", "mongodb://user:hush℀@db/"),
        ("mongo_url", "mongodb://user:hush@[db/"),
        ("redis_url", "http://:hush@cache"),
        ("redis_url", "redis://:hush℀@cache"),
        ("alert_webhook", "hooks.example.com/hush"),
        ("alert_webhook", "ftp://hooks.example.com/hush"),
        ("alert_webhook", "https:///hush"),
    ],
)
def test_a_bad_url_is_refused_without_showing_its_password(name: str, value: str) -> None:
    told = refusal(**{name: value})
    assert told.startswith(f"IMAGESTORE_{name.upper()}: the value given cannot be used: wants ")
    assert "hu" not in told


@pytest.mark.parametrize("name", ["no_such_thing", "workers_file", "bind_file", "secret_key_file_file"])
def test_a_name_that_means_nothing_is_refused(name: str) -> None:
    assert refusal(**{name: ""}).startswith(f"IMAGESTORE_{name.upper()} is not a setting")


def test_what_was_loaded_can_be_handed_on_as_an_environment() -> None:
    chosen = {"workers": 7, "redis_timeout": 0.25, "data": Path("elsewhere"), "log_level": "debug", **URLS}
    settings = replace(Settings(), **chosen)
    environment = settings.environment()
    assert Settings.load(environment) == settings
    assert set(environment) == {f"IMAGESTORE_{name.upper()}" for name in chosen}
    assert Settings().environment() == {}


@pytest.mark.parametrize("text", ["off", "30,7", "80,90", "0.5,0.1"])
def test_thresholds_are_shown_as_they_were_given(text: str) -> None:
    settings = Settings.load({"IMAGESTORE_ALERT_DAYS_LEFT": text})
    assert str(settings.alert_days_left) == text
    assert Settings.load(settings.environment()) == settings


def test_the_secrets_and_no_others_may_be_given_by_file() -> None:
    by_file = {each.name for each in fields(Settings) if len(variables(each)) == 2}
    assert by_file == set(SECRETS)
    for each in fields(Settings):
        name = environment_name(each)
        assert variables(each) in ((name,), (name, f"{name}_FILE"))


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_is_read_from_its_file(tmp_path: Path, secret: str, ending: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(f"{value_of(secret)}{ending}".encode())
    settings = Settings.load({f"IMAGESTORE_{secret.upper()}_FILE": str(file)})
    assert str(getattr(settings, secret)) == value_of(secret)
    assert settings == replace(Settings(), **{secret: getattr(settings, secret)})


def test_only_one_line_break_is_taken_off_a_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("  hush \n\n")
    settings = Settings.load({"IMAGESTORE_SECRET_KEY_FILE": str(tmp_path / "secret")})
    assert settings.secret_key == "  hush \n"


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_given_once(tmp_path: Path, secret: str) -> None:
    (tmp_path / "secret").write_text(value_of(secret))
    told = refusal(**{secret: value_of(secret), f"{secret}_file": str(tmp_path / "secret")})
    name = f"IMAGESTORE_{secret.upper()}"
    assert told == f"{name} and {name}_FILE are both set: set one of them."


def test_a_file_that_holds_no_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "long").write_text("x" * SECRET_FILE_CHARACTERS)
    for name, why in (
        ("missing", "cannot be read"),
        (".", "cannot be read"),
        ("nul\0", "not UTF-8"),
        ("binary", "not UTF-8"),
        ("empty", "empty or too long"),
        ("long", "empty or too long"),
    ):
        told = refusal(secret_key_file=f"{tmp_path}/{name}")
        assert told.startswith("IMAGESTORE_SECRET_KEY_FILE names a file that ")
        assert why in told
        assert str(tmp_path) not in told, "the path may be a secret in the wrong variable"


def test_a_bad_url_in_a_file_is_refused_by_the_name_of_the_file_variable(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("http://user:hush@db/")
    told = refusal(mongo_url_file=str(tmp_path / "secret"))
    assert told.startswith("IMAGESTORE_MONGO_URL_FILE: the value given cannot be used: wants ")
    assert "hush" not in told
