"""The runs of a step, or of every step, from the clone and from Nx Cloud, as far as that goes in time."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pipe.nx.collect import Collection, Collector
from pipe.work import LAST_WORDS, OutOfTime

if TYPE_CHECKING:
    from datetime import datetime

    from pipe.model import CIPipelineExecution
    from pipe.nx.collect import Of
    from pipe.nx.record import Keep
    from pipe.work import Work

# How much of the time left each may use.
_CLOUD_SHARE, _COLLECT_SHARE = 0.5, 0.5
_NEARLY = 0.9
_TOO_LONG = "everything: reading it took too long for TIMEOUT. Raise it, or name less in NX_LOGS"


def ask_cloud(work: Work) -> tuple[CIPipelineExecution | None, str | None]:
    """What Nx Cloud knows of this pipeline, where its token is passed; or why nothing, in a line for the report."""
    options, build = work.options, work.build
    if options.cloud_token is None:
        return None, None
    from pipe.nx.cloud import CloudError, Wanted, fetch  # noqa: PLC0415 - few pass its token

    branches = (str(work.number) if work.number else "", build.branch or "", options.nx_branch or "")
    given_groups = tuple(filter(None, (options.ci_execution_id, options.run_group)))
    wanted = Wanted(
        given_groups or (str(build.number),),
        options.ci_execution_env,
        tuple(filter(None, branches)),
        work.checkout.cloned(fresh=build.fresh),
        guess=not given_groups,
    )
    end = work.share(_CLOUD_SHARE)
    work.timer.stop_at(end + LAST_WORDS)
    try:
        execution = fetch(
            options.cloud_api,
            options.cloud_token,
            wanted,
            wait=options.cloud_wait,
            clock=work.clock,
            deadline=end,
            hosts=work.hosts,
            debug=work.debug,
            authority=options.authority,
        )
    except CloudError as error:
        return None, str(error)
    except OutOfTime:
        return None, "its answer did not end in time. Try again later"
    return execution, None if execution else f"it knows no run group {wanted.groups[0]} of this build"


def of_step(work: Work, execution: CIPipelineExecution | None, keep: Keep) -> Collection:
    """The runs of this step, or what can be read of them in a part of the time: they have to be written too."""
    collector = Collector(work.checkout, work.options, work.build, work.working_directory, work.hosts)
    _read(work, collector, keep)
    try:
        return collector.collection(execution, work.debug if work.options.debug else None)
    except OutOfTime:
        root = work.checkout.root
        return Collection(execution=execution, ignored=(_TOO_LONG,), workspace=root, nx_may_have_run=True)
    finally:
        work.timer.stop_at(work.end)


def of_every_step(
    work: Work, since: datetime | None, execution: CIPipelineExecution | None, keep: Keep
) -> dict[Of, Collection]:
    """The runs of every step of the build, or what can be read of them in time."""
    collector = Collector(
        work.checkout, work.options, work.build, work.working_directory, work.hosts, every_step=True, since=since
    )
    _read(work, collector, keep)
    try:
        return collector.by_step(execution, work.debug if work.options.debug else None)
    except OutOfTime:
        work.voice.say(f"! {_TOO_LONG}")
        return {}
    finally:
        work.timer.stop_at(work.end)


def _read(work: Work, collector: Collector, keep: Keep) -> None:
    """Read all sources in their time, and begin that of joining them.

    Between two tasks of a record the reading ends by itself, and all up to there is told; the alarm ends what hangs.
    """
    end = work.share(_COLLECT_SHARE)
    soon = work.timer.share(end, _NEARLY)
    work.timer.stop_at(end)
    with suppress(OutOfTime):
        collector.read(keep, lambda: work.clock.monotonic() >= soon)
    work.timer.stop_at(work.share(_COLLECT_SHARE))
