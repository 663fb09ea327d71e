//! One head, trained: log-odds by gradient descent (Adam), on single states or on pairs of one problem.

use outthink_core::ProbeHead;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::data::{Path, ProbeData};

/// What a head is trained to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// To tell the share of right completions of each state: cross-entropy, right and wrong ones weighing alike.
    Pointwise,
    /// To put, of two states of one problem, the one with more right completions above the other (Bradley and Terry 1952).
    Within,
}

/// Which layers, trained to do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// Units of the inner layer; none is a linear head.
    pub(super) units: usize,
    pub(super) loss: Loss,
}

/// States of a step of the descent.
const BATCH: usize = 64;
/// Most rounds, and how many without gain end the descent.
const ROUNDS: usize = 40;
const PATIENCE: usize = 5;
/// Least and most examples of a round: it goes over few states several times, and more of the same problems say little more.
const LEAST: usize = 50 * BATCH;
const MOST: usize = 30_000;
/// One in so many problems says when to stop.
const STOPS: usize = 8;
const DECAY: f32 = 1e-4;

/// A state, or two of which the first is better, with a weight.
#[derive(Clone, Copy)]
enum Example {
    One(usize, f32),
    Two(usize, usize, f32),
}

/// Trains a head on the problems that are `chosen`. The data must be standardised.
pub(super) fn train(data: &ProbeData, kind: Kind, chosen: &[bool], seed: u64) -> ProbeHead {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut problems: Vec<usize> = (0..chosen.len()).filter(|&own| chosen[own]).collect();
    problems.shuffle(&mut rng);
    let (stops, rest) = problems.split_at(problems.len() / STOPS);
    let of = |problems: &[usize]| {
        let mut among = vec![false; chosen.len()];
        problems.iter().for_each(|&own| among[own] = true);
        among
    };
    let source = Source::new(data, kind.loss, &of(rest));
    let held = Source::new(data, kind.loss, &of(stops)).examples(&mut rng);
    let mut net = Net::new(data.layout.width(), kind.units, &mut rng);
    let (mut best, mut lowest, mut waited) = (net.head.clone(), f64::INFINITY, 0);
    for _ in 0..ROUNDS {
        let mut went_over = 0;
        while went_over < LEAST {
            let examples = source.examples(&mut rng);
            if examples.is_empty() {
                return best;
            }
            for batch in examples.chunks(BATCH) {
                net.step(data, &source, batch);
            }
            went_over += examples.len();
        }
        if held.is_empty() {
            // Too few problems to spare one: all rounds would go too far.
            best.clone_from(&net.head);
            waited += 1;
            if waited >= PATIENCE {
                break;
            }
            continue;
        }
        let loss = net.loss(data, &source, &held);
        if loss < lowest {
            (lowest, waited) = (loss, 0);
            best.clone_from(&net.head);
        } else {
            waited += 1;
            if waited >= PATIENCE {
                break;
            }
        }
    }
    best
}

/// Where examples are from.
struct Source<'a> {
    data: &'a ProbeData,
    loss: Loss,
    /// States of the chosen problems.
    states: Vec<usize>,
    /// The right and the wrong solutions of each chosen problem that has both.
    both: Vec<[Vec<&'a Path>; 2]>,
    /// Weights of wrong and of right completions, which make both weigh alike.
    balance: [f32; 2],
    mean_total: f64,
}

impl<'a> Source<'a> {
    fn new(data: &'a ProbeData, loss: Loss, among: &[bool]) -> Self {
        let of = |state: &usize| among[data.states[*state].problem];
        let states: Vec<usize> = (0..data.states.len()).filter(of).collect();
        let (mut right, mut total) = (0.0, 0.0);
        for &state in &states {
            right += data.states[state].right;
            total += data.states[state].total;
        }
        let weight = |part: f64| match part > 0.0 {
            true => (total / (2.0 * part)) as f32,
            false => 0.0,
        };
        let mut both: Vec<[Vec<&Path>; 2]> = vec![Default::default(); among.len()];
        for path in data.paths.iter().filter(|path| path.complete) {
            if among[path.problem] {
                both[path.problem][usize::from(path.right)].push(path);
            }
        }
        both.retain(|own| own.iter().all(|side| !side.is_empty()));
        Self {
            data,
            loss,
            mean_total: total / states.len().max(1) as f64,
            balance: [weight(total - right), weight(right)],
            states,
            both,
        }
    }

    /// What one pass goes over, in random order.
    fn examples(&self, rng: &mut ChaCha8Rng) -> Vec<Example> {
        let mut examples = match self.loss {
            Loss::Pointwise => {
                let one = |&state: &usize| {
                    let total = self.data.states[state].total;
                    Example::One(state, (total / self.mean_total) as f32)
                };
                self.states.iter().map(one).collect()
            }
            Loss::Within => self.pairs(rng),
        };
        examples.shuffle(rng);
        examples.truncate(MOST);
        examples
    }

    /// Pairs of a right and a wrong solution of one problem: at their ends, and at states on the way where their shares differ.
    fn pairs(&self, rng: &mut ChaCha8Rng) -> Vec<Example> {
        let mut pairs = Vec::new();
        for [wrong, right] in &self.both {
            for _ in 0..(wrong.len() + right.len()).min(wrong.len() * right.len()) {
                let a = right[rng.random_range(0..right.len())];
                let b = wrong[rng.random_range(0..wrong.len())];
                let part: f64 = rng.random();
                let on_the_way =
                    |path: &Path| path.states[(part * path.states.len() as f64) as usize];
                let end = |path: &Path| path.states.last().copied().unwrap_or_default();
                pairs.extend(self.pair(end(a), end(b)));
                pairs.extend(self.pair(on_the_way(a), on_the_way(b)));
            }
        }
        pairs
    }

    fn pair(&self, a: usize, b: usize) -> Option<Example> {
        let gap = self.data.states[a].share() - self.data.states[b].share();
        match gap {
            gap if gap > 0.0 => Some(Example::Two(a, b, gap as f32)),
            gap if gap < 0.0 => Some(Example::Two(b, a, -gap as f32)),
            _ => None,
        }
    }
}

/// A head being trained.
struct Net {
    head: ProbeHead,
    units: usize,
    width: usize,
    /// All numbers of the head, in the order of [`Net::numbers`], with first and second moments.
    gradient: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
    /// What the units said of the last state.
    active: Vec<f32>,
}

impl Net {
    fn new(width: usize, units: usize, rng: &mut ChaCha8Rng) -> Self {
        let mut uniform = |count: usize, inputs: usize| -> Vec<f32> {
            let bound = (6.0 / inputs.max(1) as f32).sqrt();
            (0..count)
                .map(|_| rng.random_range(-bound..=bound))
                .collect()
        };
        let head = match units {
            // The slopes of a linear head begin at nothing: what is not learnt stays out.
            0 => ProbeHead {
                outer: vec![0.0; width],
                ..ProbeHead::default()
            },
            units => ProbeHead {
                inner: (uniform(units * width, width), vec![0.0; units]),
                outer: uniform(units, units).into_iter().map(|x| 0.1 * x).collect(),
                bias: 0.0,
            },
        };
        let all = head.parameters() as usize;
        Self {
            head,
            units,
            width,
            gradient: vec![0.0; all],
            first: vec![0.0; all],
            second: vec![0.0; all],
            steps: 0,
            active: Vec::with_capacity(units),
        }
    }

    fn loss(&self, data: &ProbeData, source: &Source<'_>, examples: &[Example]) -> f64 {
        let logit = |state: usize| f64::from(self.head.logit(data.row(state)));
        let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
        let one = |example: &Example| match *example {
            Example::One(state, weight) => {
                let (share, said) = (data.states[state].share(), logit(state));
                let [wrong, right] = source.balance.map(f64::from);
                f64::from(weight)
                    * (right * share * softplus(-said) + wrong * (1.0 - share) * softplus(said))
            }
            Example::Two(a, b, weight) => f64::from(weight) * softplus(logit(b) - logit(a)),
        };
        examples.iter().map(one).sum::<f64>() / examples.len() as f64
    }

    fn step(&mut self, data: &ProbeData, source: &Source<'_>, batch: &[Example]) {
        self.gradient.fill(0.0);
        let each = 1.0 / batch.len() as f32;
        for example in batch {
            match *example {
                Example::One(state, weight) => {
                    let share = data.states[state].share() as f32;
                    let chance = logistic(self.head.logit(data.row(state)));
                    let [wrong, right] = source.balance;
                    let slope = wrong * (1.0 - share) * chance - right * share * (1.0 - chance);
                    self.add(data.row(state), each * weight * slope);
                }
                Example::Two(a, b, weight) => {
                    let gap = self.head.logit(data.row(a)) - self.head.logit(data.row(b));
                    let slope = each * weight * logistic(-gap);
                    self.add(data.row(a), -slope);
                    self.add(data.row(b), slope);
                }
            }
        }
        self.descend();
    }

    /// Adds the gradient of the logit of a row, times `slope`.
    fn add(&mut self, row: &[f32], slope: f32) {
        let (units, width) = (self.units, self.width);
        let axpy = |to: &mut [f32], by: f32, row: &[f32]| {
            to.iter_mut().zip(row).for_each(|(to, x)| *to += by * x);
        };
        let (inner, rest) = self.gradient.split_at_mut(units * width);
        let (biases, rest) = rest.split_at_mut(units);
        let (outer, bias) = rest.split_at_mut(self.head.outer.len());
        bias[0] += slope;
        if units == 0 {
            axpy(outer, slope, row);
            return;
        }
        self.active.clear();
        self.active.extend(self.head.units(row));
        for (unit, &active) in self.active.iter().enumerate() {
            if active > 0.0 {
                outer[unit] += slope * active;
                let below = slope * self.head.outer[unit];
                biases[unit] += below;
                axpy(&mut inner[unit * width..][..width], below, row);
            }
        }
    }

    /// One step of Adam (Kingma and Ba 2015) with decoupled decay of weights.
    fn descend(&mut self) {
        const MEANS: [f32; 2] = [0.9, 0.999];
        self.steps += 1;
        let rate = if self.units == 0 { 3e-3 } else { 1e-3 };
        let corrected = MEANS.map(|mean| 1.0 - mean.powi(self.steps));
        let ProbeHead { inner, outer, bias } = &mut self.head;
        let numbers = inner.0.iter_mut().chain(&mut inner.1).chain(outer);
        let moments = self.first.iter_mut().zip(&mut self.second);
        let state = moments.zip(&self.gradient);
        for (number, ((first, second), slope)) in numbers.chain([bias]).zip(state) {
            *first += (1.0 - MEANS[0]) * (slope - *first);
            *second += (1.0 - MEANS[1]) * (slope * slope - *second);
            let by = (*first / corrected[0]) / ((*second / corrected[1]).sqrt() + 1e-8);
            *number -= rate * (by + DECAY * *number);
        }
    }
}

fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
