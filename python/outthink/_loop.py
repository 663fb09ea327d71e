"""Where coroutines of callbacks run: in the caller's event loop, or in one of the package's own on a thread of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_own: asyncio.AbstractEventLoop | None = None


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _loop() -> asyncio.AbstractEventLoop:
    """One loop for all searches, so that the connections of a client outlive a call."""
    global _own
    with _lock:
        if _own is None or not _own.is_running():
            _own = asyncio.new_event_loop()
            threading.Thread(target=_own.run_forever, name="outthink", daemon=True).start()
        return _own


def submit(
    awaitable: Awaitable[Any],
    loop: asyncio.AbstractEventLoop | None,
    done: Callable[[concurrent.futures.Future[Any]], None],
) -> concurrent.futures.Future[Any]:
    """Has a loop run it; ``done`` hears of its end."""
    future = asyncio.run_coroutine_threadsafe(_awaited(awaitable), loop or _loop())
    future.add_done_callback(done)
    return future


async def in_thread(search: Callable[[Any, Any], T], cancel: Any) -> T:
    """Runs ``search(cancel, loop)`` on a thread of its own, so that neither its policy nor its verifier keeps the loop from other work.

    A thread and no pool: searches that wait for each other's turn would be no searches at once. Cancelling the awaiting task
    ends the search.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = search(cancel, loop)
        except BaseException as raised:  # noqa: BLE001: it is raised where the search is awaited
            # A future takes no StopIteration.
            error = RuntimeError(repr(raised)) if isinstance(raised, StopIteration) else raised
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            pass  # the loop was closed meanwhile: nobody waits

    threading.Thread(target=run, name="outthink-search", daemon=True).start()
    try:
        return await future
    except asyncio.CancelledError:
        cancel.cancel()
        raise
