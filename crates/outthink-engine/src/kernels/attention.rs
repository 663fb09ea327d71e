//! Softmax attention of queries over their paths through the tree.

use half::f16;

use super::isa::vectorized;
use super::lanes::{Lanes, StoredNumber};
use super::panels::Chunks;
use super::rows::{exp, soft_cap};
use crate::cache::{LayerCache, Slot, SlotRows};

/// How many heads an attention layer has, and how many numbers each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heads {
    pub queries: usize,
    /// Heads of keys and values, shared by equally many query heads each.
    pub keys: usize,
    pub size: usize,
}

impl Heads {
    pub(crate) fn query_width(self) -> usize {
        self.queries * self.size
    }

    pub(crate) fn key_width(self) -> usize {
        self.keys * self.size
    }

    /// Query heads that share a head of keys.
    fn sharing(self) -> usize {
        self.queries / self.keys
    }
}

/// What a layer does to scores beside scaling them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scores<'s> {
    /// Products are multiplied by this.
    pub scale: f32,
    /// How many tokens back are seen, the own one included; none is all.
    pub window: Option<usize>,
    /// What bounds scores softly.
    pub cap: Option<f32>,
    /// A score of each query head that takes a share of its weights and gives nothing.
    pub sinks: Option<&'s [f32]>,
}

/// Slots that are read for all rows and heads of a group while they are in the cache.
const TILE: usize = 64;

/// Most rows of a group.
const GROUP: usize = 8;

/// The path of each row through the tree, from its root to the row's own slot.
pub(crate) struct Paths {
    of_rows: Vec<Vec<Slot>>,
    groups: Vec<PathGroup>,
}

impl Paths {
    pub(crate) fn new(of_rows: Vec<Vec<Slot>>) -> Self {
        let groups = groups(&of_rows);
        Self { of_rows, groups }
    }
}

/// Rows that are next to each other in a pass, and how many slots their paths begin with in common: those are read once for
/// all of them.
#[derive(Clone, Copy, Debug)]
struct PathGroup {
    first: usize,
    rows: usize,
    shared: usize,
}

/// Divides rows into groups, so that there are some for each core.
fn groups(paths: &[Vec<Slot>]) -> Vec<PathGroup> {
    let most = (paths.len() / (2 * rayon::current_num_threads())).clamp(1, GROUP);
    let mut groups: Vec<PathGroup> = Vec::new();
    for (row, path) in paths.iter().enumerate() {
        if let Some(last) = groups.last_mut().filter(|last| last.rows < most) {
            let before = &paths[last.first][..last.shared];
            let shared = before.iter().zip(path).take_while(|(a, b)| a == b).count();
            // A short beginning is not worth much.
            if shared >= TILE || shared * 2 >= path.len() {
                last.rows += 1;
                last.shared = shared;
                continue;
            }
        }
        groups.push(PathGroup {
            first: row,
            rows: 1,
            shared: path.len(),
        });
    }
    groups
}

/// For each query row (`heads.query_width()` numbers) softmax(scale · q·k)·v over the slots of its path; the same layout out.
/// Each row is computed in the order of its path, whatever is beside it.
pub(crate) fn attend(
    heads: Heads,
    scores: Scores<'_>,
    queries: &[f32],
    cache: &LayerCache,
    paths: &Paths,
    by_head: &mut Vec<f32>,
    out: &mut [f32],
) {
    let (width, each) = (heads.query_width(), heads.sharing() * heads.size);
    by_head.resize(queries.len(), 0.0);
    // By head of keys, then by row: what one task writes is then together.
    let Paths { of_rows, groups } = paths;
    let mut tasks = Vec::with_capacity(groups.len() * heads.keys);
    let mut rest = by_head.as_mut_slice();
    for head in 0..heads.keys {
        for group in groups {
            let (own, after) = rest.split_at_mut(group.rows * each);
            tasks.push((head, *group, own));
            rest = after;
        }
    }
    let run = |(head, group, out): &mut (usize, PathGroup, &mut [f32])| {
        let group = *group;
        let rows = group.first..group.first + group.rows;
        let task = Task {
            heads,
            scores,
            head: *head,
            queries: &queries[rows.start * width..rows.end * width],
            paths: &of_rows[rows],
            shared: match scores.window {
                // Rows see their windows from different places on.
                Some(_) => 0,
                None if group.rows == 1 => 0,
                None => group.shared,
            },
        };
        match cache {
            LayerCache::F32 { keys, values } => task.run(keys, values, out),
            LayerCache::F16 { keys, values } => task.run(keys, values, out),
        }
    };
    Chunks::new(tasks.into_iter()).for_each(|_, task| run(task));
    for (head, rows) in by_head.chunks_exact(of_rows.len() * each).enumerate() {
        for (row, numbers) in rows.chunks_exact(each).enumerate() {
            out[row * width + head * each..][..each].copy_from_slice(numbers);
        }
    }
}

/// Some rows, and one head of keys.
struct Task<'t> {
    heads: Heads,
    scores: Scores<'t>,
    head: usize,
    queries: &'t [f32],
    paths: &'t [Vec<Slot>],
    /// Slots at the beginning of all paths.
    shared: usize,
}

impl Task<'_> {
    fn run<T: AttendedNumber>(&self, keys: &SlotRows<T>, values: &SlotRows<T>, out: &mut [f32]) {
        let (sharing, size) = (self.heads.sharing(), self.heads.size);
        let seen: Vec<&[Slot]> = self
            .paths
            .iter()
            .map(|path| {
                let window = self.scores.window.unwrap_or(usize::MAX);
                &path[path.len() - path.len().min(window)..]
            })
            .collect();
        // By row, query head and slot.
        let mut starts = Vec::with_capacity(seen.len());
        let mut total = 0;
        for path in &seen {
            starts.push(total);
            total += path.len() * sharing;
        }
        let mut scratch = vec![0.0; total];
        let query = |row: usize, head: usize| {
            let place = row * self.heads.query_width() + (self.head * sharing + head) * size;
            &self.queries[place..place + size]
        };
        self.each_tile(keys, &seen, |row, at, keys| {
            for head in 0..sharing {
                let place = starts[row] + head * seen[row].len() + at;
                let scores = &mut scratch[place..place + keys.len()];
                T::dots(query(row, head), keys, self.scores.scale, scores);
            }
        });
        for (row, path) in seen.iter().enumerate() {
            let own = &mut scratch[starts[row]..][..path.len() * sharing];
            if let Some(cap) = self.scores.cap {
                soft_cap(own, cap);
            }
            for (head, weights) in own.chunks_exact_mut(path.len()).enumerate() {
                let sinks = self.scores.sinks;
                let sink = sinks.map(|sinks| sinks[self.head * sharing + head]);
                softmax(weights, sink.unwrap_or(f32::NEG_INFINITY));
            }
        }
        out.fill(0.0);
        self.each_tile(values, &seen, |row, at, values| {
            for head in 0..sharing {
                let place = starts[row] + head * seen[row].len() + at;
                let weights = &scratch[place..place + values.len()];
                let out = &mut out[(row * sharing + head) * size..][..size];
                T::accumulate(weights, values, out);
            }
        });
    }

    /// Every row with every tile of its path, in order: (row, place in the path, the head's numbers of each slot).
    fn each_tile<T: AttendedNumber>(
        &self,
        cache: &SlotRows<T>,
        seen: &[&[Slot]],
        mut each: impl FnMut(usize, usize, &[&[T]]),
    ) {
        let columns = self.head * self.heads.size..(self.head + 1) * self.heads.size;
        let read = |slots: &[Slot]| -> Vec<&[T]> {
            let rows = slots.iter().map(|&slot| &cache.row(slot)[columns.clone()]);
            rows.collect()
        };
        if self.shared > 0
            && let Some(first) = seen.first()
        {
            for (number, slots) in first[..self.shared].chunks(TILE).enumerate() {
                let tile = read(slots);
                (0..seen.len()).for_each(|row| each(row, number * TILE, &tile));
            }
        }
        for (row, path) in seen.iter().enumerate() {
            for (number, slots) in path[self.shared..].chunks(TILE).enumerate() {
                let tile = read(slots);
                each(row, self.shared + number * TILE, &tile);
            }
        }
    }
}

/// Running sums of a product.
const LANES: usize = 16;

/// A number that keys and values are kept as.
trait AttendedNumber: StoredNumber {
    /// `scale · query · row` for each row; sixteen sums run beside each other.
    fn dots(query: &[f32], rows: &[&[Self]], scale: f32, out: &mut [f32]);

    /// Adds `weight · row` of each row, in their order.
    fn accumulate(weights: &[f32], rows: &[&[Self]], out: &mut [f32]);
}

impl AttendedNumber for f32 {
    fn dots(query: &[f32], rows: &[&[Self]], scale: f32, out: &mut [f32]) {
        dots_f32(query, rows, scale, out);
    }

    fn accumulate(weights: &[f32], rows: &[&[Self]], out: &mut [f32]) {
        accumulate_f32(weights, rows, out);
    }
}

impl AttendedNumber for f16 {
    fn dots(query: &[f32], rows: &[&[Self]], scale: f32, out: &mut [f32]) {
        dots_f16(query, rows, scale, out);
    }

    fn accumulate(weights: &[f32], rows: &[&[Self]], out: &mut [f32]) {
        accumulate_f16(weights, rows, out);
    }
}

vectorized! {
    fn dots_f32<L>(query: &[f32], rows: &[&[f32]], scale: f32, out: &mut [f32]) {
        dots::<L, f32>(query, rows, scale, out);
    }
}

vectorized! {
    fn dots_f16<L>(query: &[f32], rows: &[&[f16]], scale: f32, out: &mut [f32]) {
        dots::<L, f16>(query, rows, scale, out);
    }
}

vectorized! {
    fn accumulate_f32<L>(weights: &[f32], rows: &[&[f32]], out: &mut [f32]) {
        accumulate::<L, f32>(weights, rows, out);
    }
}

vectorized! {
    fn accumulate_f16<L>(weights: &[f32], rows: &[&[f16]], out: &mut [f32]) {
        accumulate::<L, f16>(weights, rows, out);
    }
}

#[inline(always)]
fn dots<L: Lanes, T: StoredNumber>(query: &[f32], rows: &[&[T]], scale: f32, out: &mut [f32]) {
    let whole = query.len() / LANES;
    for (out, row) in out.iter_mut().zip(rows) {
        assert!(row.len() >= query.len());
        let mut sums = L::splat(0.0);
        for chunk in 0..whole {
            // SAFETY: both are at least this long.
            unsafe {
                let query = L::load(query.as_ptr().add(chunk * LANES));
                let row: L = T::lanes(row.as_ptr().add(chunk * LANES));
                sums = row.mul_add(query, sums);
            }
        }
        let rest = query[whole * LANES..].iter().zip(&row[whole * LANES..]);
        let more: f32 = rest.map(|(a, b)| a * b.wide()).sum();
        *out = scale * (sums.sum() + more);
    }
}

#[inline(always)]
fn accumulate<L: Lanes, T: StoredNumber>(weights: &[f32], rows: &[&[T]], out: &mut [f32]) {
    assert!(rows.iter().all(|row| row.len() >= out.len()) && rows.len() >= weights.len());
    let mut first = 0;
    while out.len() - first >= 4 * LANES {
        added::<L, T, 4>(weights, rows, first, out);
        first += 4 * LANES;
    }
    while out.len() - first >= LANES {
        added::<L, T, 1>(weights, rows, first, out);
        first += LANES;
    }
    for (at, out) in out.iter_mut().enumerate().skip(first) {
        for (weight, row) in weights.iter().zip(rows) {
            *out = weight.mul_add(row[at].wide(), *out);
        }
    }
}

/// Some neighbouring numbers of `accumulate`, which stay in registers meanwhile.
#[inline(always)]
fn added<L: Lanes, T: StoredNumber, const WIDE: usize>(
    weights: &[f32],
    rows: &[&[T]],
    first: usize,
    out: &mut [f32],
) {
    assert!(out.len() >= first + WIDE * LANES);
    // SAFETY: rows and out are at least that long.
    unsafe {
        let mut sums: [L; WIDE] =
            std::array::from_fn(|wide| L::load(out.as_ptr().add(first + wide * LANES)));
        for (weight, row) in weights.iter().zip(rows) {
            let weight = L::splat(*weight);
            for (wide, sums) in sums.iter_mut().enumerate() {
                let row: L = T::lanes(row.as_ptr().add(first + wide * LANES));
                *sums = weight.mul_add(row, *sums);
            }
        }
        for (wide, sums) in sums.into_iter().enumerate() {
            let place = first + wide * LANES..first + (wide + 1) * LANES;
            out[place].copy_from_slice(&sums.to_array());
        }
    }
}

vectorized! {
    /// Of scores beside one that is not kept.
    fn softmax(scores: &mut [f32], beside: f32) {
        let mut highest = [f32::NEG_INFINITY; LANES];
        let (chunks, rest) = scores.as_chunks::<LANES>();
        for chunk in chunks {
            for lane in 0..LANES {
                highest[lane] = if chunk[lane] > highest[lane] { chunk[lane] } else { highest[lane] };
            }
        }
        let highest = highest.iter().chain(rest).copied().fold(beside, f32::max);
        let mut sums = [0f32; LANES];
        let (chunks, rest) = scores.as_chunks_mut::<LANES>();
        for chunk in &mut *chunks {
            for lane in 0..LANES {
                chunk[lane] = exp(chunk[lane] - highest);
                sums[lane] += chunk[lane];
            }
        }
        for (score, sum) in rest.iter_mut().zip(&mut sums) {
            *score = exp(*score - highest);
            *sum += *score;
        }
        let total = sums.iter().sum::<f32>() + exp(beside - highest);
        for score in scores {
            *score /= total;
        }
    }
}
