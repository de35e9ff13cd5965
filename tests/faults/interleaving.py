"""Several invocations at once, one AWS call at a time: who goes on is drawn by lot, and the same seed draws the same again.

Every other seed draws anew for each call. The others let one run on until the lot says that it shall wait for all others
(after Burckhardt and others, "A randomized scheduler with probabilistic guarantees of finding bugs", 2010): so one also gets
through from begin to end between two calls of another.
"""

import random
from collections.abc import Callable, Sequence
from threading import Semaphore, Thread, current_thread
from typing import Any, Final

from tests.faults.cloud import Cloud

WAITS_ONE_IN: Final = 8
MAX_CALLS_BEFORE_A_STALL: Final = 3


class Interleaving:
    """Use `run` for what shall happen at once; within it every AWS call of a function hands over."""

    def __init__(self, cloud: Cloud, numbers: random.Random) -> None:
        self._cloud = cloud
        self._numbers = numbers
        self._turns: dict[Thread, Semaphore] = {}
        self._handed_over = Semaphore(0)
        self._in_runs = numbers.random() < 0.5
        cloud.plane.before_call = self._hand_over

    def run(self, things: Sequence[Callable[[], Any]], stragglers: int = 0) -> list[Any]:
        """What each returns. Raises: the first error of any of them.

        The last so many are stragglers: they begin first, stand still after a few calls, and end when all others have.
        Within something that runs at once with others already, things run one by one.
        """
        if len(things) < 2 or current_thread() in self._turns:
            return [thing() for thing in things]
        results: list[Any] = [None] * len(things)
        errors: list[BaseException] = []

        def live(place: int) -> None:
            self._turns[current_thread()].acquire()
            try:
                results[place] = things[place]()
            except BaseException as error:  # noqa: BLE001  told to whoever asked for all of this
                errors.append(error)
            finally:
                del self._turns[current_thread()]
                self._handed_over.release()

        threads = [Thread(target=live, args=(place,)) for place in range(len(things))]
        self._turns = {thread: Semaphore(0) for thread in threads}
        for thread in threads:
            thread.start()
        late = threads[len(threads) - stragglers :]
        # The first turn leads up to a thread's first call.
        turns_left = {thread: self._numbers.randint(1, 1 + MAX_CALLS_BEFORE_A_STALL) for thread in late}
        queue = [*late, *self._numbers.sample(threads[: len(threads) - stragglers], len(threads) - stragglers)]
        while self._turns:
            queue = [thread for thread in queue if thread in self._turns]
            if not self._in_runs:
                self._numbers.shuffle(queue)
            elif self._numbers.randrange(WAITS_ONE_IN) == 0:
                queue.append(queue.pop(0))
            going = next((thread for thread in queue if turns_left.get(thread, 1) > 0), queue[0])
            if going in turns_left:
                turns_left[going] -= 1
            self._turns[going].release()
            self._handed_over.acquire()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return results

    def _hand_over(self) -> None:
        turn = self._turns.get(current_thread())
        if turn is None:
            return
        with self._cloud.functions.suspended():
            self._handed_over.release()
            turn.acquire()
