"""Calls of many searches, made as one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Reply = TypeVar("Reply")


class Together(Generic[Asked, Reply]):
    """Asks ``work`` for one caller at a time. What others ask while it is at work is its next call, all in one: searches that run at
    once share a model's batches.

    >>> together = Together(lambda numbers: [2 * number for number in numbers])
    >>> together([1, 2])
    [2, 4]
    """

    def __init__(self, work: Callable[[list[Asked]], Sequence[Reply]]) -> None:
        self._work = work
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._waiting: list[tuple[list[Asked], Future[list[Reply]]]] = []

    def __call__(self, asked: list[Asked]) -> list[Reply]:
        own: Future[list[Reply]] = Future()
        with self._lock:
            self._waiting.append((asked, own))
        with self._turn:
            if not own.done():
                self._serve()
        return own.result()

    def _serve(self) -> None:
        with self._lock:
            taken, self._waiting = self._waiting, []
        try:
            replies = iter(self._work([one for asked, _ in taken for one in asked]))
            answers = [[next(replies) for _ in asked] for asked, _ in taken]
        except BaseException as error:  # noqa: BLE001: it is raised where each of them waits
            for _, future in taken:
                future.set_exception(error)
            return
        for (_, future), answer in zip(taken, answers):
            future.set_result(answer)
