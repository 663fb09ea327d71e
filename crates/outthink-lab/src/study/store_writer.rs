//! The thread that owns the store: everyone else hands it what to write, and it writes many a transaction.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures::channel::oneshot;

use crate::store::{FinishedUnit, Store, StoreError, Write};

type Question = Box<dyn FnOnce(&mut Store) + Send>;

enum Order {
    Write(Write, Option<oneshot::Sender<()>>),
    Ask(Question),
}

/// A handle on the store's thread, which ends with it.
pub(crate) struct StoreWriter {
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<Result<Store, StoreError>>>,
}

/// The thread has ended; [`StoreWriter::close`] says why.
#[derive(Debug, thiserror::Error)]
#[error("the store's thread has ended")]
pub(crate) struct Ended;

impl StoreWriter {
    pub(crate) fn start(mut store: Store) -> Self {
        let (orders, inbox) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            serve(&mut store, &inbox)?;
            Ok(store)
        });
        Self {
            orders: Some(orders),
            thread: Some(thread),
        }
    }

    fn order(&self, order: Order) -> Result<(), Ended> {
        let orders = self.orders.as_ref().ok_or(Ended)?;
        orders.send(order).map_err(|_| Ended)
    }

    /// Writes a model's reply, some time soon.
    pub(crate) fn journal(&self, unit: i64, key: i64, reply: String) {
        // A thread that has ended is noticed by whoever waits for an answer.
        let _ = self.order(Order::Write(Write::Journal { unit, key, reply }, None));
    }

    /// Writes a finished unit; returns when it is in the store.
    pub(crate) async fn finish(&self, finished: FinishedUnit) -> Result<(), Ended> {
        self.write(Write::Finish(Box::new(finished))).await
    }

    /// Writes that a unit has failed; returns when it is in the store.
    pub(crate) async fn fail(&self, unit: i64, error: String) -> Result<(), Ended> {
        self.write(Write::Fail { unit, error }).await
    }

    async fn write(&self, write: Write) -> Result<(), Ended> {
        let (done, written) = oneshot::channel();
        let order = Order::Write(write, Some(done));
        self.order(order)?;
        written.await.map_err(|_| Ended)
    }

    /// Asks the store something, after all that was written before.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Store) -> T + Send + 'static,
    ) -> Result<T, Ended> {
        let (tell, told) = oneshot::channel();
        let question = Box::new(move |store: &mut Store| {
            let _ = tell.send(question(store));
        });
        self.order(Order::Ask(question))?;
        told.await.map_err(|_| Ended)
    }

    /// Ends the thread when all is written, and gives the store back.
    pub(crate) fn close(mut self) -> Result<Store, StoreError> {
        let ended = || StoreError::Malformed("a thread that has ended".into());
        self.end().unwrap_or_else(|| Err(ended()))
    }

    fn end(&mut self) -> Option<Result<Store, StoreError>> {
        drop(self.orders.take());
        let panicked = |_| StoreError::Malformed("a thread that has panicked".into());
        let joined = self.thread.take()?.join();
        Some(joined.map_err(panicked).flatten())
    }
}

/// A run that is given up has written all that came, and leaves its units to others at once.
impl Drop for StoreWriter {
    fn drop(&mut self) {
        if let Some(Ok(mut store)) = self.end() {
            // Leases that stay run out by themselves.
            let _ = store.release();
        }
    }
}

fn serve(store: &mut Store, inbox: &mpsc::Receiver<Order>) -> Result<(), StoreError> {
    /// Writes a transaction, at most.
    const MOST: usize = 4096;
    let pause = Duration::from_secs_f64((store.lease() / 3.0).max(0.01));
    let mut renewed = Instant::now();
    loop {
        if renewed.elapsed() >= pause {
            store.renew()?;
            renewed = Instant::now();
        }
        let first = match inbox.recv_timeout(pause.saturating_sub(renewed.elapsed())) {
            Ok(order) => order,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        let (mut batch, mut waiting) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        let mut question = None;
        while let Some(order) = next {
            match order {
                Order::Write(write, done) => {
                    batch.push(write);
                    waiting.extend(done);
                }
                Order::Ask(asked) => {
                    question = Some(asked);
                    break;
                }
            }
            next = (batch.len() < MOST)
                .then(|| inbox.try_recv().ok())
                .flatten();
        }
        if !batch.is_empty() {
            store.write(batch)?;
        }
        for done in waiting {
            // Whoever waited may have been stopped.
            let _ = done.send(());
        }
        if let Some(question) = question {
            question(store);
        }
    }
}
