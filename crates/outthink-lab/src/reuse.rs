//! Counting the distinct tokens of many sequences, independently of whoever computed them.

use std::collections::HashMap;

/// A trie of token sequences.
#[derive(Debug, Default)]
pub struct TokenTrie {
    index: HashMap<(usize, u32), usize>,
}

impl TokenTrie {
    /// Adds a sequence.
    pub fn insert(&mut self, tokens: impl IntoIterator<Item = u32>) {
        let mut at = 0;
        for token in tokens {
            let next = self.index.len() + 1;
            at = *self.index.entry((at, token)).or_insert(next);
        }
    }

    /// How many distinct prefixes the sequences have: each token of the tree once.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Was nothing added?
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
}
