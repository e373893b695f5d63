"""The clients of the serving benchmark: processes of their own with raw keep-alive sockets, so that Python's own HTTP
client is not what is measured.

*Closed loop*: every connection sends its next request when the last was answered; gives the rate. *Open loop*:
requests arrive at random instants (Poisson) at a given rate, whatever the server does, and a request's time runs from
the instant it was due, so that a stall counts for all who would have come meanwhile (no coordinated omission).
"""

from __future__ import annotations

import multiprocessing
import random
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any


class Connection:
    """One keep-alive connection; `ask` sends a prepared request and returns status and body."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> tuple[int, bytes]:
        self._socket.sendall(request)
        received = self._socket.recv(65536)
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more()
        head = received[:end].lower()
        at = head.index(b"content-length:") + 15
        length = int(head[at:].split(b"\r\n", 1)[0])
        while len(received) < end + 4 + length:
            received += self._more()
        return int(received[9:12]), received[end + 4 :]

    def _more(self) -> bytes:
        if not (part := self._socket.recv(65536)):
            raise ConnectionError("the server closed the connection")
        return part


def request_for(path: str, key: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n".encode()


def closed_loop(port: int, requests: Sequence[bytes], *, clients: int, seconds: float) -> list[float]:
    """Latencies in seconds of all answers that `clients` connections, one a process, got within `seconds`."""
    return _together(_closed_client, clients, port, requests, seconds)


def open_loop(port: int, requests: Sequence[bytes], *, rate: float, seconds: float, threads: int = 32) -> list[float]:
    """Latencies in seconds from when each request was due, at `rate` a second."""
    return _together(_open_client, 1, port, requests, seconds, rate, threads)


def _together(client: Any, clients: int, *arguments: Any) -> list[float]:
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(clients), context.Queue()
    processes = [context.Process(target=client, args=(ready, results, n, *arguments)) for n in range(clients)]
    for process in processes:
        process.start()
    found = [results.get(timeout=600) for _ in processes]
    for process in processes:
        process.join()
    if wrong := [each for each in found if isinstance(each, str)]:
        raise RuntimeError(wrong[0])
    return [latency for each in found for latency in each]


def _closed_client(ready: Any, results: Any, number: int, port: int, requests: Sequence[bytes], seconds: float) -> None:
    try:
        connection, latencies, at = Connection(port), [], number * 7919
        connection.ask(requests[0])
        ready.wait(timeout=120)
        clock = time.perf_counter
        now = clock()
        end = now + seconds
        while now < end:
            status, body = connection.ask(requests[at % len(requests)])
            if status != 200:
                raise RuntimeError(f"{status}: {body[:200]!r}")
            done = clock()
            latencies.append(done - now)
            now, at = done, at + 1
        results.put(latencies)
    except Exception as error:
        results.put(f"{type(error).__name__}: {error}")


def _open_client(
    ready: Any, results: Any, number: int, port: int, requests: Sequence[bytes], seconds: float, rate: float,
    threads: int,
) -> None:  # fmt: skip
    draw = random.Random(1)  # noqa: S311
    due: list[float] = []
    at = 0.0
    while at < seconds:
        at += draw.expovariate(rate)
        due.append(at)
    latencies = [0.0] * len(due)
    turn, lock, wrong = iter(range(len(due))), threading.Lock(), []
    connections = [Connection(port) for _ in range(threads)]
    for connection in connections:
        connection.ask(requests[0])
    clock = time.perf_counter
    started = clock() + 0.2

    def work(connection: Connection) -> None:
        while True:
            with lock:
                index = next(turn, None)
            if index is None:
                return
            instant = started + due[index]
            if (pause := instant - clock()) > 0:
                time.sleep(pause)
            status, body = connection.ask(requests[index % len(requests)])
            latencies[index] = clock() - instant
            if status != 200:
                wrong.append(f"{status}: {body[:200]!r}")
                return

    workers = [threading.Thread(target=work, args=(each,)) for each in connections]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    results.put(wrong[0] if wrong else latencies)
