"""Where jobs run: in this process, on this machine's cores, or on any Dask cluster.

``execute`` yields (job, part) as jobs finish. Workers make their own data and return records; the caller alone
writes the store, so no shared file system is needed. Closing the generator (Ctrl-C does) stops the workers.
"""

import contextlib
import logging
import queue
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.jobs import Job, Part
from bench.work import lost_job, run_job

if TYPE_CHECKING:
    from distributed import Client, Future

ALLOWED_DEATHS = 2  # a job that outlives fewer workers than this is given up
CONNECT_SECONDS = 10
_AHEAD = 2  # jobs handed to each worker at a time
_ADDRESS = re.compile(r"((tcp|tls|ws|wss)://)?[^/:\s]+:\d{1,5}")
_TOPIC = "remedy-bench-started"

Execute = Callable[[Sequence[Job]], Iterator[tuple[Job, Part]]]


def inline(jobs: Sequence[Job]) -> Iterator[tuple[Job, Part]]:
    """Run jobs one after the other in this process, for tests and debuggers."""
    for job in jobs:
        yield job, run_job(job)


@dataclass(frozen=True)
class _Running:
    """A job that was handed out, and the worker it was meant for."""

    job: Job
    future: "Future"
    place: str


@contextlib.contextmanager
def local_cluster(workers: int) -> Iterator[Any]:
    """Yield a Dask cluster of single-threaded worker processes on this machine's loopback."""
    from distributed import LocalCluster

    with _settings(), contextlib.ExitStack() as stack:
        with _interrupts_held():
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                memory_limit=0,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            )
            stack.enter_context(cluster)
        yield cluster


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while a cluster starts, and keep it from the cluster's processes for good.

    A terminal sends it to them too, and they would answer with tracebacks. A blocked signal is inherited by threads and
    processes, so by workers that are started anew later as well. Threads that were there before may still take it, so
    it is noted, and raised once the cluster can be closed. A process in the background ignores it, and goes on to.
    """
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    resource_tracker.ensure_running()  # started later, it would unblock the signal
    noted: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: noted.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if noted:
        raise KeyboardInterrupt


def local(workers: int) -> Execute:
    """Return an executor over worker processes on this machine, started for the run and stopped after it."""

    def run(jobs: Sequence[Job]) -> Iterator[tuple[Job, Part]]:
        with local_cluster(workers) as cluster:
            yield from _on(cluster, jobs)

    return run


def remote(cluster: Any) -> Execute:
    """Return an executor over an existing Dask cluster, given by its scheduler's address or as Dask's own object."""

    def run(jobs: Sequence[Job]) -> Iterator[tuple[Job, Part]]:
        with _settings():
            yield from _on(cluster, jobs)

    return run


def check_scheduler(address: str) -> int:
    """Return how many workers a scheduler has; raise UsageError where none answers or it has no workers."""
    from distributed import Client, Security

    if not _ADDRESS.fullmatch(address):
        raise UsageError(f"--scheduler '{address}': not an address; give one like tcp://127.0.0.1:8786")
    if address.startswith(("tls://", "wss://")) and Security().get_connection_args("client")["ssl_context"] is None:
        raise UsageError(
            f"--scheduler {address}: needs certificates; name them in Dask's settings distributed.comm.tls"
        )
    try:
        with _settings(), Client(address, timeout=CONNECT_SECONDS, set_as_default=False) as client:
            workers = len(client.scheduler_info(n_workers=-1)["workers"])
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(
            f"--scheduler {address}: no Dask scheduler answered within {CONNECT_SECONDS} s; "
            "give the address it prints at start, such as tcp://127.0.0.1:8786"
        ) from error
    if workers == 0:
        raise UsageError(
            f"--scheduler {address}: the scheduler has no workers; start some with 'dask worker {address}'"
        )
    return workers


@contextlib.contextmanager
def _settings() -> Iterator[None]:
    """Set Dask up for training: no spilling or pausing (a paused worker looks hung), memory kept by the workers."""
    from dask import config

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    memory = {f"distributed.worker.memory.{name}": False for name in ("target", "spill", "pause", "terminate")}
    environment = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with config.set(
        memory
        | {
            "distributed.nanny.pre-spawn-environ": environment,
            "distributed.scheduler.allowed-failures": ALLOWED_DEATHS,
            "distributed.comm.timeouts.connect": f"{CONNECT_SECONDS}s",
        }
    ):
        yield


def _remote_job(pickled: bytes) -> Part:
    """Run a job on a Dask worker, saying when it starts so that a hung one can be told from a waiting one.

    It comes pickled by cloudpickle, which takes the classes of a user's own file along; pickle would only name them.
    """
    import cloudpickle
    from distributed import get_worker

    worker, job = get_worker(), cloudpickle.loads(pickled)
    worker.log_event(_TOPIC, {"part": job.part, "worker": worker.address})
    return run_job(job)


def _on(cluster: Any, jobs: Sequence[Job]) -> Iterator[tuple[Job, Part]]:
    """Keep every worker of a cluster supplied with jobs, and yield their parts as they finish."""
    import cloudpickle
    from distributed import Client

    with Client(cluster, timeout=CONNECT_SECONDS, set_as_default=False) as client:
        started: dict[str, tuple[str, float]] = {}
        client.subscribe_topic(_TOPIC, lambda event: _note(started, event))
        waiting = list(reversed(jobs))
        finished: queue.SimpleQueue[Future] = queue.SimpleQueue()
        running: dict[str, _Running] = {}
        try:
            while waiting or running:
                while waiting and (place := _free_worker(client, running)) is not None:
                    job = waiting.pop()
                    # Dask may put two jobs of unknown length on one worker while another idles, so a place is named.
                    pickled = cloudpickle.dumps(job)
                    future = client.submit(
                        _remote_job, pickled, key=job.part, pure=False, workers=[place], allow_other_workers=True
                    )
                    future.add_done_callback(finished.put)
                    running[job.part] = _Running(job, future, place)
                with contextlib.suppress(queue.Empty):
                    future = finished.get(timeout=1.0)
                    if future.key in running:
                        job = running.pop(future.key).job
                        yield job, _result(job, future)
                yield from _hung(client, running, started)
        finally:
            client.cancel([one.future for one in running.values()])


def _free_worker(client: "Client", running: "dict[str, _Running]") -> str | None:
    """Return the worker with the fewest jobs, or None where all have enough to do (or there is none just now)."""
    load = dict.fromkeys(client.scheduler_info(n_workers=-1)["workers"], 0)
    for one in running.values():
        if one.place in load:
            load[one.place] += 1
    place = min(load, key=lambda address: load[address], default=None)
    return place if place is not None and load[place] < _AHEAD else None


def _note(started: dict[str, tuple[str, float]], event: tuple[Any, Any]) -> None:
    """Remember when and where a job started."""
    _, message = event
    if isinstance(message, dict):
        started[message["part"]] = message["worker"], time.monotonic()


def _result(job: Job, future: "Future") -> Part:
    """Return a finished future's part, or the records of a job that killed its workers or could not be run."""
    from distributed import KilledWorker

    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, KilledWorker):
        reason = f"{ALLOWED_DEATHS + 1} workers died while training this stack (out of memory is the usual cause)"
        return lost_job(job, "killed", reason)
    return lost_job(job, "failed", " ".join(f"{type(error).__name__}: {error}".split()))


def _hung(
    client: "Client", running: "dict[str, _Running]", started: dict[str, tuple[str, float]]
) -> Iterator[tuple[Job, Part]]:
    """Give up jobs that run past twice their limit (in a sampler, say) and restart their workers."""
    for part, one in list(running.items()):
        job, future = one.job, one.future
        if job.limit is None or part not in started or future.done():
            continue
        worker, since = started[part]
        if time.monotonic() - since > 2 * job.limit:
            del running[part]
            client.cancel([future], force=True)
            client.restart_workers([worker], raise_for_error=False)
            yield job, lost_job(job, "timeout", f"still running after twice its limit of {job.limit:g} s")
