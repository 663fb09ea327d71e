//! Where randomness comes from: every draw has a seed of its own, whatever else runs beside it.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// The seed of everything drawn for one problem of one run.
pub fn problem_seed(run: u64, problem_id: &str) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(run, 0);
    hasher.write(problem_id.as_bytes());
    hasher.finish()
}

/// The seed of what a method decides at random for one problem of one run.
pub(crate) fn allocator_seed(problem: u64) -> u64 {
    SipHasher13::new_with_keys(problem, 2).finish()
}

/// The seed of everything drawn from a prompt that a method asked in one of its rounds: in the place of [`problem_seed`].
pub fn question_seed(problem: u64, round: usize, question: &str) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(problem, 3);
    hasher.write_u64(round as u64);
    hasher.write(question.as_bytes());
    hasher.finish()
}

/// The seed of draw number `index` at the path of token ids below the prompt.
///
/// Not std's hasher: a seed must be the same in every build and on every machine.
pub fn draw_seed(problem: u64, path: impl IntoIterator<Item = u32>, index: usize) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(problem, 1);
    for token in path {
        hasher.write_u32(token);
    }
    hasher.write_u64(index as u64);
    hasher.finish()
}

/// The seed of the rest of a draw of which `offset` tokens are there, for a server that draws each request anew; of a whole draw its
/// own seed.
pub fn piece_seed(draw: u64, offset: usize) -> u64 {
    if offset == 0 {
        return draw;
    }
    let mut hasher = SipHasher13::new_with_keys(draw, 3);
    hasher.write_u64(offset as u64);
    hasher.finish()
}
