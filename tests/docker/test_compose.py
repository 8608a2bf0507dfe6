"""The compose files: valid by their schema, closed towards the world, in step with the rest of docker/."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from imagestore import __version__
from imagestore.app import FORM_SLACK
from imagestore.core.addresses import Networks
from imagestore.settings import MiB, Settings
from tests.docker.files import (
    CLUSTER,
    DOCKER,
    KNOWN_VARIABLES,
    SINGLE,
    compose,
    default_of,
    image_environment,
    service_nodes,
)

pytestmark = pytest.mark.quick

FILES = pytest.mark.parametrize("path", [SINGLE, CLUSTER], ids=lambda path: path.name)
SERVICES = pytest.mark.parametrize(
    "service",
    [
        pytest.param(each, id=f"{path.name}:{name}")
        for path in (SINGLE, CLUSTER)
        for name, each in compose(path)["services"].items()
    ],
)


@FILES
def test_the_file_keeps_the_schema_of_compose(path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@FILES
def test_every_reference_leads_somewhere(path: Path) -> None:
    content = compose(path)
    used: dict[str, set[str]] = {"networks": set(), "volumes": set(), "configs": set(), "secrets": set()}
    for service in content["services"].values():
        used["networks"] |= set(service["networks"])
        used["volumes"] |= {mount.partition(":")[0] for mount in service.get("volumes", ())}
        used["configs"] |= {each["source"] for each in service.get("configs", ())}
        used["secrets"] |= set(service.get("secrets", ()))
        assert set(service.get("depends_on", ())) <= set(content["services"])
    for kind, names in used.items():
        assert names == set(content[kind]), kind
    for each in content["configs"].values():
        assert (DOCKER / each["file"]).is_file()


@SERVICES
def test_a_service_is_confined_and_comes_back(service: dict[str, Any]) -> None:
    assert service["restart"] == "unless-stopped"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"memory", "pids"} <= set(service["deploy"]["resources"]["limits"])
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])
    assert "privileged" not in service
    assert "network_mode" not in service


@SERVICES
def test_an_image_has_a_tag_a_user_and_a_health_check(service: dict[str, Any]) -> None:
    name, _, tag = service["image"].partition(":")
    assert re.search(r"\d+\.\d+", tag), name
    ours = "build" in service  # the image brings its user and its health check
    assert not ours or service["image"] == f"imagestore:{__version__}"
    assert ours or re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert ours or service["healthcheck"]["test"][0] == "CMD"
    for dependency in service.get("depends_on", {}).values():
        assert dependency["condition"] == "service_healthy"


@FILES
def test_only_the_front_is_published_and_only_to_this_machine(path: Path) -> None:
    content = compose(path)
    published = {name: each["ports"] for name, each in content["services"].items() if "ports" in each}
    assert list(published) == ["imagestore" if path == SINGLE else "nginx"]
    for port, s3_port in published.values():
        assert port.startswith("${PUBLISH:-127.0.0.1:")
        assert s3_port.startswith("${PUBLISH_S3:-127.0.0.1:")
        assert s3_port.endswith(image_environment()["IMAGESTORE_S3_BIND"].removeprefix("0.0.0.0"))
    for name, each in content["services"].items():
        if name.startswith(("mongo", "redis")):
            assert each["networks"] == ["backend"]
    assert content["networks"]["backend"]["internal"] is True
    assert "backend" not in content["services"].get("nginx", {"networks": []})["networks"]


@FILES
def test_every_variable_is_a_setting_and_secrets_come_by_file(path: Path) -> None:
    assert set(re.findall(r"\bIMAGESTORE_[A-Z0-9_]*[A-Z]", path.read_text())) <= KNOWN_VARIABLES
    nodes = service_nodes(compose(path))
    for node in nodes.values():
        environment = node["environment"]
        by_file = {name: value for name, value in environment.items() if name.endswith("_FILE")}
        assert set(by_file) == {"IMAGESTORE_SECRET_KEY_FILE", "IMAGESTORE_ADMIN_SECRET_FILE"}
        assert set(by_file.values()) == {f"/run/secrets/{name}" for name in node["secrets"]}
        others = {name: value for name, value in environment.items() if name not in by_file}
        left_open = {name: default_of(value) for name, value in others.items()}
        Settings.load(others | left_open | image_settings())
        [mount] = node["volumes"]
        assert mount.partition(":")[2] == image_environment()["IMAGESTORE_DATA"]
    assert len({str(node["environment"]) for node in nodes.values()}) == 1, "nodes share their keys"


def image_settings() -> dict[str, str]:
    return {name: value for name, value in image_environment().items() if name.startswith("IMAGESTORE_")}


@FILES
def test_the_urls_name_the_servers_that_are_there(path: Path) -> None:
    content = compose(path)
    members = {f"{name}:27017" for name in content["services"] if name.startswith("mongo")}
    [founder] = [
        each for each in content["services"].values() if "REPLICA_SET_MEMBERS" in each.get("environment", {})
    ]
    assert set(founder["environment"]["REPLICA_SET_MEMBERS"].split(",")) == members
    for node in service_nodes(content).values():
        url = node["environment"]["IMAGESTORE_MONGO_URL"]
        hosts, _, replica_set = url.removeprefix("mongodb://").partition("/?replicaSet=")
        assert set(hosts.split(",")) == members
        assert f"--replSet={replica_set}" in founder["command"]
        assert f'_id: "{replica_set}"' in (DOCKER / "replica-set.js").read_text()
        caches = [f"{name}:6379" for name in content["services"] if name.startswith("redis")]
        scheme, database = ("redis", "/0") if path == SINGLE else ("redis+cluster", "")
        assert node["environment"]["IMAGESTORE_REDIS_URL"] == f"{scheme}://{','.join(caches)}{database}"
        assert {name for name in content["services"] if name.startswith(("mongo", "redis"))} == set(
            node["depends_on"]
        )
    assert len(members) == (1 if path == SINGLE else 3)


def test_what_both_files_share_is_the_same() -> None:
    single, cluster = compose(SINGLE)["services"], compose(CLUSTER)["services"]
    for key in ("image", "user", "deploy", "networks"):
        assert all(single["redis"][key] == cluster[f"redis{number}"][key] for number in (1, 2, 3)), key
    for key in ("image", "command", "healthcheck", "user", "deploy", "tmpfs", "configs"):
        assert all(single["mongo"][key] == cluster[f"mongo{number}"][key] for number in (1, 2, 3)), key
    for key in ("image", "build", "secrets", "deploy", "ulimits", "stop_grace_period"):
        assert all(
            single["imagestore"][key] == node[key] for node in service_nodes(compose(CLUSTER)).values()
        ), key


def test_every_server_of_the_redis_cluster_knows_itself_and_the_others() -> None:
    servers = {name: each for name, each in compose(CLUSTER)["services"].items() if name.startswith("redis")}
    members = [f"{name}:6379" for name in servers]
    assert len(members) == 3
    for name, each in servers.items():
        assert each["environment"] == {"CLUSTER_MEMBERS": " ".join(members), "CLUSTER_MEMBER": f"{name}:6379"}
        assert each["command"][:4] == [
            "redis-server",
            "/etc/imagestore/redis.conf",
            "--cluster-enabled",
            "yes",
        ]
        assert each["command"][-2:] == ["--cluster-announce-hostname", name]
        assert each["volumes"] == [f"{name}:/data"]
        assert each["healthcheck"]["test"][-1].endswith("/redis-cluster.sh")


def nginx(directive: str) -> list[str]:
    return re.findall(rf"^\s*{directive} ([^;{{]+);", (DOCKER / "nginx.conf").read_text(), re.MULTILINE)


def test_nginx_stands_before_every_node_and_takes_every_upload() -> None:
    names = service_nodes(compose(CLUSTER))
    nodes = {f"{name}:{port}" for name in names for port in (8000, 9000)}
    assert {server.split()[0] for server in nginx("server")} == nodes
    assert set(compose(CLUSTER)["services"]["nginx"]["depends_on"]) == set(service_nodes(compose(CLUSTER)))
    size, of_objects = nginx("client_max_body_size")
    assert int(size.removesuffix("m")) * MiB > Settings().upload_bytes + FORM_SLACK
    assert of_objects == "0", "no bound but the service's"
    for published, port in zip(compose(CLUSTER)["services"]["nginx"]["ports"], nginx("listen"), strict=True):
        assert published.endswith(f":{port}")


def test_nginx_changes_no_path_and_sends_nothing_twice_that_must_not_be() -> None:
    assert nginx("proxy_pass") == ["http://imagestore", "http://s3"], (
        "a path here would replace the one that was signed"
    )
    assert nginx("merge_slashes") == ["off"]
    assert nginx("proxy_next_upstream") == ["error timeout"]
    assert nginx("proxy_http_version") == ["1.1"]
    assert "Host $http_host" in nginx("proxy_set_header")
    *upstreams, _ = nginx("keepalive_timeout")
    assert len(upstreams) == 2
    assert all(int(each.removesuffix("s")) < Settings().keepalive for each in upstreams)


def test_the_nodes_believe_nginx_and_nginx_believes_no_client() -> None:
    said = dict(line.split(" ", 1) for line in nginx("proxy_set_header"))
    assert {name: value for name, value in said.items() if name.startswith("X-Forwarded")} == {
        "X-Forwarded-For": "$remote_addr",
        "X-Forwarded-Proto": "$scheme",
        "X-Forwarded-Host": "$http_host",
    }
    content = compose(CLUSTER)
    for node in service_nodes(content).values():
        assert "ports" not in node, "clients come through nginx alone"
        trusted = Networks.parse(node["environment"]["IMAGESTORE_TRUSTED_PROXIES"])
        assert all(network.is_private and not network.is_loopback for network in trusted.members)
    within = {name for name, each in content["services"].items() if "service" in each["networks"]}
    assert within == {"nginx", *service_nodes(content)}
    [node] = service_nodes(compose(SINGLE)).values()
    assert node["environment"]["IMAGESTORE_TRUSTED_PROXIES"] == "${TRUSTED_PROXIES:-}", (
        "clients may come directly"
    )


def test_secrets_are_made_once_and_kept_from_others(tmp_path: Path) -> None:
    script = shutil.copy(DOCKER / "make-secrets", tmp_path)
    assert os.access(script, os.X_OK)
    for _ in range(2):
        told = subprocess.run(
            [script], cwd="/", capture_output=True, text=True, check=True, timeout=60
        ).stdout
    assert told == "", "the second run makes nothing"
    folder = tmp_path / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    made = {file.name: file.read_text() for file in folder.iterdir()}
    assert set(made) == set(compose(SINGLE)["secrets"])
    assert len(set(made.values())) == len(made)
    assert all(re.fullmatch(r"[\w-]{43}", secret) for secret in made.values())
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o444}
    assert "secrets/" in (DOCKER / ".gitignore").read_text().splitlines()


def test_no_file_names_a_machine_of_its_makers() -> None:
    for file in (each for each in DOCKER.iterdir() if each.is_file()):
        assert not re.search(r"/work/|/root/|/home/\w|--index-url|find-links", file.read_text()), file
