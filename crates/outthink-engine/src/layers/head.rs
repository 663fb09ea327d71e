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
    /// The head that the weights have, whatever the architecture is called: a left-over language head beside a reward head
    /// is not used. `stem` is what the language head's name begins with, `embedding` the name of the embedding's tensor.
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
        let alone = |kind, outer| Self {
            kind,
            inner: None,
            outer,
            cap: None,
        };
        if weights.contains("v_head.summary.weight") {
            return Ok(alone(Head::Value, linear("v_head.summary", 1)?));
        }
        let labels = spec.labels;
        let kind = match labels {
            1 => Head::Value,
            _ => Head::Labels(labels),
        };
        if weights.contains("score.2.weight") {
            return Ok(Self {
                kind,
                inner: Some(linear("score.0", spec.hidden_size)?),
                outer: linear("score.2", labels)?,
                cap: None,
            });
        }
        if weights.contains("score.weight") {
            return Ok(alone(kind, linear("score", labels)?));
        }
        let outer = match spec.tied_embedding {
            true => {
                let tensor = [(embedding.to_owned(), spec.vocabulary)];
                Linear::without_bias(weights, &tensor, spec.hidden_size, rule)?
            }
            false => linear(&format!("{stem}{}", spec.tensors.logits), spec.vocabulary)?,
        };
        Ok(Self {
            cap: spec.logit_cap,
            ..alone(Head::LanguageModel, outer)
        })
    }

    /// Is this the embedding, too?
    pub(crate) fn embeds(&self, spec: &DecoderSpec) -> bool {
        self.kind == Head::LanguageModel && spec.tied_embedding
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
