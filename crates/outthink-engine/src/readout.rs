//! What is read off a token of a sequence.

use outthink_core::Sampling;

use crate::Error;
use crate::architectures::DecoderSpec;
use crate::cache::Slot;
use crate::decoder::Decoder;
use crate::layers::head::Head;
use crate::sampler::{Distribution, log_total};
use crate::tree::TokenTree;

/// What value a token of a sequence has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readout {
    /// Log-probability of the token given those before it, in nats.
    Likelihood,
    /// Entropy of the distribution that the token is from, given the tokens before it, in nats.
    Entropy,
    /// Log-probability of the token's own label given the tokens before it, for a head with an independent label per token.
    NextLabel,
    /// Probability of this label, by a softmax over the head's labels.
    Label(usize),
    /// Logistic function of the head's single output.
    Value,
    /// Probability that the next token is the first of these two, given that it is one of them.
    Tokens(u32, u32),
}

impl Readout {
    /// An error if a model with this head cannot be read in this way.
    pub(crate) fn check(self, head: Head, spec: &DecoderSpec) -> Result<(), Error> {
        let vocabulary = spec.vocabulary;
        let fits = match (head, self) {
            (Head::LanguageModel, Self::Likelihood | Self::Entropy)
            | (Head::Value, Self::Value) => true,
            (Head::LanguageModel, Self::Tokens(good, bad)) => (good.max(bad) as usize) < vocabulary,
            (Head::Labels(labels), Self::Label(label)) => label < labels,
            (Head::Labels(labels), Self::NextLabel) => labels == vocabulary,
            _ => false,
        };
        match fits {
            true => Ok(()),
            false => Err(spec.cannot_be(match self {
                Self::Likelihood | Self::Entropy => "language model",
                Self::Label(_) => "process reward model with such a label",
                Self::NextLabel => "process reward model with a label for every token",
                Self::Value => "value model",
                Self::Tokens(..) => "language model that says right or wrong",
            })),
        }
    }

    /// The number at each of some computed nodes. A first token has none where tokens are read from those before them.
    pub(crate) fn read(
        self,
        decoder: &Decoder,
        tree: &TokenTree,
        nodes: &[Slot],
    ) -> Result<Vec<(Slot, f32)>, Error> {
        let at = |values: Vec<f32>| Ok(nodes.iter().copied().zip(values).collect());
        match self {
            Self::Likelihood => next(decoder, tree, nodes, Decoder::logits, |row, token| {
                row[token] - log_total(row)
            }),
            Self::Entropy => next(decoder, tree, nodes, Decoder::logits, |row, _| {
                let (_, likelihood) = Distribution::new(row, Sampling::GREEDY).draw(0.0);
                likelihood.entropy.map_or(f32::NAN, |nats| nats as f32)
            }),
            Self::NextLabel => next(
                decoder,
                tree,
                nodes,
                Decoder::reward_logits,
                |row, token| log_logistic(row[token]),
            ),
            Self::Tokens(good, bad) => {
                let logits = decoder.logits(tree, nodes)?;
                let rows = logits.chunks_exact(decoder.spec.vocabulary);
                at(rows
                    .map(|row| logistic(row[good as usize] - row[bad as usize]))
                    .collect())
            }
            Self::Value => at(decoder
                .reward_logits(tree, nodes)?
                .into_iter()
                .map(logistic)
                .collect()),
            Self::Label(label) => {
                let logits = decoder.reward_logits(tree, nodes)?;
                let rows = logits.chunks_exact(decoder.head_outputs());
                at(rows
                    .map(|row| (row[label] - log_total(row)).exp())
                    .collect())
            }
        }
    }
}

/// What is said of each node's token by the outputs after the token before it.
fn next(
    decoder: &Decoder,
    tree: &TokenTree,
    nodes: &[Slot],
    outputs: impl Fn(&Decoder, &TokenTree, &[Slot]) -> Result<Vec<f32>, Error>,
    value: impl Fn(&[f32], usize) -> f32,
) -> Result<Vec<(Slot, f32)>, Error> {
    let with_parent = |&node: &Slot| Some((node, tree.parent(node)?));
    let (nodes, parents): (Vec<Slot>, Vec<Slot>) = nodes.iter().filter_map(with_parent).unzip();
    if parents.is_empty() {
        return Ok(Vec::new());
    }
    let outputs = outputs(decoder, tree, &parents)?;
    let rows = outputs.chunks_exact(decoder.spec.vocabulary);
    let read = |(node, row): (Slot, &[f32])| (node, value(row, tree.token(node) as usize));
    Ok(nodes.into_iter().zip(rows).map(read).collect())
}

/// The logarithm of the logistic function.
fn log_logistic(x: f32) -> f32 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
