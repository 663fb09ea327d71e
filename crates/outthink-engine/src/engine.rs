//! The thread that owns a model: whatever is asked, by anyone, joins the next forward pass.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use futures::channel::oneshot;
use futures::future::try_join_all;
use outthink_core::{Halt, ModelCost, Sampling, Stop, Until, Usage};
use outthink_prompt::{End, Segment, Segmenter, Tokenizer};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::checkpoint::Checkpoint;
use crate::decoder::Decoder;
use crate::error::Error;
use crate::readout::Readout;
use crate::sampler::Distribution;
use crate::tree::{Slot, TokenTree};

/// Most tokens of one forward pass; longer prefixes are computed in several.
const PASS: usize = 1024;

/// Memory for keys, values and hidden states, beyond which prefixes that nobody uses are forgotten.
const TREE_BYTES: usize = 512 << 20;

/// Continue a prefix, once a seed.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// Prompt and steps so far; not empty.
    pub prefix: Vec<u32>,
    /// One seed per draw.
    pub seeds: Vec<u64>,
    /// Where to stop.
    pub until: Until,
    /// How to draw.
    pub sampling: Sampling,
    /// Most tokens of a draw.
    pub max_tokens: usize,
    /// Cuts the text into steps.
    pub segmenter: Segmenter,
}

/// One continuation.
#[derive(Clone, Debug)]
pub struct Draw {
    /// Its steps; the last may be cut off.
    pub steps: Vec<Segment>,
    /// Why it ended.
    pub stop: Stop,
}

impl Draw {
    const NOTHING: Self = Self {
        steps: Vec::new(),
        stop: Stop::Length,
    };
}

/// Read a number off some tokens of a sequence, in the engine's way.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The whole sequence.
    pub tokens: Vec<u32>,
    /// Places of the tokens to read, in any order. A likelihood says nothing of the first token, which reads as NaN.
    pub places: Vec<usize>,
}

/// What an engine has done since it was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tokens run through the model.
    pub computed: u64,
    /// Forward passes.
    pub passes: u64,
}

type Reply<T> = oneshot::Sender<Result<(T, Usage), Arc<Error>>>;

enum Message {
    Draw(Drawing, Option<Halt>, Reply<Vec<Draw>>),
    Read(Reading, Reply<Vec<f32>>),
    Forget(oneshot::Sender<()>),
}

/// A handle on a model's thread; the thread ends with the last handle.
#[derive(Clone)]
pub struct Engine {
    sender: mpsc::Sender<Message>,
    counts: Arc<[AtomicU64; 2]>,
    cost: ModelCost,
    context: usize,
}

impl Engine {
    /// Loads a checkpoint whose tokens are read in one way.
    pub fn load(
        checkpoint: &Checkpoint,
        tokenizer: Arc<Tokenizer>,
        readout: Readout,
    ) -> Result<Self, Error> {
        Self::start(Decoder::load(checkpoint)?, tokenizer, readout)
    }

    fn start(decoder: Decoder, tokenizer: Arc<Tokenizer>, readout: Readout) -> Result<Self, Error> {
        readout.check(&decoder)?;
        let spec = &decoder.spec;
        let cost = ModelCost {
            parameters: decoder.parameters,
            layers: spec.layers as u64,
            attention_width: spec.heads.query_width() as u64,
            active: None,
        };
        let context = spec.context;
        let floats = spec.layers * 2 * spec.heads.key_width() + spec.hidden_size;
        let tree = decoder.tree(TREE_BYTES / (4 * floats));
        let counts = Arc::new([const { AtomicU64::new(0) }; 2]);
        let (sender, receiver) = mpsc::channel();
        let worker = Worker {
            decoder,
            tree,
            tokenizer,
            readout,
            drawings: Vec::new(),
            readings: Vec::new(),
            counts: Arc::clone(&counts),
        };
        std::thread::Builder::new()
            .name("outthink-engine".into())
            .spawn(move || worker.run(&receiver))
            .map_err(|source| Error::File {
                path: "a thread for the model".into(),
                source,
            })?;
        Ok(Self {
            sender,
            counts,
            cost,
            context,
        })
    }

    /// Most tokens of a sequence.
    pub(crate) fn context(&self) -> usize {
        self.context
    }

    /// The model's shape.
    pub fn cost(&self) -> ModelCost {
        self.cost
    }

    /// What has been done so far.
    pub fn counts(&self) -> Counts {
        let [computed, passes] = [0, 1].map(|i: usize| self.counts[i].load(Ordering::Relaxed));
        Counts { computed, passes }
    }

    /// Draws continuations, in order, with what each request cost.
    pub async fn draw(
        &self,
        drawings: Vec<Drawing>,
    ) -> Result<Vec<(Vec<Draw>, Usage)>, Arc<Error>> {
        let message = |drawing, reply| Message::Draw(drawing, None, reply);
        self.ask(drawings, message).await
    }

    /// The same until a halt, which hears of every token: draws that are not done by then have no steps.
    pub async fn draw_until(
        &self,
        drawings: Vec<Drawing>,
        halt: &Halt,
    ) -> Result<Vec<(Vec<Draw>, Usage)>, Arc<Error>> {
        let message = |drawing, reply| Message::Draw(drawing, Some(halt.clone()), reply);
        self.ask(drawings, message).await
    }

    /// Reads values, in order, with what each request cost.
    pub async fn read(&self, readings: Vec<Reading>) -> Result<Vec<(Vec<f32>, Usage)>, Arc<Error>> {
        self.ask(readings, Message::Read).await
    }

    /// Forgets all cached prefixes that nobody is using, so that what follows is counted from nothing.
    pub async fn forget(&self) -> Result<(), Arc<Error>> {
        let (sender, receiver) = oneshot::channel();
        self.sender
            .send(Message::Forget(sender))
            .map_err(|_| Error::Stopped)?;
        receiver.await.map_err(|_| Arc::new(Error::Stopped))
    }

    async fn ask<Q, A>(
        &self,
        questions: Vec<Q>,
        message: impl Fn(Q, Reply<A>) -> Message,
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

struct Worker {
    decoder: Decoder,
    tree: TokenTree,
    tokenizer: Arc<Tokenizer>,
    readout: Readout,
    drawings: Vec<ActiveDrawing>,
    readings: Vec<ActiveReading>,
    counts: Arc<[AtomicU64; 2]>,
}

struct ActiveDrawing {
    reply: Reply<Vec<Draw>>,
    halt: Option<Halt>,
    usage: Usage,
    until: Until,
    sampling: Sampling,
    rows: Vec<Row>,
    done: Vec<Option<Draw>>,
}

/// One draw in progress.
struct Row {
    index: usize,
    rng: ChaCha8Rng,
    /// The last token so far; the next is drawn from what the model says here.
    node: Slot,
    segmenter: Segmenter,
    left: usize,
}

struct ActiveReading {
    reply: Reply<Vec<f32>>,
    usage: Usage,
    node: Slot,
    places: Vec<usize>,
}

impl Worker {
    fn run(mut self, receiver: &mpsc::Receiver<Message>) {
        loop {
            let mut first = None;
            if self.drawings.is_empty() && self.readings.is_empty() {
                match receiver.recv() {
                    Ok(message) => first = Some(message),
                    Err(_) => return,
                }
            }
            let turn = catch_unwind(AssertUnwindSafe(|| self.turn(first, receiver)));
            if let Err(payload) = turn {
                self.recover(payload.as_ref());
            }
        }
    }

    /// Takes in who has come, and does a pass for all.
    fn turn(&mut self, first: Option<Message>, receiver: &mpsc::Receiver<Message>) {
        first.into_iter().for_each(|message| self.admit(message));
        while let Ok(message) = receiver.try_recv() {
            self.admit(message);
        }
        self.drop_cancelled();
        self.end_halted();
        if let Err(error) = self.pass() {
            self.fail(&Arc::new(error));
        }
    }

    /// Goes on after a panic: who waits is told, and what was half done is forgotten with all the rest.
    fn recover(&mut self, payload: &(dyn Any + Send)) {
        let said = payload.downcast_ref::<&str>().map(ToString::to_string);
        let said = said.or_else(|| payload.downcast_ref::<String>().cloned());
        let said = said.unwrap_or_else(|| "it does not say why".into());
        self.tree = self.tree.emptied();
        let error = Arc::new(Error::Panicked(said));
        for drawing in self.drawings.drain(..) {
            let _ = drawing.reply.send(Err(Arc::clone(&error)));
        }
        for reading in self.readings.drain(..) {
            let _ = reading.reply.send(Err(Arc::clone(&error)));
        }
    }

    fn admit(&mut self, message: Message) {
        match message {
            Message::Draw(drawing, halt, reply) => {
                if let Err(error) = self.admit_drawing(drawing, halt, reply) {
                    let (reply, error) = *error;
                    // Nobody may be waiting any more; then nobody is told.
                    let _ = reply.send(Err(error));
                }
            }
            Message::Read(reading, reply) => {
                if let Err(error) = self.check(&reading.tokens) {
                    let _ = reply.send(Err(Arc::new(error)));
                } else if let Some(node) = self.tree.insert(&reading.tokens) {
                    let usage = arrived(&reading.tokens);
                    self.readings.push(ActiveReading {
                        reply,
                        usage,
                        node,
                        places: reading.places,
                    });
                } else {
                    let _ = reply.send(Ok((Vec::new(), Usage::default())));
                }
            }
            Message::Forget(reply) => {
                self.tree.clear();
                let _ = reply.send(());
            }
        }
    }

    #[expect(
        clippy::type_complexity,
        reason = "the reply goes back to whoever answers it"
    )]
    fn admit_drawing(
        &mut self,
        drawing: Drawing,
        halt: Option<Halt>,
        reply: Reply<Vec<Draw>>,
    ) -> Result<(), Box<(Reply<Vec<Draw>>, Arc<Error>)>> {
        let Drawing {
            prefix,
            seeds,
            until,
            sampling,
            max_tokens,
            segmenter,
        } = drawing;
        if let Err(error) = self.check(&prefix) {
            return Err(Box::new((reply, Arc::new(error))));
        }
        let Some(node) = self.tree.insert(&prefix) else {
            return Err(Box::new((reply, Arc::new(Error::EmptyPrompt))));
        };
        let usage = arrived(&prefix);
        let left = max_tokens.min(self.decoder.spec.context - prefix.len());
        // A path that fills the context, or was given no tokens, is over.
        let done = vec![(left == 0).then_some(Draw::NOTHING); seeds.len()];
        let mut rows = Vec::with_capacity(seeds.len());
        for (index, seed) in seeds.into_iter().enumerate().filter(|_| left > 0) {
            self.tree.pin(node);
            let rng = ChaCha8Rng::seed_from_u64(seed);
            rows.push(Row {
                index,
                rng,
                node,
                segmenter: segmenter.clone(),
                left,
            });
        }
        self.tree.unpin(node);
        self.drawings.push(ActiveDrawing {
            reply,
            halt,
            usage,
            until,
            sampling,
            rows,
            done,
        });
        Ok(())
    }

    fn check(&self, tokens: &[u32]) -> Result<(), Error> {
        let limit = self.decoder.spec.context;
        if tokens.len() > limit {
            return Err(Error::TooLong {
                tokens: tokens.len(),
                limit,
            });
        }
        let vocabulary = self.decoder.spec.vocabulary;
        match tokens.iter().find(|&&token| token as usize >= vocabulary) {
            Some(&token) => Err(Error::UnknownToken { token, vocabulary }),
            None => Ok(()),
        }
    }

    /// What a halt has stopped is over, with what is done.
    fn end_halted(&mut self) {
        let stopped = |drawing: &mut ActiveDrawing| {
            let halt = drawing.halt.as_ref();
            halt.is_some_and(Halt::is_stopped)
        };
        for ActiveDrawing {
            reply,
            usage,
            rows,
            done,
            ..
        } in self.drawings.extract_if(.., stopped)
        {
            rows.iter().for_each(|row| self.tree.unpin(row.node));
            let draws = done.into_iter().map(|draw| draw.unwrap_or(Draw::NOTHING));
            // A reply that nobody waits for is no loss.
            let _ = reply.send(Ok((draws.collect(), usage)));
        }
    }

    fn drop_cancelled(&mut self) {
        let tree = &mut self.tree;
        self.drawings.retain(|drawing| {
            let cancelled = drawing.reply.is_canceled();
            if cancelled {
                drawing.rows.iter().for_each(|row| tree.unpin(row.node));
            }
            !cancelled
        });
        self.readings.retain(|reading| {
            let cancelled = reading.reply.is_canceled();
            if cancelled {
                tree.unpin(reading.node);
            }
            !cancelled
        });
    }

    /// One forward pass and whatever it makes possible.
    fn pass(&mut self) -> Result<(), Error> {
        let batch = self.schedule();
        if !batch.is_empty() {
            self.decoder.forward(&mut self.tree, &batch)?;
            self.counts[0].fetch_add(batch.len() as u64, Ordering::Relaxed);
            self.counts[1].fetch_add(1, Ordering::Relaxed);
        }
        self.finish_readings()?;
        self.draw_tokens()
    }

    /// The nodes to compute now, ancestors first, each on the account of the first that needs it.
    fn schedule(&mut self) -> Vec<Slot> {
        let mut batch = Batch {
            nodes: Vec::new(),
            members: HashSet::new(),
        };
        for ActiveDrawing { rows, usage, .. } in &mut self.drawings {
            for row in rows {
                batch.add(&self.tree, row.node, usage);
            }
        }
        for ActiveReading { node, usage, .. } in &mut self.readings {
            batch.add(&self.tree, *node, usage);
        }
        batch.nodes
    }

    fn finish_readings(&mut self) -> Result<(), Error> {
        let tree = &mut self.tree;
        let ready = |reading: &ActiveReading, tree: &TokenTree| tree.is_computed(reading.node);
        // A place beyond the end reads as nothing.
        let paths: Vec<Vec<Option<Slot>>> = self
            .readings
            .iter()
            .filter(|reading| ready(reading, tree))
            .map(|reading| {
                let path = tree.path(reading.node);
                let at = |place: &usize| path.get(*place).copied();
                reading.places.iter().map(at).collect()
            })
            .collect();
        let mut unread: Vec<Slot> = paths
            .iter()
            .flatten()
            .flatten()
            .copied()
            .filter(|slot| tree.value(*slot).is_none())
            .collect();
        unread.sort_unstable();
        unread.dedup();
        // If this fails, they are told why with everyone else.
        unread.chunks(PASS).try_for_each(|slots| {
            for (slot, value) in self.readout.read(&self.decoder, tree, slots)? {
                tree.set_value(slot, value);
            }
            Ok::<(), Error>(())
        })?;
        let read = self.readings.extract_if(.., |reading| ready(reading, tree));
        for (reading, path) in read.collect::<Vec<_>>().into_iter().zip(paths) {
            let value = |slot: Option<Slot>| slot.and_then(|slot| tree.value(slot));
            let values = path
                .into_iter()
                .map(|slot| value(slot).unwrap_or(f32::NAN))
                .collect();
            tree.unpin(reading.node);
            // A reply that nobody waits for is no loss.
            let _ = reading.reply.send(Ok((values, reading.usage)));
        }
        Ok(())
    }

    fn draw_tokens(&mut self) -> Result<(), Error> {
        let tree = &mut self.tree;
        let mut ready: Vec<Slot> = self
            .drawings
            .iter()
            .flat_map(|drawing| &drawing.rows)
            .map(|row| row.node)
            .filter(|&node| tree.is_computed(node))
            .collect();
        ready.sort_unstable();
        ready.dedup();
        let mut logits = Vec::new();
        for slots in ready.chunks(PASS) {
            logits.extend(self.decoder.logits(tree, slots)?);
        }
        let vocabulary = self.decoder.spec.vocabulary;
        let known = self.tokenizer.size().min(vocabulary);
        let places: HashMap<Slot, usize> = ready.into_iter().zip(0..).collect();
        let mut finished = Vec::new();
        for (at, drawing) in self.drawings.iter_mut().enumerate() {
            let ActiveDrawing {
                halt,
                usage,
                until,
                sampling,
                rows,
                done,
                ..
            } = drawing;
            let before = usage.generated;
            let mut distributions: HashMap<Slot, Distribution<'_>> = HashMap::new();
            rows.retain_mut(|row| {
                let Some(place) = places.get(&row.node) else {
                    return true;
                };
                let logits = &logits[place * vocabulary..][..known];
                let distribution = distributions
                    .entry(row.node)
                    .or_insert_with(|| Distribution::new(logits, *sampling));
                let (token, likelihood) = distribution.draw(row.rng.random());
                usage.generated += 1;
                row.left -= 1;
                let stop = match row.segmenter.push(&self.tokenizer, token, likelihood) {
                    End::Answer => Some(Stop::Answer),
                    End::Step if *until == Until::Step => Some(Stop::Step),
                    _ if row.left == 0 => Some(Stop::Length),
                    _ => None,
                };
                let last = row.node;
                if let Some(stop) = stop {
                    let steps = row.segmenter.clone().into_segments();
                    done[row.index] = Some(Draw { steps, stop });
                } else {
                    row.node = tree.child(Some(last), token);
                    tree.pin(row.node);
                }
                tree.unpin(last);
                stop.is_none()
            });
            if let Some(halt) = halt {
                halt.drew(usage.generated - before);
            }
            if rows.is_empty() {
                finished.push(at);
            }
        }
        for at in finished.into_iter().rev() {
            let ActiveDrawing {
                reply, usage, done, ..
            } = self.drawings.swap_remove(at);
            let _ = reply.send(Ok((done.into_iter().flatten().collect(), usage)));
        }
        Ok(())
    }

    /// Tells everyone who waits; what comes later may still succeed.
    fn fail(&mut self, error: &Arc<Error>) {
        for drawing in self.drawings.drain(..) {
            drawing
                .rows
                .iter()
                .for_each(|row| self.tree.unpin(row.node));
            let _ = drawing.reply.send(Err(Arc::clone(error)));
        }
        for reading in self.readings.drain(..) {
            self.tree.unpin(reading.node);
            let _ = reading.reply.send(Err(Arc::clone(error)));
        }
    }
}

/// The usage of a request that has just come. Its whole prefix counts as cached until a token has to be computed on its
/// account: whether another request computed it before or beside this one is a matter of timing, which must not show.
fn arrived(prefix: &[u32]) -> Usage {
    let prompt = prefix.len() as u64;
    Usage {
        requests: 1,
        prompt,
        cached: prompt,
        ..Usage::default()
    }
}

struct Batch {
    nodes: Vec<Slot>,
    members: HashSet<Slot>,
}

impl Batch {
    /// Adds what is missing of a path, from its beginning, as far as there is room.
    fn add(&mut self, tree: &TokenTree, node: Slot, usage: &mut Usage) {
        let mut missing = Vec::new();
        let mut at = Some(node);
        while let Some(slot) =
            at.filter(|slot| !tree.is_computed(*slot) && !self.members.contains(slot))
        {
            missing.push(slot);
            at = tree.parent(slot);
        }
        let room = PASS.saturating_sub(self.nodes.len());
        for slot in missing.into_iter().rev().take(room) {
            if (tree.depth(slot) as u64) < usage.prompt {
                usage.cached -= 1;
            }
            usage.computed += 1;
            usage.attended += tree.depth(slot) as u64 + 1;
            self.nodes.push(slot);
            self.members.insert(slot);
        }
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

    fn drawing(segmenter: &Segmenter, seeds: std::ops::Range<u64>) -> Drawing {
        Drawing {
            prefix: vec![1, 2, 3],
            seeds: seeds.collect(),
            until: Until::Answer,
            sampling: Sampling::at(1.0),
            max_tokens: 8,
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
                let tokens = |draw: Draw| draw.steps.into_iter().flat_map(|step| step.tokens);
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
