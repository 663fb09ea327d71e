//! Who searches when: so many at once, so many of one key, and turns taken by key.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{Either, FutureExt, ready};
use tokio::sync::oneshot;

/// Lets searches in, fairly: a key that asks for much waits behind its own, not before others.
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Searches at once.
    room: usize,
    /// Searches that may wait.
    longest: usize,
}

#[derive(Default)]
struct State {
    running: usize,
    by_key: HashMap<String, usize>,
    waiting: HashMap<String, VecDeque<(usize, oneshot::Sender<Turn>)>>,
    /// Keys with somebody waiting; the first has the next turn.
    turns: VecDeque<String>,
    waiters: usize,
}

/// The right to search, until it is dropped.
pub(crate) struct Turn {
    /// None once the turn was given back by other means.
    queue: Option<Arc<Queue>>,
    key: String,
}

/// Too many are waiting.
#[derive(Debug)]
pub(crate) struct Full;

impl Queue {
    pub(crate) fn new(room: usize, longest: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            room,
            longest,
        })
    }

    /// A place in the queue, which becomes a turn; at most `own` of the key's searches run at once. Refused at once where too many
    /// wait, so that a client hears of it before anything else. Whoever drops the place leaves the queue.
    pub(crate) fn place(
        self: &Arc<Self>,
        key: &str,
        own: usize,
    ) -> Result<impl Future<Output = Result<Turn, Full>> + Send + use<>, Full> {
        let mut state = self.lock();
        let mine = state.by_key.get(key).copied().unwrap_or_default();
        if state.running < self.room && mine < own && state.waiters == 0 {
            return Ok(Either::Left(ready(Ok(self.begin(&mut state, key)))));
        }
        state.prune();
        if state.waiters >= self.longest {
            return Err(Full);
        }
        let (sender, receiver) = oneshot::channel();
        let line = state.waiting.entry(key.to_owned()).or_default();
        line.push_back((own, sender));
        if line.len() == 1 {
            state.turns.push_back(key.to_owned());
        }
        state.waiters += 1;
        self.admit(&mut state);
        Ok(Either::Right(receiver.map(|turn| turn.map_err(|_| Full))))
    }

    /// (searching, waiting)
    pub(crate) fn load(&self) -> (usize, usize) {
        let state = self.lock();
        (state.running, state.waiters)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if it did, the counts would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(self: &Arc<Self>, state: &mut State, key: &str) -> Turn {
        state.running += 1;
        *state.by_key.entry(key.to_owned()).or_default() += 1;
        Turn {
            queue: Some(Arc::clone(self)),
            key: key.to_owned(),
        }
    }

    /// Gives turns while there is room, one key after the other.
    fn admit(self: &Arc<Self>, state: &mut State) {
        let mut passed = 0;
        while state.running < self.room && passed < state.turns.len() {
            let Some(key) = state.turns.pop_front() else {
                return;
            };
            let mine = state.by_key.get(&key).copied().unwrap_or_default();
            let line = state.waiting.get_mut(&key);
            let Some((own, _)) = line.as_ref().and_then(|line| line.front()) else {
                continue;
            };
            if mine >= *own {
                state.turns.push_back(key);
                passed += 1;
                continue;
            }
            let next = line.and_then(VecDeque::pop_front);
            if state.waiting.get(&key).is_some_and(|line| !line.is_empty()) {
                state.turns.push_back(key.clone());
            } else {
                state.waiting.remove(&key);
            }
            state.waiters -= 1;
            passed = 0;
            if let Some((_, sender)) = next
                && !sender.is_closed()
            {
                let turn = self.begin(state, &key);
                if let Err(mut unwanted) = sender.send(turn) {
                    // Its owner left just now; the room is free again, but not through `drop`, which would lock once more.
                    unwanted.queue = None;
                    state.end(&key);
                }
            }
        }
    }
}

impl State {
    /// Forgets those who no longer wait.
    fn prune(&mut self) {
        for line in self.waiting.values_mut() {
            line.retain(|(_, sender)| !sender.is_closed());
        }
        self.waiting.retain(|_, line| !line.is_empty());
        let waiting = &self.waiting;
        self.turns.retain(|key| waiting.contains_key(key));
        self.waiters = self.waiting.values().map(VecDeque::len).sum();
    }

    fn end(&mut self, key: &str) {
        self.running -= 1;
        if let Some(mine) = self.by_key.get_mut(key) {
            *mine -= 1;
            if *mine == 0 {
                self.by_key.remove(key);
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(queue) = self.queue.take() else {
            return;
        };
        let mut state = queue.lock();
        state.end(&self.key);
        queue.admit(&mut state);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use futures::FutureExt;

    use super::*;

    async fn turn(queue: &Arc<Queue>, key: &str, own: usize) -> Result<Turn, Full> {
        queue.place(key, own)?.await
    }

    #[tokio::test]
    async fn a_key_that_asks_for_much_waits_behind_its_own() {
        let queue = Queue::new(2, 8);
        let first = turn(&queue, "greedy", 2).await.unwrap();
        let second = turn(&queue, "greedy", 2).await.unwrap();
        let mut third = Box::pin(turn(&queue, "greedy", 2));
        assert!(third.as_mut().now_or_never().is_none());
        let mut fourth = Box::pin(turn(&queue, "greedy", 2));
        assert!(fourth.as_mut().now_or_never().is_none());
        let mut modest = Box::pin(turn(&queue, "modest", 2));
        assert!(modest.as_mut().now_or_never().is_none());
        drop(first);
        let _third = third.as_mut().now_or_never().unwrap().unwrap();
        drop(second);
        assert!(
            fourth.as_mut().now_or_never().is_none(),
            "the other key has the next turn"
        );
        let _modest = modest.as_mut().now_or_never().unwrap().unwrap();
        drop(fourth);
        assert_eq!(queue.load().0, 2);
    }

    #[tokio::test]
    async fn whoever_left_takes_no_turn_and_a_full_queue_says_so() {
        let queue = Queue::new(1, 1);
        let running = turn(&queue, "a", 9).await.unwrap();
        let mut gone = Box::pin(turn(&queue, "a", 9));
        assert!(gone.as_mut().now_or_never().is_none());
        assert!(turn(&queue, "b", 9).await.is_err());
        drop(gone);
        let mut waiting = Box::pin(turn(&queue, "b", 9));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(running);
        let turn = waiting.as_mut().now_or_never().unwrap().unwrap();
        assert_eq!(queue.load(), (1, 0));
        drop(turn);
        assert_eq!(queue.load(), (0, 0));
    }

    #[tokio::test]
    async fn every_name_gives_its_turn_back() {
        let queue = Queue::new(1, 1);
        for name in ["", "a", "", " "] {
            let turn = queue.place(name, 1).unwrap().now_or_never().unwrap();
            assert_eq!(queue.load(), (1, 0));
            drop(turn.unwrap());
            assert_eq!(queue.load(), (0, 0));
        }
    }

    #[tokio::test]
    async fn a_turn_that_nobody_fetches_is_free_again() {
        let queue = Queue::new(1, 1);
        let running = turn(&queue, "a", 1).await.unwrap();
        let place = queue.place("b", 1).unwrap();
        assert!(queue.place("c", 1).is_err(), "full, and known at once");
        drop(running);
        assert_eq!(queue.load(), (1, 0));
        drop(place);
        assert_eq!(queue.load(), (0, 0));
    }
}
