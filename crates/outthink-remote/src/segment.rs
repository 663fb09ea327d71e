//! Cutting a server's tokens or text into steps, by the same rule as the embedded engine.

use std::sync::Arc;

use outthink_core::{Continuation, Step, Stop, TokenStats, Until};
use outthink_prompt::{End, Likelihood, Segmenter, Tokenizer};

use crate::dialect::{FinishReason, Piece};

/// One draw while it arrives.
#[derive(Clone)]
pub(crate) struct PartialDraw {
    segmenter: Segmenter,
    /// None where the server spells the tokens.
    tokenizer: Option<Arc<Tokenizer>>,
    until: Until,
    begun: bool,
    tokens: u64,
    bytes: u64,
    stop: Option<Stop>,
    finish: Option<FinishReason>,
}

impl PartialDraw {
    pub(crate) fn new(
        segmenter: Segmenter,
        tokenizer: Option<Arc<Tokenizer>>,
        until: Until,
    ) -> Self {
        Self {
            segmenter,
            tokenizer,
            until,
            begun: false,
            tokens: 0,
            bytes: 0,
            stop: None,
            finish: None,
        }
    }

    /// Takes the next piece. Pieces after the end are counted and dropped.
    pub(crate) fn push(&mut self, piece: &Piece) {
        self.begun = true;
        self.tokens += u64::from(piece.token.is_some());
        self.bytes += piece.bytes.len() as u64;
        let (segmenter, stop, until) = (&mut self.segmenter, &mut self.stop, self.until);
        let mut take = |bytes: &[u8], logprob: Option<f64>| {
            if stop.is_some() {
                return;
            }
            *stop = match (
                segmenter.push_bytes(
                    piece.token,
                    bytes,
                    Likelihood {
                        logprob,
                        entropy: None,
                    },
                ),
                until,
            ) {
                (End::Answer, _) => Some(Stop::Answer),
                (End::Step, Until::Step) => Some(Stop::Step),
                (End::Step | End::Nothing, _) => None,
            };
        };
        match (piece.token, &self.tokenizer) {
            (Some(token), Some(tokenizer)) => take(tokenizer.bytes(token), piece.logprob),
            (Some(_), None) => take(&piece.bytes, piece.logprob),
            // A piece of text may hold several ends, so it is taken character by character.
            (None, _) => {
                for character in String::from_utf8_lossy(&piece.bytes).chars() {
                    take(character.encode_utf8(&mut [0; 4]).as_bytes(), None);
                }
            }
        }
    }

    pub(crate) fn finish(&mut self, finish: FinishReason) {
        self.finish = Some(finish);
    }

    /// Is the step or answer complete?
    pub(crate) fn has_ended(&self) -> bool {
        self.stop.is_some()
    }

    /// Has the server told a finish reason?
    pub(crate) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Has any piece arrived?
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// A lower bound of the tokens drawn: those that arrived, or without token ids, the text's bytes over a token's
    /// greatest length.
    pub(crate) fn least_tokens(&self) -> u64 {
        const LONGEST: u64 = 16;
        match self.tokens {
            0 => self.bytes.div_ceil(LONGEST),
            tokens => tokens,
        }
    }

    /// Tokens drawn: those that arrived, also after the end, or without token ids, an estimate of four bytes a token.
    pub(crate) fn tokens(&self) -> u64 {
        match self.tokens {
            0 => self.bytes.div_ceil(4),
            tokens => tokens,
        }
    }

    /// The finished draw. None if it neither ended here nor has a finish reason.
    pub(crate) fn into_continuation(self) -> Option<Continuation> {
        let stop = match (self.stop, self.finish) {
            (Some(stop), _) => stop,
            (None, None) => return None,
            (None, Some(FinishReason::End)) => Stop::Answer,
            (None, Some(FinishReason::Length)) => Stop::Length,
            // A separator before any text does not end a step here, but the server stopped at it.
            (None, Some(FinishReason::Separator)) => match self.until {
                Until::Step => Stop::Step,
                Until::Answer => Stop::Length,
            },
        };
        let mut steps: Vec<Step> = self
            .segmenter
            .into_segments()
            .into_iter()
            .map(|segment| Step {
                stats: TokenStats::of(segment.tokens.len(), segment.logprobs, segment.entropies),
                text: segment.text,
                tokens: segment.tokens,
                logprob: segment.logprob,
            })
            .collect();
        // An answer that ends at once is one blank step, as it is where the end has a token.
        if steps.is_empty() && stop == Stop::Answer {
            steps.push(Step::default());
        }
        Some(Continuation { steps, stop })
    }
}
