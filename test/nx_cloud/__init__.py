"""A stand-in for Nx Cloud: a real HTTP server on the loopback interface.

    with NxCloud() as nx_cloud:
        requests.post(f"{nx_cloud.url}/nx-cloud/nx-console/ci-pipeline-executions", json={"branches": ["17"]},
                      headers={"Authorization": nx_cloud.token})

It takes what the `nx-cloud` client uploads (runs, artifacts) and tells of it as Nx Console is told. What it expects and
answers was seen of nx-cloud 18.0.1 and of Nx Console's public sources; `state` remembers, `server` speaks HTTP.
"""

from test.nx_cloud.server import NxCloud, Request
from test.nx_cloud.state import State

__all__ = ["NxCloud", "Request", "State"]
