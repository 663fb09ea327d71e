//! A handle on the thread that owns a model, and what can be asked of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use futures::channel::oneshot;
use futures::future::try_join_all;
use outthink_core::{Halt, ModelCost, Sampling, Stop, Until, Usage};
use outthink_prompt::{Segment, Segmenter, Tokenizer};

use crate::architectures::DecoderSpec;
use crate::checkpoint::Checkpoint;
use crate::decoder::Decoder;
use crate::error::Error;
use crate::layers::head::Head;
use crate::memory::MemoryPlan;
use crate::readout::Readout;
use crate::worker::{EngineMessage, ReplySender, Worker};

/// A request for continuations of one prefix, one for each seed.
#[derive(Clone, Debug)]
pub struct DrawRequest {
    /// Token ids of the prompt and the steps so far; at least one.
    pub prefix: Vec<u32>,
    /// One seed per continuation. The same prefix and seed give the same tokens, whatever else is in the batch.
    pub seeds: Vec<u64>,
    /// Whether to stop after one step or after the whole answer.
    pub until: Until,
    /// Temperature and truncation (top-k, top-p, min-p).
    pub sampling: Sampling,
    /// Upper limit of tokens per continuation.
    pub max_tokens: usize,
    /// How many tokens of each continuation came before, where they are taken up again: they go on with the next random number.
    pub offset: usize,
    /// Splits the text into steps and recognises the end of the answer.
    pub segmenter: Segmenter,
}

/// One continuation.
#[derive(Clone, Debug)]
pub struct DrawnText {
    /// Its steps, with tokens and log-probabilities. The last one may be cut off.
    pub steps: Vec<Segment>,
    /// Why generation stopped.
    pub stop: Stop,
}

impl DrawnText {
    pub(crate) const NOTHING: Self = Self {
        steps: Vec::new(),
        stop: Stop::Length,
    };
}

/// A request for the values of some tokens of a sequence, as the engine's [`Readout`] defines them.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Token ids of the whole sequence.
    pub tokens: Vec<u32>,
    /// Positions of the tokens to read, from 0, in any order. Positions beyond the end give NaN, and so does position 0
    /// where tokens are read from those before them.
    pub places: Vec<usize>,
}

/// Work done by an engine since it was loaded, by all its handles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineCounts {
    /// Tokens computed: prompt and generated tokens, each cached token once.
    pub computed: u64,
    /// Forward passes.
    pub passes: u64,
}

/// What all handles on one model share.
pub(crate) struct EngineFacts {
    spec: DecoderSpec,
    head: Head,
    parameters: u64,
    plan: MemoryPlan,
    pub computed: AtomicU64,
    pub passes: AtomicU64,
}

/// A handle on the thread that runs a model; the thread ends when the last handle is dropped. Clones share the model and its
/// tree of computed tokens, so a prefix that one of them asked for is cached for all.
#[derive(Clone)]
pub struct Engine {
    sender: mpsc::Sender<EngineMessage>,
    facts: Arc<EngineFacts>,
    readout: Readout,
}

impl Engine {
    /// Loads a checkpoint and starts its thread. `readout` says what [`Self::read`] returns. Fails, before anything is loaded,
    /// if the model does not fit into memory.
    pub fn load(
        checkpoint: &Checkpoint,
        tokenizer: Arc<Tokenizer>,
        readout: Readout,
    ) -> Result<Self, Error> {
        Self::start(Decoder::load(checkpoint)?, tokenizer, readout)
    }

    fn start(decoder: Decoder, tokenizer: Arc<Tokenizer>, readout: Readout) -> Result<Self, Error> {
        readout.check(decoder.head(), &decoder.spec)?;
        let facts = Arc::new(EngineFacts {
            spec: decoder.spec.clone(),
            head: decoder.head(),
            parameters: decoder.parameters,
            plan: decoder.plan,
            computed: AtomicU64::new(0),
            passes: AtomicU64::new(0),
        });
        let (sender, receiver) = mpsc::channel();
        let worker = Worker::new(decoder, tokenizer, Arc::clone(&facts));
        std::thread::Builder::new()
            .name("outthink-engine".into())
            .spawn(move || worker.run(&receiver))
            .map_err(|source| Error::File {
                path: "a thread for the model".into(),
                source,
            })?;
        Ok(Self {
            sender,
            facts,
            readout,
        })
    }

    /// Another handle on the same model and tree, with another readout. Fails if the model's head has no such output.
    pub fn reading_as(&self, readout: Readout) -> Result<Self, Error> {
        readout.check(self.facts.head, &self.facts.spec)?;
        Ok(Self {
            readout,
            ..self.clone()
        })
    }

    /// Context length in tokens.
    pub(crate) fn context(&self) -> usize {
        self.facts.spec.context
    }

    /// Numbers of a hidden state.
    pub fn hidden_size(&self) -> usize {
        self.facts.spec.hidden_size
    }

    /// Parameters, layers and attention width, for counting FLOPs.
    pub fn cost(&self) -> ModelCost {
        let EngineFacts {
            spec, parameters, ..
        } = &*self.facts;
        ModelCost {
            parameters: *parameters,
            layers: spec.blocks.len() as u64,
            attention_width: spec.heads.query_width() as u64,
            active: match spec.idle_parameters() {
                0 => None,
                idle => Some(parameters.saturating_sub(idle)),
            },
        }
    }

    /// How the model's memory is divided, in bytes.
    pub fn memory(&self) -> MemoryPlan {
        self.facts.plan
    }

    /// Work done so far, by all handles on this model.
    pub fn counts(&self) -> EngineCounts {
        EngineCounts {
            computed: self.facts.computed.load(Ordering::Relaxed),
            passes: self.facts.passes.load(Ordering::Relaxed),
        }
    }

    /// Samples continuations. Returns, for each request in order, one continuation per seed and the request's usage.
    pub async fn draw(
        &self,
        drawings: Vec<DrawRequest>,
    ) -> Result<Vec<(Vec<DrawnText>, Usage)>, Arc<Error>> {
        let message = |drawing, reply| EngineMessage::Draw(drawing, None, reply);
        self.ask(drawings, message).await
    }

    /// Like [`Self::draw`], but stops at `halt`, which is told of every generated token. A continuation that is unfinished by
    /// then has no steps and [`Stop::Length`].
    pub async fn draw_until(
        &self,
        drawings: Vec<DrawRequest>,
        halt: &Halt,
    ) -> Result<Vec<(Vec<DrawnText>, Usage)>, Arc<Error>> {
        let message = |drawing, reply| EngineMessage::Draw(drawing, Some(halt.clone()), reply);
        self.ask(drawings, message).await
    }

    /// Reads token values. Returns, for each request in order, one value per position and the request's usage.
    pub async fn read(&self, readings: Vec<Reading>) -> Result<Vec<(Vec<f32>, Usage)>, Arc<Error>> {
        let message = |reading, reply| EngineMessage::Read(reading, self.readout, reply);
        self.ask(readings, message).await
    }

    /// Hidden states at some positions of a sequence (from 0, in the order of `places`): one row of `hidden_size` numbers per
    /// position, after the final norm, as the model's own head reads it. Computes only the tokens that are not cached. Fails
    /// for an empty sequence and for a position beyond its end.
    pub async fn hidden(
        &self,
        tokens: Vec<u32>,
        places: Vec<usize>,
    ) -> Result<(Vec<Vec<f32>>, Usage), Arc<Error>> {
        if let Some(&place) = places.iter().find(|&&place| place >= tokens.len()) {
            let tokens = tokens.len();
            return Err(Arc::new(match tokens {
                0 => Error::EmptyPrompt,
                _ => Error::NoSuchPlace { place, tokens },
            }));
        }
        let mut rows = self
            .ask(vec![Reading { tokens, places }], EngineMessage::Hidden)
            .await?;
        rows.pop().ok_or_else(|| Arc::new(Error::Stopped))
    }

    /// Empties the cache, except for prefixes that a request in progress is using.
    pub async fn forget(&self) -> Result<(), Arc<Error>> {
        let (sender, receiver) = oneshot::channel();
        self.sender
            .send(EngineMessage::Forget(sender))
            .map_err(|_| Error::Stopped)?;
        receiver.await.map_err(|_| Arc::new(Error::Stopped))
    }

    async fn ask<Q, A>(
        &self,
        questions: Vec<Q>,
        message: impl Fn(Q, ReplySender<A>) -> EngineMessage,
    ) -> Result<Vec<(A, Usage)>, Arc<Error>> {
        let mut answers = Vec::with_capacity(questions.len());
        for question in questions {
            let (sender, receiver) = oneshot::channel();
            self.sender
                .send(message(question, sender))
                .map_err(|_| Error::Stopped)?;
            // A request that is lost was being taken in when the engine panicked.
            let lost = |_| Err(Arc::new(Error::Panicked("the request was lost".into())));
            answers.push(async move { receiver.await.unwrap_or_else(lost) });
        }
        try_join_all(answers).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use futures::executor::block_on;
    use outthink_prompt::{Profile, PromptFiles};

    use super::*;

    /// The model of a family's tests, and what it is asked with.
    fn model() -> (Decoder, Arc<Tokenizer>, Segmenter) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/families/qwen3");
        let decoder = Decoder::load(&Checkpoint::read(folder.as_ref()).unwrap()).unwrap();
        let tokenizer = PromptFiles::read(folder.as_ref()).unwrap().tokenizer;
        let profile = Profile::named("chat").unwrap().policy.unwrap();
        (
            decoder,
            Arc::new(tokenizer),
            Segmenter::new(&profile, Vec::new()).without_box(),
        )
    }

    fn drawing(segmenter: &Segmenter, seeds: std::ops::Range<u64>) -> DrawRequest {
        DrawRequest {
            prefix: vec![1, 2, 3],
            seeds: seeds.collect(),
            until: Until::Answer,
            sampling: Sampling::at(1.0),
            max_tokens: 8,
            offset: 0,
            segmenter: segmenter.clone(),
        }
    }

    #[test]
    fn a_panic_fails_who_was_waiting_and_the_engine_goes_on() {
        let (decoder, tokenizer, segmenter) = model();
        let engine = Engine::start(decoder, Arc::clone(&tokenizer), Readout::Likelihood).unwrap();
        let ask = |engine: &Engine, seeds| {
            let drawn = block_on(engine.draw(vec![drawing(&segmenter, seeds)]));
            drawn.map(|replies| {
                let draws = replies.into_iter().flat_map(|(draws, _)| draws);
                let tokens = |draw: DrawnText| draw.steps.into_iter().flat_map(|step| step.tokens);
                draws.flat_map(tokens).collect::<Vec<u32>>()
            })
        };
        let alone = ask(&engine, 3..4).unwrap();
        assert_eq!(alone.len(), 8);
        // A decoder that says less than its configuration promises: what it says of a second token is looked for beyond the end.
        let (mut decoder, ..) = model();
        decoder.spec.vocabulary *= 1000;
        let engine = Engine::start(decoder, tokenizer, Readout::Likelihood).unwrap();
        for _ in 0..3 {
            let error = ask(&engine, 0..8).unwrap_err();
            assert!(
                matches!(&*error, Error::Panicked(said) if said.contains("range")),
                "{error}"
            );
            assert!(
                error.to_string().contains("fault of this program"),
                "{error}"
            );
            assert_eq!(ask(&engine, 3..4).unwrap(), alone);
        }
        block_on(engine.forget()).unwrap();
    }
}
