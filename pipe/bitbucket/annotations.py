"""All annotations of a report, put in place of those that an earlier use of its key left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipe.bitbucket import ANNOTATIONS_AT_ONCE, MOST_ANNOTATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipe.bitbucket import Bitbucket
    from pipe.model import Annotation


def replace_annotations(
    bitbucket: Bitbucket, commit: str, key: str, annotations: Sequence[Annotation], *, existed: bool | None
) -> int:
    """Make these the annotations of a report, at most MOST_ANNOTATIONS of them; how many old ones were deleted.

    `existed` is what `put_report` said when the report was put: only one that is not new may have old annotations. A
    request for each hundred, none where there are none; with a report that is not new one more for each hundred that
    are listed, and one for each old annotation. Those go last, but where both together would be more than a report may
    have.

    Raises:
        BitbucketError: one of its kinds; the annotations put so far stay.

    """
    old: list[str] = []
    if existed is not False:
        ours = {annotation.id for annotation in annotations}
        old = [name for name in bitbucket.annotations(commit, key) if name not in ours]
    room = max(0, MOST_ANNOTATIONS - len(annotations))
    for name in old[room:]:
        bitbucket.delete_annotation(commit, key, name)
    for start in range(0, len(annotations), ANNOTATIONS_AT_ONCE):
        bitbucket.put_annotations(commit, key, annotations[start : start + ANNOTATIONS_AT_ONCE])
    for name in old[:room]:
        bitbucket.delete_annotation(commit, key, name)
    return len(old)
