//! Fixed strategies of others, to compare with.

use outthink_core::{Method, Scoring, Selection, Voting};

use super::evidence::Evidence;

/// The method that the authors of arXiv 2502.06703 took on MATH-500, by the policy's size and the band of oracle
/// difficulty (easy, medium, hard), as they tell users of their code (RyanLiu112/compute-optimal-tts): beam search below 7 billion
/// parameters; DVTS, and beam search for the hard, up to 32; best-of-N above.
pub fn authors_table(parameters: u64) -> [Method; 3] {
    match parameters {
        0..7_000_000_000 => [Method::Beam; 3],
        7_000_000_000..=32_999_999_999 => [Method::Dvts, Method::Dvts, Method::Beam],
        _ => [Method::BestOfN; 3],
    }
}

/// The method of search-and-learn's default configuration.
pub const SEARCH_AND_LEARN: Method = Method::BestOfN;

/// The place of a method at `N` with a verifier, voting by the last reward as both do in their tables.
pub(super) fn place(
    evidence: &Evidence,
    method: Method,
    n: usize,
    verifier: &str,
) -> Option<usize> {
    evidence.candidates.iter().position(|own| {
        own.method == method
            && own.budget == n
            && own.verifier.as_deref() == Some(verifier)
            && own.selection == Selection::Scored(Scoring::Last, Voting::Vote)
            && own.stopping.is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authors_choose_by_size() {
        assert_eq!(authors_table(1_000_000_000), [Method::Beam; 3]);
        assert_eq!(authors_table(7_600_000_000)[0], Method::Dvts);
        assert_eq!(authors_table(32_500_000_000)[2], Method::Beam);
        assert_eq!(authors_table(72_000_000_000), [Method::BestOfN; 3]);
    }
}
