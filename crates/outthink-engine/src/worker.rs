//! The thread that owns a model: whatever is asked, by anyone, joins the next forward pass.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};

use futures::channel::oneshot;
use outthink_core::{Halt, Sampling, Stop, Until, Usage};
use outthink_prompt::{End, Likelihood, Segmenter, Tokenizer};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::batch::{PassBatch, arrived};
use crate::cache::Slot;
use crate::decoder::Decoder;
use crate::engine::{DrawRequest, DrawnText, EngineFacts, Reading};
use crate::error::Error;
use crate::kernels;
use crate::memory::MemoryPlan;
use crate::readout::Readout;
use crate::sampler::Distribution;
use crate::tree::TokenTree;

/// Takes the answer to a request and its usage.
pub(crate) type ReplySender<T> = oneshot::Sender<Result<(T, Usage), Arc<Error>>>;

/// A request to the thread.
pub(crate) enum EngineMessage {
    Draw(DrawRequest, Option<Halt>, ReplySender<Vec<DrawnText>>),
    Read(Reading, Readout, ReplySender<Vec<f32>>),
    Hidden(Reading, ReplySender<Vec<Vec<f32>>>),
    Forget(oneshot::Sender<()>),
}

pub(crate) struct Worker {
    decoder: Decoder,
    tree: TokenTree,
    plan: MemoryPlan,
    tokenizer: Arc<Tokenizer>,
    drawings: Vec<ActiveRequest>,
    readings: Vec<ActiveReading>,
    facts: Arc<EngineFacts>,
}

struct ActiveRequest {
    reply: ReplySender<Vec<DrawnText>>,
    halt: Option<Halt>,
    usage: Usage,
    until: Until,
    sampling: Sampling,
    rows: Vec<ActiveDraw>,
    done: Vec<Option<DrawnText>>,
}

/// One draw in progress.
struct ActiveDraw {
    /// Its place among the draws of its request.
    index: usize,
    rng: ChaCha8Rng,
    /// The last token so far; the next is drawn from what the model says here.
    node: Slot,
    /// The next token, between being drawn and being added.
    next: Option<(u32, Likelihood)>,
    segmenter: Segmenter,
    /// Tokens that it may still draw.
    left: usize,
}

struct ActiveReading {
    wanted: ReadingReply,
    usage: Usage,
    /// The last token of the sequence.
    node: Slot,
    places: Vec<usize>,
}

/// What is wanted at the places of a sequence, and by whom.
enum ReadingReply {
    Values(Readout, ReplySender<Vec<f32>>),
    Hidden(ReplySender<Vec<Vec<f32>>>),
}

impl ReadingReply {
    fn is_cancelled(&self) -> bool {
        match self {
            Self::Values(_, reply) => reply.is_canceled(),
            Self::Hidden(reply) => reply.is_canceled(),
        }
    }

    /// If nobody is waiting any more, nobody is told.
    fn fail(self, error: Arc<Error>) {
        match self {
            Self::Values(_, reply) => drop(reply.send(Err(error))),
            Self::Hidden(reply) => drop(reply.send(Err(error))),
        }
    }
}

impl Worker {
    pub(crate) fn new(
        decoder: Decoder,
        tokenizer: Arc<Tokenizer>,
        facts: Arc<EngineFacts>,
    ) -> Self {
        let plan = decoder.plan;
        let tree = decoder.tree(plan.tree_tokens);
        Self {
            decoder,
            tree,
            plan,
            tokenizer,
            drawings: Vec::new(),
            readings: Vec::new(),
            facts,
        }
    }

    pub(crate) fn run(mut self, receiver: &mpsc::Receiver<EngineMessage>) {
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

    /// Admits the requests that have arrived and runs one pass for all of them.
    fn turn(&mut self, first: Option<EngineMessage>, receiver: &mpsc::Receiver<EngineMessage>) {
        first.into_iter().for_each(|message| self.admit(message));
        while let Ok(message) = receiver.try_recv() {
            self.admit(message);
        }
        self.drop_cancelled();
        self.end_halted();
        if let Err(error) = kernels::together(|| self.pass()) {
            self.fail(&Arc::new(error));
        }
    }

    /// Goes on after a panic: every waiting request fails with it, and the whole cache is dropped.
    fn recover(&mut self, payload: &(dyn Any + Send)) {
        let said = payload.downcast_ref::<&str>().map(ToString::to_string);
        let said = said.or_else(|| payload.downcast_ref::<String>().cloned());
        let said = said.unwrap_or_else(|| "it does not say why".into());
        self.tree = self.decoder.tree(self.plan.tree_tokens);
        let error = Arc::new(Error::Panicked(said));
        for drawing in self.drawings.drain(..) {
            let _ = drawing.reply.send(Err(Arc::clone(&error)));
        }
        for reading in self.readings.drain(..) {
            reading.wanted.fail(Arc::clone(&error));
        }
    }

    fn admit(&mut self, message: EngineMessage) {
        match message {
            EngineMessage::Draw(drawing, halt, reply) => {
                if let Err(error) = self.admit_drawing(drawing, halt, reply) {
                    let (reply, error) = *error;
                    // Nobody may be waiting any more; then nobody is told.
                    let _ = reply.send(Err(error));
                }
            }
            EngineMessage::Read(reading, readout, reply) => {
                self.admit_reading(reading, ReadingReply::Values(readout, reply));
            }
            EngineMessage::Hidden(reading, reply) => {
                self.admit_reading(reading, ReadingReply::Hidden(reply))
            }
            EngineMessage::Forget(reply) => {
                self.tree.clear();
                let _ = reply.send(());
            }
        }
    }

    fn admit_reading(&mut self, reading: Reading, wanted: ReadingReply) {
        let Reading { tokens, places } = reading;
        if let Err(error) = self.check(&tokens) {
            wanted.fail(Arc::new(error));
            return;
        }
        match (self.tree.insert(&tokens), wanted) {
            (Some(node), wanted) => self.readings.push(ActiveReading {
                wanted,
                usage: arrived(&tokens),
                node,
                places,
            }),
            // Where there are no tokens, every place is beyond the end.
            (None, ReadingReply::Values(_, reply)) => {
                let values = vec![f32::NAN; places.len()];
                let _ = reply.send(Ok((values, Usage::default())));
            }
            (None, wanted) => wanted.fail(Arc::new(Error::EmptyPrompt)),
        }
    }

    #[expect(
        clippy::type_complexity,
        reason = "the reply goes back to whoever answers it"
    )]
    fn admit_drawing(
        &mut self,
        drawing: DrawRequest,
        halt: Option<Halt>,
        reply: ReplySender<Vec<DrawnText>>,
    ) -> Result<(), Box<(ReplySender<Vec<DrawnText>>, Arc<Error>)>> {
        let DrawRequest {
            prefix,
            seeds,
            until,
            sampling,
            max_tokens,
            offset,
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
        let done = vec![(left == 0).then_some(DrawnText::NOTHING); seeds.len()];
        let mut rows = Vec::with_capacity(seeds.len());
        for (index, seed) in seeds.into_iter().enumerate().filter(|_| left > 0) {
            self.tree.pin(node);
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            // Each token takes a number of 64 bits: two words.
            rng.set_word_pos(2 * offset as u128);
            rows.push(ActiveDraw {
                index,
                rng,
                node,
                next: None,
                segmenter: segmenter.clone(),
                left,
            });
        }
        self.tree.unpin(node);
        self.drawings.push(ActiveRequest {
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

    /// Answers the requests that a halt has stopped with the continuations that are finished.
    fn end_halted(&mut self) {
        let stopped = |drawing: &mut ActiveRequest| {
            let halt = drawing.halt.as_ref();
            halt.is_some_and(Halt::is_stopped)
        };
        for ActiveRequest {
            reply,
            usage,
            rows,
            done,
            ..
        } in self.drawings.extract_if(.., stopped)
        {
            rows.iter().for_each(|row| self.tree.unpin(row.node));
            let draws = done
                .into_iter()
                .map(|draw| draw.unwrap_or(DrawnText::NOTHING));
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
            let cancelled = reading.wanted.is_cancelled();
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
            let computed = batch.len() as u64;
            self.facts.computed.fetch_add(computed, Ordering::Relaxed);
            self.facts.passes.fetch_add(1, Ordering::Relaxed);
        }
        self.finish_readings()?;
        self.draw_tokens()
    }

    /// The nodes to compute now, ancestors first, each on the account of the first that needs it.
    fn schedule(&mut self) -> Vec<Slot> {
        let mut batch = PassBatch::new(self.plan.pass_tokens);
        for ActiveRequest { rows, usage, .. } in &mut self.drawings {
            for row in rows {
                batch.add(&self.tree, row.node, usage);
            }
        }
        for ActiveReading { node, usage, .. } in &mut self.readings {
            batch.add(&self.tree, *node, usage);
        }
        batch.nodes
    }

    /// Answers the readings whose tokens are all computed.
    fn finish_readings(&mut self) -> Result<(), Error> {
        let tree = &mut self.tree;
        let ready = |reading: &ActiveReading, tree: &TokenTree| tree.is_computed(reading.node);
        // If a head fails, those who asked are told why with everyone else.
        let mut unread: Vec<(Readout, Vec<Slot>)> = Vec::new();
        for reading in self.readings.iter().filter(|reading| ready(reading, tree)) {
            let ReadingReply::Values(readout, _) = reading.wanted else {
                continue;
            };
            let path = tree.path(reading.node);
            let slots = reading.places.iter().filter_map(|&place| path.get(place));
            let slots = slots.filter(|&&slot| tree.value(slot, readout).is_none());
            match unread.iter_mut().find(|(known, _)| *known == readout) {
                Some((_, known)) => known.extend(slots),
                None => unread.push((readout, slots.copied().collect())),
            }
        }
        for (readout, mut slots) in unread {
            slots.sort_unstable();
            slots.dedup();
            for slots in slots.chunks(self.plan.logit_rows) {
                for (slot, value) in readout.read(&self.decoder, tree, slots)? {
                    tree.set_value(slot, readout, value);
                }
            }
        }
        let read = self.readings.extract_if(.., |reading| ready(reading, tree));
        for reading in read.collect::<Vec<_>>() {
            let path = tree.path(reading.node);
            tree.unpin(reading.node);
            let at = reading.places.iter().map(|&place| path.get(place).copied());
            // A reply that nobody waits for is no loss.
            match reading.wanted {
                ReadingReply::Values(readout, reply) => {
                    let value =
                        |slot: Option<Slot>| slot.and_then(|slot| tree.value(slot, readout));
                    // A place beyond the end reads as nothing.
                    let values = at.map(|slot| value(slot).unwrap_or(f32::NAN)).collect();
                    let _ = reply.send(Ok((values, reading.usage)));
                }
                ReadingReply::Hidden(reply) => {
                    let rows = at.flatten().map(|slot| tree.hidden.row(slot).to_vec());
                    let _ = reply.send(Ok((rows.collect(), reading.usage)));
                }
            }
        }
        Ok(())
    }

    /// Draws a token for every draw whose last one is computed.
    fn draw_tokens(&mut self) -> Result<(), Error> {
        self.choose_tokens()?;
        let mut finished = Vec::new();
        for (at, drawing) in self.drawings.iter_mut().enumerate() {
            let ActiveRequest {
                halt,
                usage,
                until,
                rows,
                done,
                ..
            } = drawing;
            let before = usage.generated;
            rows.retain_mut(|row| {
                let Some((token, likelihood)) = row.next.take() else {
                    return true;
                };
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
                    done[row.index] = Some(DrawnText { steps, stop });
                } else {
                    row.node = self.tree.child(Some(last), token);
                }
                self.tree.unpin(last);
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
            let ActiveRequest {
                reply, usage, done, ..
            } = self.drawings.swap_remove(at);
            let _ = reply.send(Ok((done.into_iter().flatten().collect(), usage)));
        }
        Ok(())
    }

    /// The next token of every draw that can have one. Logits are computed for some nodes at a time: a row of them is as long
    /// as the vocabulary.
    fn choose_tokens(&mut self) -> Result<(), Error> {
        let tree = &self.tree;
        let mut ready: Vec<Slot> = self
            .drawings
            .iter()
            .flat_map(|drawing| &drawing.rows)
            .map(|row| row.node)
            .filter(|&node| tree.is_computed(node))
            .collect();
        ready.sort_unstable();
        ready.dedup();
        let vocabulary = self.decoder.spec.vocabulary;
        let known = self.tokenizer.size().min(vocabulary);
        for slots in ready.chunks(self.plan.logit_rows) {
            let logits = self.decoder.logits(tree, slots)?;
            let places: HashMap<Slot, usize> = slots.iter().copied().zip(0..).collect();
            // What rows of one request draw from at one node is one distribution.
            let mut numbers: HashMap<(usize, Slot), usize> = HashMap::new();
            let mut wanted: Vec<(usize, Sampling)> = Vec::new();
            for (request, drawing) in self.drawings.iter().enumerate() {
                for row in &drawing.rows {
                    let Some(&place) = places.get(&row.node) else {
                        continue;
                    };
                    numbers.entry((request, row.node)).or_insert_with(|| {
                        wanted.push((place, drawing.sampling));
                        wanted.len() - 1
                    });
                }
            }
            let distributions = kernels::map(&wanted, |&(place, sampling)| {
                Distribution::new(&logits[place * vocabulary..][..known], sampling)
            });
            for (request, drawing) in self.drawings.iter_mut().enumerate() {
                for row in &mut drawing.rows {
                    if let Some(&number) = numbers.get(&(request, row.node)) {
                        row.next = Some(distributions[number].draw(row.rng.random()));
                    }
                }
            }
        }
        Ok(())
    }

    /// Fails every waiting request; later ones may still succeed.
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
            reading.wanted.fail(Arc::clone(error));
        }
    }
}
