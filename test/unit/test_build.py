"""Where the pipe runs, from the variables that Bitbucket Pipelines sets."""

from __future__ import annotations

from pipe.build import read

# As dumped in a pull request pipeline: UUIDs in braces, a commit of 12 characters.
PIPELINES = {
    "CI": "true",
    "BITBUCKET_BUILD_NUMBER": "417",
    "BITBUCKET_CLONE_DIR": "/opt/atlassian/pipelines/agent/build",
    "BITBUCKET_COMMIT": "1f3c9ab02d41",
    "BITBUCKET_WORKSPACE": "acme",
    "BITBUCKET_REPO_SLUG": "shop",
    "BITBUCKET_BRANCH": "feature/totals",
    "BITBUCKET_PR_ID": "12",
    "BITBUCKET_PR_DESTINATION_BRANCH": "main",
    "BITBUCKET_STEP_UUID": "{5b0e9f3a-0000-4000-8000-3c1d2e4f5a6b}",
    "BITBUCKET_STEP_RUN_NUMBER": "2",
    "BITBUCKET_EXIT_CODE": "127",
}


def test_pull_request_pipeline() -> None:
    """Everything that a pull request pipeline sets is there, and the step's page is linked with its UUID encoded."""
    build, mistakes = read(PIPELINES, "/elsewhere")
    assert mistakes == []
    assert (build.workspace, build.repository, build.commit, build.number) == ("acme", "shop", "1f3c9ab02d41", 417)
    assert (build.branch, build.pull_request, build.step_run, build.exit_code) == ("feature/totals", 12, 2, "127")
    assert build.step_url == (
        "https://bitbucket.org/acme/shop/pipelines/results/417/steps/%7B5b0e9f3a-0000-4000-8000-3c1d2e4f5a6b%7D"
    )
    assert build.commit_url == "https://bitbucket.org/acme/shop/commits/1f3c9ab02d41"
    assert build.clone_dir == "/opt/atlassian/pipelines/agent/build"


def test_exit_code_is_not_a_boolean() -> None:
    """Any code but 0 is a failure, 127 for one; none at all is not known, which is no failure."""
    codes = ("0", "1", "127", "", "odd", "$BITBUCKET_EXIT_CODE")
    failed = {code: read({**PIPELINES, "BITBUCKET_EXIT_CODE": code}, "/")[0].failed for code in codes}
    assert failed == {"0": False, "1": True, "127": True, "": False, "odd": True, "$BITBUCKET_EXIT_CODE": False}


def test_unexpanded_names_are_not_set() -> None:
    """What arrives as the name of a variable that is not defined, in a branch pipeline for one, is not set."""
    build, mistakes = read(
        {**PIPELINES, "BITBUCKET_PR_ID": "$BITBUCKET_PR_ID", "BITBUCKET_TAG": "${BITBUCKET_TAG}"}, "/"
    )
    assert (mistakes, build.pull_request, build.tag) == ([], None, None)


def test_tag_and_custom_pipelines() -> None:
    """Without a branch or a pull request the build is still one, on a tag."""
    environ = {name: text for name, text in PIPELINES.items() if name not in ("BITBUCKET_BRANCH", "BITBUCKET_PR_ID")}
    build, mistakes = read({**environ, "BITBUCKET_TAG": "v1"}, "/")
    assert mistakes == []
    assert (build.branch, build.pull_request, build.tag) == (None, None, "v1")


def test_parallel_steps() -> None:
    """The step's place in its parallel group counts from 0; without the group's size there is none."""
    group = {**PIPELINES, "BITBUCKET_PARALLEL_STEP": "1", "BITBUCKET_PARALLEL_STEP_COUNT": "3"}
    assert read(group, "/")[0].parallel == (1, 3)
    assert read({**group, "BITBUCKET_PARALLEL_STEP": ""}, "/")[0].parallel == (0, 3)
    assert read({**group, "BITBUCKET_PARALLEL_STEP": "3"}, "/")[0].parallel is None
    assert read({**group, "BITBUCKET_PARALLEL_STEP_COUNT": "$X"}, "/")[0].parallel is None
    assert read({**group, "BITBUCKET_PARALLEL_STEP_COUNT": "x"}, "/")[1][0].startswith("BITBUCKET_PARALLEL_STEP_COUNT")


def test_outside_of_pipelines() -> None:
    """What is missing or overridden with nonsense is listed; the working directory stands in for the clone."""
    build, mistakes = read({"BITBUCKET_COMMIT": "HEAD", "BITBUCKET_PR_ID": "../1"}, "/work")
    assert [line.split()[0] for line in mistakes] == [
        "BITBUCKET_WORKSPACE",
        "BITBUCKET_REPO_SLUG",
        "BITBUCKET_COMMIT",
        "BITBUCKET_BUILD_NUMBER",
        "BITBUCKET_PR_ID",
    ]
    assert build.clone_dir == "/work"


def test_slugs_cannot_leave_their_place() -> None:
    """A slug that would change the address of a request is refused."""
    for slug in ("a/b", "..%2f", "a?b", "a b"):
        assert read({**PIPELINES, "BITBUCKET_REPO_SLUG": slug}, "/")[1][0].startswith("BITBUCKET_REPO_SLUG")
