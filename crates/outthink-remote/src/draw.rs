//! Reading draws from what a server sends, whole or event by event.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outthink_core::{Continuation, Halt, Stop, Usage};

use crate::dialect::{Dialect, DrawEvent, FinishReason, Unreadable};
use crate::http::TransportError;
use crate::request::ResponseReader;
use crate::segment::PartialDraw;
use crate::server_error::beginning;
use crate::usage::{CountedTokens, ReportedUsage, usage};

/// The last event of a stream.
const DONE: &[u8] = b"[DONE]";

/// The draws of one request while they arrive. Shared, so that they can be taken when the search is halted.
pub(crate) type SharedDraws = Arc<Mutex<Vec<PartialDraw>>>;

/// Locks a mutex, also after a panic: no data is left half written by one.
pub(crate) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads the draws of one request.
pub(crate) struct DrawReader {
    dialect: &'static dyn Dialect,
    /// Does the server have to spell the tokens? Not where there is a tokenizer.
    spelled: bool,
    draws: SharedDraws,
    /// Tokens sent, as counted here.
    prompt: u64,
    stream: bool,
    halt: Option<Halt>,
    reported: Option<ReportedUsage>,
    /// Has a stream said that it is over?
    done: bool,
    /// The beginning of the last body or event without a choice.
    empty: String,
    /// Drawn tokens that the halt has counted.
    counted_by_halt: u64,
}

impl DrawReader {
    /// `draws`: an empty one for each that was asked for. `prompt`: tokens sent.
    pub(crate) fn new(
        dialect: &'static dyn Dialect,
        spelled: bool,
        draws: Vec<PartialDraw>,
        prompt: u64,
        stream: bool,
        halt: Option<Halt>,
    ) -> Self {
        Self {
            dialect,
            spelled,
            draws: Arc::new(Mutex::new(draws)),
            prompt,
            stream,
            halt,
            reported: None,
            done: false,
            empty: String::new(),
            counted_by_halt: 0,
        }
    }

    /// The draws, to be taken when they are halted, and the tokens sent.
    pub(crate) fn shared(&self) -> (SharedDraws, u64) {
        (Arc::clone(&self.draws), self.prompt)
    }

    fn read(&self, data: &[u8]) -> Result<DrawEvent, Unreadable> {
        match data == DONE {
            true => Ok(DrawEvent {
                last: true,
                ..DrawEvent::default()
            }),
            false => self.dialect.read_draws(data, self.spelled),
        }
    }

    /// Tells the halt how many tokens this request has drawn in all.
    fn count(&mut self, tokens: u64) {
        if let Some(halt) = &self.halt {
            halt.drew(tokens.saturating_sub(self.counted_by_halt));
            self.counted_by_halt = self.counted_by_halt.max(tokens);
        }
    }
}

impl ResponseReader for DrawReader {
    type Value = (Vec<Continuation>, Usage);

    fn take(&mut self, endpoint: &str, data: &[u8]) -> Result<bool, TransportError> {
        let event = self
            .read(data)
            .map_err(|unreadable| unreadable.at(endpoint))?;
        if event.deltas.is_empty() && (data != DONE || self.empty.is_empty()) {
            self.empty = beginning(data);
        }
        self.reported = event.usage.or(self.reported);
        self.done |= data == DONE;
        let shared = Arc::clone(&self.draws);
        let mut draws = lock(&shared);
        for delta in event.deltas {
            // Choices beyond those asked for are dropped.
            let Some(draw) = draws.get_mut(delta.index) else {
                continue;
            };
            delta.pieces.iter().for_each(|piece| draw.push(piece));
            if let Some(finish) = delta.finish {
                draw.finish(finish);
            }
        }
        // A stream can be hung up on once every draw has all that is wanted; then no usage is reported. Where the
        // server has ended a draw, its last event with the usage is worth waiting for.
        let over = |draw: &PartialDraw| draw.has_ended() && !draw.is_finished();
        let last = event.last || (self.stream && draws.iter().all(over));
        self.count(draws.iter().map(PartialDraw::tokens).sum());
        Ok(last)
    }

    fn finish(mut self, _: &str) -> Result<(Self::Value, u64), TransportError> {
        let draws = std::mem::take(&mut *lock(&self.draws));
        let counted = counted(&draws);
        let (done, begun) = (self.done, draws.iter().any(PartialDraw::has_begun));
        let mut drawn = Vec::with_capacity(draws.len());
        for mut draw in draws {
            // Some streams end without a finish reason.
            if done && draw.has_begun() && !draw.is_finished() {
                draw.finish(FinishReason::End);
            }
            drawn.extend(draw.into_continuation());
        }
        if drawn.is_empty() {
            return Err(match self.stream || begun {
                true => TransportError::Broken("the stream ended before the answer did".into()),
                false => TransportError::NoChoice(self.empty),
            });
        }
        debug_assert!(
            drawn
                .iter()
                .all(|c| c.stop != Stop::Step || c.steps.len() <= 1)
        );
        let usage = usage(self.reported, self.prompt, counted);
        self.count(usage.generated);
        Ok(((drawn, usage), usage.computed))
    }
}

/// Tokens drawn so far, as counted here.
pub(crate) fn counted(draws: &[PartialDraw]) -> CountedTokens {
    CountedTokens {
        tokens: draws.iter().map(PartialDraw::tokens).sum(),
        least: draws.iter().map(PartialDraw::least_tokens).sum(),
    }
}
