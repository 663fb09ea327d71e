//! What comes after the last norm: logits of the next token, of labels, or one number.

use super::linear::Linear;
use crate::Error;
use crate::architectures::DecoderSpec;
use crate::kernels::{QuantizedRows, rows};
use crate::precision::PrecisionRule;
use crate::weights::OpenWeights;

/// What a model's last layer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Logits of the next token.
    LanguageModel,
    /// Logits of this many labels, by one linear layer or two with a ReLU between.
    Labels(usize),
    /// One number.
    Value,
}

impl Head {
    /// The head that the weights have, whatever the architecture is called: a left-over language head beside a reward head is
    /// not used.
    pub(crate) fn of(weights: &OpenWeights<'_>, spec: &DecoderSpec) -> Self {
        let scores = ["score.weight", "score.2.weight"];
        match scores.iter().any(|name| weights.contains(name)) {
            _ if weights.contains("v_head.summary.weight") => Self::Value,
            true if spec.labels == 1 => Self::Value,
            true => Self::Labels(spec.labels),
            false => Self::LanguageModel,
        }
    }

    /// Does its last layer look up the embeddings, too?
    pub(crate) fn embeds(self, spec: &DecoderSpec) -> bool {
        self == Self::LanguageModel && spec.tied_embedding
    }
}

/// The layers of a head.
pub(crate) struct OutputHead {
    pub kind: Head,
    /// A layer with a ReLU after it, before the last one.
    inner: Option<Linear>,
    pub outer: Linear,
    /// What bounds the results softly.
    cap: Option<f32>,
}

impl OutputHead {
    /// [`Head::of`] the weights. `stem` is what the language head's name begins with, `embedding` the name of the embedding's tensor.
    pub(crate) fn load(
        weights: &OpenWeights<'_>,
        stem: &str,
        spec: &DecoderSpec,
        embedding: &str,
        rule: PrecisionRule,
    ) -> Result<Self, Error> {
        let linear = |name: &str, output| {
            Linear::load(
                weights,
                &[(name.to_owned(), output)],
                spec.hidden_size,
                rule,
            )
        };
        let kind = Head::of(weights, spec);
        let summary = weights.contains("v_head.summary.weight");
        let two = !summary && weights.contains("score.2.weight");
        let outer = match kind {
            _ if kind.embeds(spec) => {
                let tensor = [(embedding.to_owned(), spec.vocabulary)];
                Linear::without_bias(weights, &tensor, spec.hidden_size, rule)?
            }
            Head::LanguageModel => {
                linear(&format!("{stem}{}", spec.tensors.logits), spec.vocabulary)?
            }
            _ if summary => linear("v_head.summary", 1)?,
            _ => linear(if two { "score.2" } else { "score" }, spec.labels)?,
        };
        Ok(Self {
            kind,
            inner: match two {
                true => Some(linear("score.0", spec.hidden_size)?),
                false => None,
            },
            outer,
            cap: spec.logit_cap.filter(|_| kind == Head::LanguageModel),
        })
    }

    /// `[rows, hidden]` to `[rows, outputs]`.
    pub(crate) fn forward(&self, x: &[f32]) -> Vec<f32> {
        let (mut rounded, mut inner, mut out) = (QuantizedRows::default(), Vec::new(), Vec::new());
        match &self.inner {
            Some(layer) => {
                layer.forward(x, &mut rounded, &mut inner);
                inner.iter_mut().for_each(|x| *x = x.max(0.0));
                self.outer.forward(&inner, &mut rounded, &mut out);
            }
            None => self.outer.forward(x, &mut rounded, &mut out),
        }
        if let Some(cap) = self.cap {
            rows::soft_cap(&mut out, cap);
        }
        out
    }
}
