//! Causal attention of tokens over their own paths through the tree.

use rayon::prelude::*;

use crate::tree::{LayerCache, Slot};

/// Sizes of an attention layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    pub queries: usize,
    pub keys: usize,
    pub size: usize,
}

/// For each query row (`heads.queries × heads.size`), softmax(q·k / √size)·v over the slots of its path, or the last
/// `window` of them; the same layout out. Each row is computed alone and in path order, so it does not depend on the batch.
pub(crate) fn attend(
    heads: Heads,
    window: Option<usize>,
    queries: &[f32],
    cache: &LayerCache,
    paths: &[Vec<Slot>],
) -> Vec<f32> {
    let width = heads.queries * heads.size;
    let mut out = vec![0.0; queries.len()];
    out.par_chunks_mut(width)
        .zip(queries.par_chunks(width))
        .zip(paths)
        .with_min_len(8)
        .for_each_init(Vec::new, |scores, ((out, query), path)| {
            let path = &path[path.len() - path.len().min(window.unwrap_or(usize::MAX))..];
            for head in 0..heads.queries {
                let own = head * heads.size..(head + 1) * heads.size;
                let shared = head / (heads.queries / heads.keys) * heads.size;
                let shared = shared..shared + heads.size;
                attend_one(
                    &query[own.clone()],
                    cache,
                    path,
                    shared,
                    scores,
                    &mut out[own],
                );
            }
        });
    out
}

fn attend_one(
    query: &[f32],
    cache: &LayerCache,
    path: &[Slot],
    columns: std::ops::Range<usize>,
    scores: &mut Vec<f32>,
    out: &mut [f32],
) {
    let scale = 1.0 / (query.len() as f32).sqrt();
    scores.clear();
    scores.extend(
        path.iter()
            .map(|&slot| scale * dot(query, &cache.keys.row(slot)[columns.clone()])),
    );
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - highest).exp();
        total += *score;
    }
    for (&slot, &score) in path.iter().zip(scores.iter()) {
        let weight = score / total;
        for (out, value) in out.iter_mut().zip(&cache.values.row(slot)[columns.clone()]) {
            *out += weight * value;
        }
    }
}

/// Eight running sums, so that the compiler may use vector registers without changing the result.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    for (a, b) in a8.iter().zip(b8) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}
