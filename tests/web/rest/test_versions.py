"""REST over HTTP: an image's versions."""

import httpx
import pytest

from tests import pictures
from tests.web.answers import check_error


@pytest.fixture
def history(rest: httpx.Client, images: str) -> list[dict]:
    """Five versions of `a/b`, the oldest first."""
    made = [rest.put(f"{images}/a/b", content=pictures.gif(seed=seed)).json() for seed in range(5)]
    assert len({each["version"] for each in made}) == 5
    return made


def numbers(answer: httpx.Response) -> list[int]:
    return [each["version"] for each in answer.json()["versions"]]


def test_versions_are_listed_newest_first_in_pages(
    rest: httpx.Client, images: str, history: list[dict]
) -> None:
    expected = [each["version"] for each in reversed(history)]
    assert expected == sorted(expected, reverse=True)
    whole = rest.get(f"{images}/a/b/versions")
    assert (numbers(whole), whole.json()["next"]) == (expected, None)
    first = rest.get(f"{images}/a/b/versions", params={"limit": 2})
    second = rest.get(f"{images}/a/b/versions", params={"limit": 2, "before": first.json()["next"]})
    third = rest.get(f"{images}/a/b/versions", params={"limit": 2, "before": second.json()["next"]})
    assert [numbers(first), numbers(second), numbers(third)] == [expected[:2], expected[2:4], expected[4:]]
    assert third.json()["next"] is None
    assert numbers(rest.get(f"{images}/a/b/versions", params={"before": expected[-1]})) == []


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "before=-1", "before=x", "before=1e3", "after=1"])
def test_a_bad_query_is_refused(rest: httpx.Client, images: str, history: list[dict], query: str) -> None:
    check_error(rest.get(f"{images}/a/b/versions?{query}"), 400, "invalid_parameter")


def test_each_version_is_shown_and_delivered(rest: httpx.Client, images: str, history: list[dict]) -> None:
    for seed, made in enumerate(history):
        shown = rest.get(f"{images}/a/b/versions/{made['version']}")
        facts = {name: value for name, value in made.items() if name not in ("url", "tags", "context")}
        assert (shown.status_code, shown.json()) == (200, facts)
        assert rest.get(made["version_url"]).content == pictures.gif(seed=seed)


def test_what_is_no_version_is_not_found(rest: httpx.Client, images: str, history: list[dict]) -> None:
    for number in (0, 1, history[-1]["version"] + 1, 10**15 - 1):
        for answer in (
            rest.get(f"{images}/a/b/versions/{number}"),
            rest.delete(f"{images}/a/b/versions/{number}"),
            rest.post(f"{images}/a/b/versions/{number}/restore"),
        ):
            check_error(answer, 404, "version_not_found")
    check_error(rest.get(f"{images}/other/versions"), 404, "image_not_found")
    check_error(rest.get(f"{images}/a/b/versions/{10**15}"), 400, "invalid_parameter")
    check_error(rest.get(f"{images}/a/b/versions/{'9' * 400}"), 400, "invalid_parameter")


def test_a_restored_version_is_a_new_one_of_the_old_bytes(
    rest: httpx.Client, images: str, history: list[dict]
) -> None:
    rest.patch(f"{images}/a/b", json={"tags": ["kept"]})
    answer = rest.post(f"{images}/a/b/versions/{history[1]['version']}/restore")
    assert answer.status_code == 201
    made = answer.json()
    assert made["version"] > history[-1]["version"]
    assert (made["digest"], made["tags"]) == (history[1]["digest"], ["kept"])
    assert rest.get(f"{images}/a/b").json() == made
    assert rest.get(made["url"]).content == pictures.gif(seed=1)
    assert len(numbers(rest.get(f"{images}/a/b/versions"))) == 6


def test_restoring_keeps_its_condition(rest: httpx.Client, images: str, history: list[dict]) -> None:
    path = f"{images}/a/b/versions/{history[0]['version']}/restore"
    check_error(rest.post(path, headers={"If-Match": history[0]["etag"]}), 412, "precondition_failed")
    check_error(rest.post(path, headers={"If-None-Match": "*"}), 412, "precondition_failed")
    assert rest.get(f"{images}/a/b").json() == history[-1]
    assert len(numbers(rest.get(f"{images}/a/b/versions"))) == 5
    assert rest.post(path, headers={"If-Match": history[-1]["etag"]}).status_code == 201


def delete(rest: httpx.Client, images: str, made: dict) -> None:
    answer = rest.delete(f"{images}/a/b/versions/{made['version']}")
    assert (answer.status_code, answer.content) == (204, b"")
    check_error(rest.get(f"{images}/a/b/versions/{made['version']}"), 404, "version_not_found")


def test_without_its_newest_version_the_one_before_is_the_image(
    rest: httpx.Client, images: str, history: list[dict]
) -> None:
    assert rest.get(history[4]["url"]).content == pictures.gif(seed=4)
    delete(rest, images, history[4])
    assert rest.get(f"{images}/a/b").json() == history[3]
    assert rest.get(history[4]["url"]).content == pictures.gif(seed=3)
    # Its own URL is one whose number means nothing any more.
    assert rest.get(history[4]["version_url"]).content == pictures.gif(seed=3)
    again = rest.put(f"{images}/a/b", content=pictures.gif(seed=4)).json()
    assert again["version"] > history[4]["version"]


def test_without_a_middle_version_the_image_stays(
    rest: httpx.Client, images: str, history: list[dict]
) -> None:
    delete(rest, images, history[2])
    assert rest.get(f"{images}/a/b").json() == history[4]
    left = [history[at]["version"] for at in (4, 3, 1, 0)]
    assert numbers(rest.get(f"{images}/a/b/versions")) == left


def test_the_last_version_takes_the_image_along(rest: httpx.Client, images: str, history: list[dict]) -> None:
    for made in history:
        assert rest.get(f"{images}/a/b").status_code == 200
        delete(rest, images, made)
    check_error(rest.get(f"{images}/a/b"), 404, "image_not_found")
    check_error(rest.get(history[0]["url"]), 404, "image_not_found")
    assert rest.get(images).json()["images"] == []


@pytest.mark.parametrize("condition", [{"If-Match": "*"}, {"If-Match": '"x"'}, {"If-None-Match": "*"}])
def test_deleting_a_version_refuses_conditions(
    rest: httpx.Client, images: str, history: list[dict], condition: dict[str, str]
) -> None:
    path = f"{images}/a/b/versions/{history[0]['version']}"
    check_error(rest.delete(path, headers=condition), 400, "invalid_parameter")
    assert rest.get(path).status_code == 200
