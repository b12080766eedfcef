"""Where the pipe runs outside of Pipelines, from the variables that Jenkins, Bamboo and TeamCity set."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipe import ci
from pipe.ci import Located, number_of
from pipe.variables import VARIABLES

SERVER = "https://bitbucket.example.com"
COMMIT = "1f3c9ab02d4157e8a6b0c9d2e4f1a3b5c7d9e0f2"
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def read(environ: dict[str, str], *, server: str = SERVER, folders: tuple[str, ...] = ()) -> Located:
    """Read, with the working directory `/work` and only these folders here."""
    return ci.read(environ, "/work", server, folders.__contains__)


def told(located: Located) -> dict[str, str]:
    """The mistakes: what is wrong, and what would be correct."""
    return dict(line.split(". Correct: ") for line in located.mistakes)


def without(environ: dict[str, str], *names: str) -> dict[str, str]:
    """The variables but these."""
    return {name: text for name, text in environ.items() if name not in names}


# What Jenkins itself sets: https://www.jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables
JENKINS = {
    "CI": "true",
    "JENKINS_URL": "https://jenkins.example.com/",
    "BUILD_NUMBER": "12",
    "BUILD_ID": "12",
    "BUILD_DISPLAY_NAME": "#12",
    "NODE_NAME": "linux-2",
    "EXECUTOR_NUMBER": "0",
    "STAGE_NAME": "Declarative: Post Actions",
}

# A pull request in a multibranch job of jenkinsci/bitbucket-branch-source-plugin. BRANCH_NAME and CHANGE_*:
# jenkinsci/branch-api-plugin, BranchNameContributor.java; GIT_*: jenkinsci/git-plugin, GitSCM.java. On Data Center the
# remote is that of the pull request's destination (BitbucketGitSCMBuilder.java), and GIT_BRANCH names the pull request
# (https://github.com/jenkinsci/bitbucket-branch-source-plugin/issues/210).
BRANCH_SOURCE = {
    **JENKINS,
    "JOB_NAME": "shop/PR-17",
    "JOB_BASE_NAME": "PR-17",
    "JOB_URL": "https://jenkins.example.com/job/shop/job/PR-17/",
    "BUILD_URL": "https://jenkins.example.com/job/shop/job/PR-17/12/",
    "BUILD_TAG": "jenkins-shop-PR-17-12",
    "WORKSPACE": "/var/jenkins/workspace/shop_PR-17",
    "BRANCH_NAME": "PR-17",
    "CHANGE_ID": "17",
    "CHANGE_URL": f"{SERVER}/projects/ACME/repos/shop/pull-requests/17",
    "CHANGE_TITLE": "Cart totals",
    "CHANGE_AUTHOR": "jdoe",
    "CHANGE_TARGET": "main",
    "CHANGE_BRANCH": "feature/cart-totals",
    "GIT_BRANCH": "PR-17",
    "GIT_COMMIT": COMMIT,
    "GIT_URL": f"{SERVER}/scm/acme/shop.git",
}


class TestJenkinsBranchSource:
    """A multibranch job of the plugin "Bitbucket Branch Source"."""

    def test_pull_request(self) -> None:
        """All that the job sets is read; the commit is a merge for all that is known, and the workspace an old one."""
        build, mistakes, _ = read(BRANCH_SOURCE)
        assert mistakes == ()
        assert (build.ci, build.job, build.number, build.step_uuid) == ("jenkins", "shop/PR-17", 12, None)
        assert (build.workspace, build.repository, build.pull_request) == ("ACME", "shop", 17)
        assert (build.branch, build.destination, build.tag) == ("feature/cart-totals", "main", None)
        assert (build.commit, build.merged, build.fresh) == (COMMIT, True, False)
        assert (build.page, build.url) == (BRANCH_SOURCE["BUILD_URL"], BRANCH_SOURCE["BUILD_URL"])
        assert build.home == build.repository_url == f"{SERVER}/projects/ACME/repos/shop"
        assert (build.exit_code, build.step_run, build.parallel) == (None, 1, None)

    def test_what_is_printed(self) -> None:
        """Each thing is told with the variable that it comes from, in columns; addresses to clone from are not."""
        environ = {**BRANCH_SOURCE, "GIT_URL": "https://ci:s3cret@bitbucket.example.com/scm/acme/shop.git"}
        assert read({**without(environ, "CHANGE_URL"), "EXIT_CODE": "UNSTABLE"}).detected == (
            "Jenkins, and Bitbucket Data Center at https://bitbucket.example.com",
            "  project and repository  ACME/shop                                 from GIT_URL",
            "  pull request            17                                        from CHANGE_ID",
            "  commit                  1f3c9ab02d4157e8a6b0c9d2e4f1a3b5c7d9e0f2  from GIT_COMMIT",
            "  build                   12                                        from BUILD_NUMBER",
            "  branch                  feature/cart-totals                       from CHANGE_BRANCH",
            "  destination             main                                      from CHANGE_TARGET",
            "  job                     shop/PR-17                                from JOB_NAME",
            "  exit code               UNSTABLE                                  from EXIT_CODE",
            "  page                    https://jenkins.example.com/job/shop/job/PR-17/12/  from BUILD_URL",
            "  clone                   /work                                     from the working directory",
        )

    def test_the_pull_request_says_where_it_is(self) -> None:
        """Its page names the repository for sure: what was checked out may have been a shared library."""
        library = {**BRANCH_SOURCE, "GIT_URL": f"{SERVER}/scm/acme/jenkins-library.git"}
        build, mistakes, detected = read(library)
        assert (mistakes, build.workspace, build.repository) == ((), "ACME", "shop")
        assert detected[1].endswith("from CHANGE_URL")
        build, mistakes, _ = read(without(library, "GIT_URL", "GIT_COMMIT"))
        assert (mistakes, build.commit, build.merged) == ((), "", True)

    def test_merge_of_a_pull_request(self) -> None:
        """Where the job merges, the destination is a second remote, and the git plugin numbers their addresses."""
        merge = without(BRANCH_SOURCE, "GIT_URL", "CHANGE_URL")
        address = BRANCH_SOURCE["GIT_URL"]
        build, mistakes, detected = read({**merge, "GIT_URL_1": address, "GIT_URL_2": address})
        assert (mistakes, build.workspace, build.repository) == ((), "ACME", "shop")
        assert detected[1].endswith("from GIT_URL_1")

    def test_branch(self) -> None:
        """A branch is named as it is, for this job's remotes are not; the job's own name holds it encoded."""
        names = [name for name in BRANCH_SOURCE if name.startswith("CHANGE_")]
        environ = {**without(BRANCH_SOURCE, *names), "BRANCH_NAME": "upstream/fix", "GIT_BRANCH": "upstream/fix"}
        environ["JOB_NAME"] = "shop/feature%2Fcart"
        build, mistakes, _ = read({**environ, "BRANCH_NAME": "feature/cart", "GIT_BRANCH": "feature/cart"})
        assert (mistakes, build.pull_request, build.branch, build.job) == (
            (),
            None,
            "feature/cart",
            environ["JOB_NAME"],
        )

    def test_tag(self) -> None:
        """In a build of a tag each of the other variables names the tag too: it is no branch."""
        names = [name for name in BRANCH_SOURCE if name.startswith("CHANGE_")]
        tag = {**without(BRANCH_SOURCE, *names), "TAG_NAME": "v1.0", "BRANCH_NAME": "v1.0", "GIT_BRANCH": "v1.0"}
        build = read(tag).build
        assert (build.tag, build.branch, build.pull_request) == ("v1.0", None, None)

    def test_a_pull_request_without_its_branch(self) -> None:
        """`PR-17` is not the branch of a pull request."""
        build = read(without(BRANCH_SOURCE, "CHANGE_BRANCH")).build
        assert (build.pull_request, build.branch) == (17, None)


# Atlassian's plugin (jenkinsci/atlassian-bitbucket-server-integration-plugin), in a freestyle job or a pipeline: the
# variables of the git plugin, with a remote that is called as the repository (BitbucketSCM.java).
SERVER_INTEGRATION = {
    **JENKINS,
    "JOB_NAME": "checks",
    "JOB_BASE_NAME": "checks",
    "BUILD_URL": "https://jenkins.example.com/job/checks/12/",
    "WORKSPACE": "/var/jenkins/workspace/checks",
    "GIT_BRANCH": "shop/feature/cart-totals",
    "GIT_COMMIT": COMMIT,
    "GIT_PREVIOUS_COMMIT": "9be2a70c1d5f00aa9be2a70c1d5f00aa9be2a70c",
    "GIT_URL": "ssh://git@bitbucket.example.com:7999/acme/shop.git",
}


class TestJenkinsServerIntegration:
    """Jobs of Atlassian's plugin "Bitbucket Server Integration"."""

    def test_branch(self) -> None:
        """The remote before the branch has the repository's name."""
        build, mistakes, _ = read(SERVER_INTEGRATION)
        assert mistakes == ()
        assert (build.workspace, build.repository, build.branch) == ("ACME", "shop", "feature/cart-totals")
        assert (build.pull_request, build.commit, build.merged) == (None, COMMIT, True)

    def test_pull_request(self) -> None:
        """A multibranch job has the variables of any; one variable more names the source branch."""
        # BitbucketPullRequestSCMHead.java: PR- and the number; BitbucketPullRequestSourceBranch.java: the variable.
        multibranch = {
            **SERVER_INTEGRATION,
            "JOB_NAME": "checks/PR-17",
            "BRANCH_NAME": "PR-17",
            "CHANGE_ID": "17",
            "CHANGE_TARGET": "main",
            "GIT_BRANCH": "PR-17",
            "PULL_REQUEST_SOURCE_BRANCH": "feature/cart-totals",
        }
        build, mistakes, detected = read(multibranch)
        assert (mistakes, build.pull_request, build.destination) == ((), 17, "main")
        assert build.branch == "feature/cart-totals"
        assert "from PULL_REQUEST_SOURCE_BRANCH" in "\n".join(detected)


# A job with the git plugin alone, as captured:
# https://github.com/OndraM/ci-detector/blob/main/tests/phpt/Ci/CiDetector_Jenkins.phpt
PLAIN_GIT = {
    "BUILD_CAUSE": "MANUALTRIGGER",
    "BUILD_DISPLAY_NAME": "#1337",
    "BUILD_ID": "2016-07-29_20-30-09",
    "BUILD_NUMBER": "1337",
    "BUILD_TAG": "jenkins-foo_job_name-1337",
    "BUILD_URL": "http://jenkins.foo/job/foo_job_name/1337/",
    "GIT_BRANCH": "origin/branchname",
    "GIT_COMMIT": "11cc783de14cf438a41a60af7cd148a43da74ccd",
    "GIT_PREVIOUS_COMMIT": "783de14cf438a41a60af7cd148a43da74ccd11cc",
    "GIT_URL": "ssh://git@gitserver:7999/project/repo.git",
    "JENKINS_URL": "http://jenkins.foo/",
    "JOB_NAME": "foo_job_name",
    "JOB_URL": "http://jenkins.foo/job/foo_job_name/",
    "WORKSPACE": "/srv/jenkins/workspace/foo_job_name",
}


class TestJenkinsPlainGit:
    """Jobs that know of no Bitbucket, only of git."""

    def test_branch(self) -> None:
        """The branch is without its remote."""
        build, mistakes, _ = read(PLAIN_GIT)
        assert mistakes == ()
        assert (build.workspace, build.repository, build.branch) == ("PROJECT", "repo", "branchname")
        assert (build.number, build.job, build.page) == (
            1337,
            "foo_job_name",
            "http://jenkins.foo/job/foo_job_name/1337/",
        )

    @pytest.mark.parametrize(
        ("name", "branch", "pull_request"),
        [
            ("origin/feature/x", "feature/x", None),
            ("refs/remotes/stash/feature/x", "feature/x", None),
            ("refs/heads/feature/x", "feature/x", None),
            ("feature/x", "feature/x", None),  # of no remote that is known
            (
                "origin/pull-requests/17",
                None,
                17,
            ),  # a refspec +refs/pull-requests/*/from:refs/remotes/origin/pull-requests/*
            ("origin/pull-requests/17/from", None, 17),  # +refs/pull-requests/*:refs/remotes/origin/pull-requests/*
            ("origin/pull-requests/17/merge", None, 17),
            ("refs/pull-requests/17/from", None, 17),
            ("detached", None, None),
            ("origin/HEAD", None, None),
            ("refs/tags/v1.0", None, None),
        ],
    )
    def test_how_a_ref_is_read(self, name: str, branch: str | None, pull_request: int | None) -> None:
        """A branch is plain, and what names a pull request is no branch."""
        build = read({**PLAIN_GIT, "GIT_BRANCH": name}).build
        assert (build.branch, build.pull_request) == (branch, pull_request)
        assert build.tag == ("v1.0" if "tags" in name else None)

    def test_the_clone_is_where_it_is_mounted(self) -> None:
        """Jenkins' workspace is the clone if it is here under its path, else the working directory is."""
        workspace = PLAIN_GIT["WORKSPACE"]
        assert read(PLAIN_GIT).build.clone_dir == "/work"
        assert read(PLAIN_GIT, folders=(workspace,)).build.clone_dir == workspace
        assert read({**PLAIN_GIT, "CLONE_DIR": "/clone"}, folders=(workspace,)).build.clone_dir == "/clone"

    def test_a_variable_that_cannot_be_right_is_left_out(self) -> None:
        """What the CI itself says and cannot be is no mistake of anybody who could mend it; the log has it."""
        odd = {"BUILD_URL": "javascript:alert(1)", "GIT_BRANCH": "a b", "GIT_COMMIT": "HEAD", "CHANGE_ID": "../1"}
        build, mistakes, detected = read({**PLAIN_GIT, **odd, "PULL_REQUEST_ID": "17"})
        assert mistakes == ()
        assert (build.page, build.branch, build.commit, build.merged) == ("", None, "", True)
        assert [line for line in detected if line.startswith("!")] == [
            "! GIT_BRANCH is no name that git knows: left out",
            "! GIT_COMMIT is no commit of 7 to 40 hexadecimal digits: left out",
            "! BUILD_URL is not an http or https address: left out",
        ]

    def test_groovy_s_null_is_not_set(self) -> None:
        """`-e SOURCE_BRANCH=${env.CHANGE_BRANCH}` in a Jenkinsfile makes "null" of what is not set."""
        assert read({**PLAIN_GIT, "SOURCE_BRANCH": "null", "TAG_NAME": "null"}).build.branch == "branchname"


# As captured, but for number, host and type of the repository:
# https://github.com/OndraM/ci-detector/blob/main/tests/phpt/Ci/CiDetector_BambooPullRequest.phpt. Those are of a plan
# with a Bitbucket Server: https://github.com/dewet22/bamboo-lfs/blob/master/README.md.
BAMBOO = {
    "bamboo_agentId": "360449",
    "bamboo_build_working_directory": "/var/atlassian/application-data/bamboo/xml-data/build-dir/CD-CDOB0-JOB1",
    "bamboo_buildFailed": "false",
    "bamboo_buildKey": "CD-CDOB0-JOB1",
    "bamboo_buildNumber": "229",
    "bamboo_buildPlanName": "Plan Name - Foo Lorem ipsum - pr-branch - Default Job",
    "bamboo_buildResultKey": "CD-CDOB0-JOB1-229",
    "bamboo_buildResultsUrl": "https://bamboo.foo.bar/browse/CD-CDOB0-JOB1-229",
    "bamboo_planKey": "CD-CDOB0",
    "bamboo_planName": "Plan Name - Foo Lorem ipsum - pr-branch",
    "bamboo_planRepository_branch": "pr-branch",
    "bamboo_planRepository_branchDisplayName": "pr-branch",
    "bamboo_planRepository_branchName": "pr-branch",
    "bamboo_planRepository_name": "My repo name",
    "bamboo_planRepository_repositoryUrl": "ssh://git@stash.yourdomain.com:7999/main/repo.git",
    "bamboo_planRepository_revision": "d05c681b5018c8ce8110ee7823a56b688ca67aa1",
    "bamboo_planRepository_username": "",
    "bamboo_repository_pr_key": "1",
    "bamboo_repository_pr_sourceBranch": "pr-branch",
    "bamboo_repository_pr_targetBranch": "main",
    "bamboo_resultsUrl": "https://bamboo.foo.bar/browse/CD-CDOB0-JOB1-229",
    "bamboo_shortJobKey": "JOB1",
    "bamboo_shortJobName": "Default Job",
    "bamboo_shortPlanKey": "CDOB0",
    "bamboo_working_directory": "/var/atlassian/application-data/bamboo/xml-data/build-dir/CD-CDOB0-JOB1",
}


class TestBamboo:
    """A job of a plan of Bamboo Data Center."""

    def test_pull_request(self) -> None:
        """All that a plan branch of a pull request sets is read; the job is the step, and may have failed so far."""
        build, mistakes, _ = read(BAMBOO)
        assert mistakes == ()
        assert (build.ci, build.job, build.number, build.step_uuid) == ("bamboo", "CD-CDOB0", 229, "JOB1")
        assert (build.workspace, build.repository, build.pull_request) == ("MAIN", "repo", 1)
        assert (build.branch, build.destination) == ("pr-branch", "main")
        assert (build.commit, build.merged) == (BAMBOO["bamboo_planRepository_revision"], True)
        assert build.step_url == BAMBOO["bamboo_buildResultsUrl"]
        assert build.exit_code == "0"
        assert read({**BAMBOO, "bamboo_buildFailed": "true"}).build.failed
        assert read({**BAMBOO, "EXIT_CODE": "3"}).build.exit_code == "3"

    def test_branch(self) -> None:
        """A plan or a plan branch without a pull request is of its branch."""
        environ = without(BAMBOO, *(name for name in BAMBOO if "_pr_" in name))
        build, mistakes, _ = read(environ)
        assert (mistakes, build.pull_request, build.branch, build.destination) == ((), None, "pr-branch", None)

    def test_a_branch_that_looks_like_jenkins(self) -> None:
        """Only on Jenkins is there a remote before a branch, or a pull request called `PR-17`."""
        environ = without(BAMBOO, *(name for name in BAMBOO if "_pr_" in name))
        for name in ("origin/x", "PR-17"):
            assert read({**environ, "bamboo_planRepository_branchName": name}).build.branch == name

    def test_what_is_printed(self) -> None:
        """Bamboo's own names are told."""
        detected = read(BAMBOO, folders=(BAMBOO["bamboo_build_working_directory"],)).detected
        assert detected[0] == "Bamboo, and Bitbucket Data Center at https://bitbucket.example.com"
        assert [" ".join(line.split()) for line in detected[1:-1]] == [
            "project and repository MAIN/repo from bamboo_planRepository_repositoryUrl",
            "pull request 1 from bamboo_repository_pr_key",
            "commit d05c681b5018c8ce8110ee7823a56b688ca67aa1 from bamboo_planRepository_revision",
            "build 229 from bamboo_buildNumber",
            "branch pr-branch from bamboo_repository_pr_sourceBranch",
            "destination main from bamboo_repository_pr_targetBranch",
            "job CD-CDOB0 from bamboo_planKey",
            "step JOB1 from bamboo_shortJobKey",
            "exit code 0 from bamboo_buildFailed",
            "page https://bamboo.foo.bar/browse/CD-CDOB0-JOB1-229 from bamboo_buildResultsUrl",
        ]
        assert detected[-1].endswith("/CD-CDOB0-JOB1  from bamboo_build_working_directory")


# As captured: https://github.com/OndraM/ci-detector/blob/main/tests/phpt/Ci/CiDetector_TeamCity.phpt; BUILD_URL, and a
# number of any form: https://www.jetbrains.com/help/teamcity/predefined-build-parameters.html.
TEAMCITY = {
    "BUILD_NUMBER": "1.0.417",
    "BUILD_URL": "https://teamcity.example.com/buildConfiguration/Shop_Checks/12034",
    "BUILD_VCS_NUMBER_CiDetector_HttpsGithubComOndraMCiDetectorRefsHeadsMain": COMMIT,
    "BUILD_VCS_NUMBER": COMMIT,
    "HOSTNAME": "d4df8dab12df",
    "TEAMCITY_BUILD_PROPERTIES_FILE": "/opt/TeamCity/buildAgent/temp/buildTmp/teamcity.build794524814.properties",
    "TEAMCITY_BUILDCONF_NAME": "Build",
    "TEAMCITY_GIT_PATH": "/usr/bin/git",
    "TEAMCITY_PROCESS_FLOW_ID": "376437994027122",
    "TEAMCITY_PROJECT_NAME": "Ci Detector",
    "TEAMCITY_VERSION": "2025.11 (build 208117)",
}
TEAMCITY_RECIPE = {**TEAMCITY, "PROJECT_KEY": "ACME", "REPOSITORY_SLUG": "shop", "SOURCE_BRANCH": "pull-requests/17"}


class TestTeamCity:
    """A build configuration of TeamCity, which has neither branch nor repository in its environment."""

    def test_build(self) -> None:
        """The number is the last of its text, and is counted by the configuration, in its project."""
        build, mistakes, _ = read(TEAMCITY_RECIPE)
        assert mistakes == ()
        assert (build.ci, build.job, build.number) == ("teamcity", "Ci Detector / Build", 417)
        assert (build.workspace, build.repository, build.page) == ("ACME", "shop", TEAMCITY["BUILD_URL"])
        assert (build.commit, build.merged, build.step_uuid) == (COMMIT, True, None)

    def test_logical_branches(self) -> None:
        """TeamCity calls a pull request's branch `pull-requests/17`, and the default branch `<default>`."""
        build = read(TEAMCITY_RECIPE).build
        assert (build.pull_request, build.branch) == (17, None)
        for name, branch in {
            "<default>": None,
            "refs/heads/main": "main",
            "feature/x": "feature/x",
            "origin/x": "origin/x",
            "%teamcity.build.branch%": None,
        }.items():
            build, mistakes, _ = read({**TEAMCITY_RECIPE, "SOURCE_BRANCH": name})
            assert (mistakes, build.pull_request, build.branch) == ((), None, branch)

    def test_what_has_to_be_passed(self) -> None:
        """Without the repository the mistakes name what to set; a number that is none is one too."""
        assert read({**TEAMCITY, "BUILD_NUMBER": "nightly"}).mistakes == (
            "PROJECT_KEY is not set. Correct: PROJECT_KEY: SHOP",
            "REPOSITORY_SLUG is not set. Correct: REPOSITORY_SLUG: shop",
            "BUILD_NUMBER holds no number of a build. Correct: BUILD_NUMBER: 417",
        )

    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("417", 417),
            ("1.0.417", 417),
            ("#417", 417),
            ("1.0.417-1f3c9ab", 417),
            ("2026.11-rc_417", 417),
            ("v417", 417),
            ("rc12b", 12),
            ("", None),
            ("nightly", None),
            ("9" * 13, None),
            ("٤١٧", None),
        ],
    )
    def test_numbers(self, text: str, number: int | None) -> None:
        """The last group of digits counts that is not a part of a word, such as of a commit."""
        assert number_of(text) == number


# Of the pipe alone: what `docker run -e` passes in a CI that is not known.
EXPLICIT = {
    "PROJECT_KEY": "ACME",
    "REPOSITORY_SLUG": "shop",
    "COMMIT": COMMIT,
    "BUILD_NUMBER": "417",
    "BUILD_URL": "https://ci.example.com/shop/417",
    "JOB_NAME": "shop/checks",
    "SOURCE_BRANCH": "feature/x",
    "PULL_REQUEST_ID": "17",
    "EXIT_CODE": "127",
    "CLONE_DIR": "/clone",
}


class TestExplicit:
    """The pipe's own variables."""

    def test_all_of_them(self) -> None:
        """They are enough where no CI is recognised."""
        build, mistakes, detected = read(EXPLICIT)
        assert mistakes == ()
        assert (build.ci, build.job, build.number, build.page) == ("", "shop/checks", 417, EXPLICIT["BUILD_URL"])
        assert (build.workspace, build.repository, build.pull_request) == ("ACME", "shop", 17)
        assert (build.commit, build.merged, build.branch) == (COMMIT, False, "feature/x")
        assert (build.exit_code, build.clone_dir) == ("127", "/clone")
        assert detected[:2] == (
            "no CI that is known, and Bitbucket Data Center at https://bitbucket.example.com",
            "  project and repository  ACME/shop                                 from PROJECT_KEY and REPOSITORY_SLUG",
        )

    def test_they_come_first(self) -> None:
        """Whatever the CI says, they are what counts."""
        for environ in (BRANCH_SOURCE, BAMBOO, TEAMCITY):
            ours, theirs = read({**environ, **EXPLICIT}).build, read({**environ, **EXPLICIT, "COMMIT": ""}).build
            assert (ours.workspace, ours.repository, ours.pull_request, ours.branch) == (
                "ACME",
                "shop",
                17,
                "feature/x",
            )
            assert (ours.commit, ours.merged, ours.number) == (COMMIT, False, 417)
            assert theirs.merged

    def test_auto_is_no_number(self) -> None:
        """`auto` leaves the pull request to be looked up, unless the CI knows it, and so needs a commit."""
        assert read({**EXPLICIT, "PULL_REQUEST_ID": "auto"}).build.pull_request is None
        assert read({**BRANCH_SOURCE, "PULL_REQUEST_ID": "auto"}).build.pull_request == 17
        assert len(read({**without(EXPLICIT, "COMMIT"), "PULL_REQUEST_ID": "auto"}).mistakes) == 1
        assert read(without(EXPLICIT, "COMMIT")).mistakes == ()

    def test_results_in_words(self) -> None:
        """Jenkins' `currentBuild.currentResult` stands for an exit code: SUCCESS is 0, ABORTED that it was stopped."""
        codes = {"0": "0", "3": "3", "-1": "-1", "SUCCESS": "0", "success": "0", "": None, "broken": "1"}
        words = {"FAILURE": "FAILURE", "UNSTABLE": "UNSTABLE", "ABORTED": "ABORTED", "NOT_BUILT": "ABORTED"}
        for said, code in (codes | words).items():
            assert read({**EXPLICIT, "EXIT_CODE": said}).build.exit_code == code

    def test_mistakes_are_told_together(self) -> None:
        """Each variable that cannot be right is told, with what would be; of an address nothing is shown."""
        wrong = {
            "PROJECT_KEY": "../x",
            "REPOSITORY_SLUG": "https://ci:s3cret@bitbucket.example.com/scm/acme/shop.git",
            "COMMIT": "HEAD",
            "BUILD_NUMBER": "nightly",
            "BUILD_URL": "ci:s3cret@ci.example.com/417",
            "JOB_NAME": "a\nb",
            "SOURCE_BRANCH": "feature x",
            "PULL_REQUEST_ID": "17.",  # the settings tell it
            "EXIT_CODE": "1 2",
        }
        assert told(read(wrong)) == {
            "PROJECT_KEY '../x' is no key of a project, nor ~user": "PROJECT_KEY: SHOP",
            "REPOSITORY_SLUG is no slug of a repository": "REPOSITORY_SLUG: shop",
            "BUILD_NUMBER 'nightly' holds no number of a build": "BUILD_NUMBER: 417",
            "SOURCE_BRANCH 'feature x' is no name that git knows": "SOURCE_BRANCH: feature/cart-totals",
            "COMMIT 'HEAD' is no commit of 7 to 40 hexadecimal digits": f"COMMIT: {COMMIT}",
            "JOB_NAME 'a\\nb' may hold printable characters only, 300 at most": "JOB_NAME: shop/checks",
            "EXIT_CODE '1 2' is neither a number nor a result such as SUCCESS or FAILURE": "EXIT_CODE: 1",
            "BUILD_URL is not an http or https address": "BUILD_URL: https://ci.example.com/job/shop/417/",
        }

    def test_what_is_missing_is_told_with_where_it_would_be_looked_for(self) -> None:
        """Nothing passed: by what a CI is recognised; else what the CI sets and was not passed, or is of elsewhere."""
        nothing = told(read({}))
        assert [line.split()[0] for line in nothing] == ["PROJECT_KEY", "REPOSITORY_SLUG", "BUILD_NUMBER", "COMMIT"]
        signs = "JENKINS_URL, bamboo_buildNumber or TEAMCITY_VERSION, by which a CI is recognised"
        assert all(line.endswith(f" is not set, nor is {signs}") for line in nothing)
        theirs = "CHANGE_URL, GIT_URL or GIT_URL_1, which Jenkins sets"
        assert told(read(JENKINS)) == {
            f"PROJECT_KEY is not set, nor is {theirs}": "PROJECT_KEY: SHOP",
            f"REPOSITORY_SLUG is not set, nor is {theirs}": "REPOSITORY_SLUG: shop",
            "COMMIT is not set, nor is GIT_COMMIT, which Jenkins sets": f"COMMIT: {COMMIT}",
        }
        elsewhere = {**PLAIN_GIT, "GIT_URL": "https://ci:s3cret@github.com/acme/shop.git", "REPOSITORY_SLUG": "shop"}
        why = "GIT_URL is no address of a repository on a Data Center"
        assert told(read(elsewhere)) == {f"PROJECT_KEY is not set, and {why}": "PROJECT_KEY: SHOP"}

    def test_context_path_and_personal_repositories(self) -> None:
        """The repository's page is below the server's context path, and a personal one's below its user."""
        for key, page in {"ACME": "projects/ACME", "~jdoe": "users/jdoe", "~a@b": "users/a%40b"}.items():
            build = read({**EXPLICIT, "PROJECT_KEY": key}, server=f"{SERVER}/bitbucket").build
            assert build.home == f"{SERVER}/bitbucket/{page}/repos/shop"
            assert build.workspace == key


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("https://bitbucket.example.com/scm/ACME/shop.git", "ACME/shop"),
        ("https://bitbucket.example.com/bitbucket/scm/acme/shop.git", "ACME/shop"),
        ("https://ci:s3cret@bitbucket.example.com/scm/~jdoe/my.shop.git", "~jdoe/my.shop"),
        ("http://bitbucket.example.com:7990/scm/%7Ejdoe/shop", "~jdoe/shop"),
        ("ssh://git@bitbucket.example.com:7999/ACME/shop.git", "ACME/shop"),
        ("ssh://git@bitbucket.example.com/~jdoe/shop.git", "~jdoe/shop"),
        ("git@bitbucket.example.com:ACME/shop.git", "ACME/shop"),
        ("https://bitbucket.example.com/projects/ACME/repos/shop/pull-requests/17/overview", "ACME/shop"),
        ("https://bitbucket.example.com/bitbucket/users/jdoe/repos/shop/browse?at=x", "~jdoe/shop"),
        ("https://bitbucket.example.com/projects/~jdoe/repos/shop", "~jdoe/shop"),
        ("https://bitbucket.org/acme/shop.git", None),
        ("https://bitbucket.example.com/scm/ACME/../shop.git", None),
        ("https://bitbucket.example.com/scm/..%2f../shop.git", None),
        ("https://bitbucket.example.com/scm/ACME/shop.git?x=/scm/A/b", "ACME/shop"),
        ("ssh://git@bitbucket.example.com:7999/a/b/c.git", None),
        ("https://[bitbucket/scm/ACME/shop.git", None),
        ("/srv/git/ACME/shop.git", None),
    ],
)
def test_addresses_of_repositories(address: str, place: str | None) -> None:
    """Project and repository are read from each form of address that a Data Center gives, and from nothing else."""
    build, mistakes, detected = read({**PLAIN_GIT, "GIT_URL": address})
    assert (f"{build.workspace}/{build.repository}" if place else None) == place
    assert (mistakes == ()) == (place is not None)
    assert "s3cret" not in "".join((*mistakes, *detected))


def test_a_ci_is_recognised_as_by_the_recorder() -> None:
    """What the recorder writes down of a build is found again: the same signs, in the same order, and numbers."""
    source = (ROOT / "recorder/index.js").read_text()
    (builds,) = re.findall(r"^const BUILDS = \[\n(.*?)^\];", source, re.DOTALL | re.MULTILINE)
    known = [re.findall(r"null|BAMBOO|BITBUCKET|'\w+'", line) for line in builds.splitlines()]
    assert [[word.strip("'") for word in line[:3]] for line in known][1:] == [
        ["jenkins", "JENKINS_URL", "BUILD_NUMBER"],
        ["bamboo", "BAMBOO", "BAMBOO"],
        ["teamcity", "TEAMCITY_VERSION", "BUILD_NUMBER"],
    ]
    everything = {**BRANCH_SOURCE, **BAMBOO, **TEAMCITY_RECIPE}
    found = []
    for sign in ("JENKINS_URL", "bamboo_buildNumber", "TEAMCITY_VERSION"):
        found.append(read(everything).build.ci)
        del everything[sign]
    assert found == ["jenkins", "bamboo", "teamcity"]
    assert read(everything).build.ci == ""


NAMES = sorted({*BRANCH_SOURCE, *SERVER_INTEGRATION, *BAMBOO, *TEAMCITY, *EXPLICIT, "TAG_NAME", "GIT_URL_1"})
VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(sorted({*BRANCH_SOURCE.values(), *BAMBOO.values(), *TEAMCITY.values(), *EXPLICIT.values()})),
    st.from_regex(r"(https?|ssh)://[^/]*/(scm|users|projects)/.{0,20}", fullmatch=True),
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), VALUES), st.booleans())
def test_no_value_raises(environ: dict[str, str], here: bool) -> None:  # noqa: FBT001 - of hypothesis
    """Whatever the variables hold, there is a build or a list of mistakes, and each line is one."""
    build, mistakes, detected = ci.read(environ, "/work", SERVER, lambda _: here)
    assert mistakes or (build.workspace and build.repository and (build.commit or build.pull_request))
    assert all(line.isprintable() for line in (*mistakes, *detected))


def recipe(heading: str) -> set[str]:
    """The variables that the recipe below a heading of the README passes into the container."""
    (section,) = re.findall(rf"^### {heading}\n(.*?)(?=^##)", README, re.MULTILINE | re.DOTALL)
    return set(re.findall(r" -e (\w+)", section))


class TestRecipes:
    """What the README passes into the container."""

    @pytest.mark.parametrize(
        ("heading", "environ"),
        [
            ("Jenkins", BRANCH_SOURCE),
            ("Jenkins", SERVER_INTEGRATION),
            ("Jenkins", PLAIN_GIT),
            ("Bamboo", BAMBOO),
            ("TeamCity", TEAMCITY_RECIPE),
            ("Any other CI", without(EXPLICIT, "CLONE_DIR")),
        ],
    )
    def test_all_that_is_read_is_passed(self, heading: str, environ: dict[str, str]) -> None:
        """The container knows as much as the build that starts it."""
        passed = {name: text for name, text in environ.items() if name in recipe(heading)}
        folders = (environ.get("WORKSPACE", ""), environ.get("bamboo_build_working_directory", ""))
        assert read(passed, folders=folders) == read(environ, folders=folders)

    def test_nothing_else_is_passed(self) -> None:
        """Each variable is one of the pipe, or one that such a build has."""
        own = {one.name for one in VARIABLES} | set(EXPLICIT) | {"BITBUCKET_URL"}
        for heading, known in {
            "Jenkins": {*BRANCH_SOURCE, *SERVER_INTEGRATION, "GIT_URL_1", "TAG_NAME"},
            "Bamboo": set(BAMBOO),
            "TeamCity": set(TEAMCITY),
            "Any other CI": set(),
        }.items():
            assert recipe(heading) <= known | own

    def test_the_table_is_what_is_read(self) -> None:
        """The README's table names the variables of each CI that are read, and no others."""
        table = README.partition("### What is read from where")[2].partition("\n## ")[0]
        rows = [row.split("|")[2:6] for row in re.findall(r"^\|.*\|$", table, re.MULTILINE)[2:]]
        own, *theirs = [re.findall(r"`(\w+)`", " ".join(column)) for column in zip(*rows, strict=True)]
        assert set(own) == set(EXPLICIT)
        for names, known, prefix in zip(theirs, ci._CIS, ("", "bamboo_", ""), strict=True):
            assert sorted(prefix + name for name in names) == sorted(
                [known.sign, *(n for each in known[3:] for n in each)]
            )
