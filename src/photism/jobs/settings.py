"""Settings of how a job runs, which change none of its rows."""

from __future__ import annotations

from photism.extras import require
from photism.settings import SettingError, setting, settings

LOCAL = "local"
"""Address of a Ray cluster that is started on this machine and ends with the job."""


@settings(group="speed")
class RaySettings:
    """The Ray cluster that a job runs on."""

    ray: str | None = setting(
        None,
        "Run on a Ray cluster: on one that is started on this machine, or with auto on the one that this machine is a "
        "node of. Results come in the order in which they are done.",
        metavar="[auto|HOST:PORT]",
        alone=LOCAL,
        follows=r"auto|local|[^/\\\s]+:\d+|ray://\S+",
    )
    ray_workers: int | None = setting(
        None,
        "Number of processes of the Ray cluster that hold the model. Default: one for each GPU or, without GPUs, for "
        "four CPUs.",
        minimum=1,
    )

    def check(self) -> None:
        """Refuse workers without a cluster, and Ray's client.

        Raises:
            InputError: Ray is not installed.
            SettingError: `ray_workers` needs `ray`, or `ray` is an address that Ray Data cannot use.
        """
        if self.ray_workers is not None and self.ray is None:
            raise SettingError("ray_workers", "needs {}", "ray")
        if self.ray is None:
            return
        require("ray", "--ray", "cluster")
        if self.ray.startswith("ray://"):
            raise SettingError(
                "ray",
                f"must be auto or HOST:PORT; got {self.ray}: Ray Data does not run through Ray's client. Run the "
                "command on a node of the cluster, or submit it with `ray job submit`",
            )


@settings(group="input")
class RunSettings(RaySettings):
    """Settings of a job's run over many recordings."""

    max_errors: int | None = setting(
        None,
        "Number of recordings in error above which the command ends; what is done stays. Default: no limit.",
        minimum=0,
    )
