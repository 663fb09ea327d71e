//! `config.json`: the shape of a decoder, whichever family it is of.

use serde::Deserialize;

use crate::Error;

/// What of `config.json` the decoder needs.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Config {
    pub architectures: Vec<String>,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    pub max_position_embeddings: usize,
    pub vocab_size: usize,
    pub rms_norm_eps: f64,
    #[serde(default)]
    pub tie_word_embeddings: bool,
    #[serde(default = "silu")]
    hidden_act: String,
    rope_theta: Option<f64>,
    rope_parameters: Option<Scaling>,
    rope_scaling: Option<Scaling>,
    sliding_window: Option<usize>,
    use_sliding_window: Option<bool>,
    max_window_layers: Option<usize>,
    layer_types: Option<Vec<String>>,
    num_labels: Option<usize>,
    id2label: Option<serde_json::Map<String, serde_json::Value>>,
    /// Are neighbouring numbers of a head rotated together, and not those half a head apart? Only GGUF files say so.
    #[serde(default)]
    pub rotates_neighbours: bool,
}

/// How rotary positions are stretched. Older files say `type`, newer ones `rope_type` and put the base frequency here.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Scaling {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<usize>,
    attention_factor: Option<f64>,
    beta_fast: Option<f64>,
    beta_slow: Option<f64>,
    mscale: Option<f64>,
    mscale_all_dim: Option<f64>,
    truncate: Option<bool>,
}

fn silu() -> String {
    "silu".into()
}

/// The families whose decoders are alike but for what stands in their config.
const FAMILIES: [&str; 4] = ["Llama", "Mistral", "Qwen2", "Qwen3"];

impl Config {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Error> {
        let malformed = |reason: String| Error::Malformed {
            file: "config.json",
            reason,
        };
        let config: Self = serde_json::from_slice(json).map_err(|e| malformed(e.to_string()))?;
        let architecture = config.architecture();
        let known = FAMILIES.iter().any(|family| {
            let rest = architecture.strip_prefix(family);
            rest.is_some_and(|rest| rest.starts_with("For"))
        });
        if !known {
            return Err(Error::Unsupported {
                what: format!(
                    "the architecture {architecture}, only the decoders of {}",
                    FAMILIES.join(", ")
                ),
            });
        }
        if config.hidden_act != "silu" {
            return Err(Error::Unsupported {
                what: format!("the activation {}", config.hidden_act),
            });
        }
        let heads = (config.num_attention_heads, config.key_heads());
        let sizes = [
            config.hidden_size,
            config.intermediate_size,
            config.num_hidden_layers,
            heads.0,
            heads.1,
            config.max_position_embeddings,
            config.vocab_size,
        ];
        if sizes.contains(&0) {
            return Err(malformed("a size is 0".into()));
        }
        if config.head_dim.is_none() && !config.hidden_size.is_multiple_of(heads.0) {
            return Err(malformed(format!(
                "{} heads do not divide {}",
                heads.0, config.hidden_size
            )));
        }
        if !config.head_size().is_multiple_of(2) || config.head_size() == 0 {
            return Err(malformed(format!(
                "a head of {} numbers cannot be rotated",
                config.head_size()
            )));
        }
        if !heads.0.is_multiple_of(heads.1) {
            return Err(malformed(format!(
                "{} key heads do not divide {}",
                heads.1, heads.0
            )));
        }
        Ok(config)
    }

    pub(crate) fn architecture(&self) -> &str {
        self.architectures
            .first()
            .map_or("without a name", String::as_str)
    }

    pub(crate) fn head_size(&self) -> usize {
        self.head_dim
            .unwrap_or(self.hidden_size / self.num_attention_heads)
    }

    pub(crate) fn key_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    /// Labels of a head that has some.
    pub(crate) fn labels(&self) -> usize {
        let named = self.id2label.as_ref().map(serde_json::Map::len);
        self.num_labels.or(named).unwrap_or(2)
    }

    /// How many tokens back a layer sees, itself included; none sees all.
    pub(crate) fn window(&self, layer: usize) -> Option<usize> {
        let window = self.sliding_window?;
        if let Some(types) = &self.layer_types {
            return (types.get(layer).map(String::as_str) == Some("sliding_attention"))
                .then_some(window);
        }
        // Qwen switches its window off in the config and, if it is on, spares the first layers; Mistral just has one.
        match self.use_sliding_window {
            Some(false) => None,
            Some(true) => (layer >= self.max_window_layers.unwrap_or(0)).then_some(window),
            None => self.architecture().starts_with("Mistral").then_some(window),
        }
    }

    /// Rotary frequencies of half a head, and what cosine and sine are multiplied by.
    pub(crate) fn rotary(&self) -> Result<(Vec<f32>, f32), Error> {
        let scaling = self
            .rope_parameters
            .clone()
            .or_else(|| self.rope_scaling.clone())
            .unwrap_or_default();
        let theta = scaling.rope_theta.or(self.rope_theta).unwrap_or(10_000.0);
        let size = self.head_size();
        let plain: Vec<f64> = (0..size / 2)
            .map(|i| theta.powf(-2.0 * i as f64 / size as f64))
            .collect();
        let missing = |what: &str| Error::Malformed {
            file: "config.json",
            reason: format!("the rotary scaling has no {what}"),
        };
        let kind = scaling.rope_type.as_deref().unwrap_or("default");
        let (frequencies, attention) = match kind {
            "default" => (plain, 1.0),
            "linear" => {
                let factor = scaling.factor.ok_or_else(|| missing("factor"))?;
                (plain.iter().map(|f| f / factor).collect(), 1.0)
            }
            "llama3" => (
                llama3(&plain, &scaling).ok_or_else(|| missing("factor"))?,
                1.0,
            ),
            "yarn" => yarn(&plain, theta, size, &scaling, self.max_position_embeddings)
                .ok_or_else(|| missing("factor"))?,
            other => {
                return Err(Error::Unsupported {
                    what: format!("rotary scaling of type {other}"),
                });
            }
        };
        Ok((
            frequencies.into_iter().map(|f| f as f32).collect(),
            attention as f32,
        ))
    }
}

/// Llama 3.1: long wavelengths are stretched, short ones kept, those between blended.
fn llama3(plain: &[f64], scaling: &Scaling) -> Option<Vec<f64>> {
    let factor = scaling.factor?;
    let (low, high) = (scaling.low_freq_factor?, scaling.high_freq_factor?);
    let context = scaling.original_max_position_embeddings? as f64;
    let stretch = |&frequency: &f64| {
        let wavelength = 2.0 * std::f64::consts::PI / frequency;
        if wavelength < context / high {
            frequency
        } else if wavelength > context / low {
            frequency / factor
        } else {
            let smooth = (context / wavelength - low) / (high - low);
            (1.0 - smooth) * frequency / factor + smooth * frequency
        }
    };
    Some(plain.iter().map(stretch).collect())
}

/// YaRN (arXiv 2309.00071) as transformers computes it: a ramp between the dimensions that turn `beta_fast` and
/// `beta_slow` times within the original context.
fn yarn(
    plain: &[f64],
    theta: f64,
    size: usize,
    scaling: &Scaling,
    longest: usize,
) -> Option<(Vec<f64>, f64)> {
    let original = scaling.original_max_position_embeddings.unwrap_or(longest) as f64;
    let factor = scaling.factor.unwrap_or(longest as f64 / original);
    let scale = |by: f64, mscale: f64| {
        if by <= 1.0 {
            1.0
        } else {
            0.1 * mscale * by.ln() + 1.0
        }
    };
    let attention = scaling.attention_factor.unwrap_or_else(|| {
        match (scaling.mscale, scaling.mscale_all_dim) {
            (Some(a), Some(b)) if a != 0.0 && b != 0.0 => scale(factor, a) / scale(factor, b),
            _ => scale(factor, 1.0),
        }
    });
    let dimension = |rotations: f64| {
        size as f64 * (original / (rotations * 2.0 * std::f64::consts::PI)).ln()
            / (2.0 * theta.ln())
    };
    let (mut low, mut high) = (
        dimension(scaling.beta_fast.unwrap_or(32.0)),
        dimension(scaling.beta_slow.unwrap_or(1.0)),
    );
    if scaling.truncate.unwrap_or(true) {
        (low, high) = (low.floor(), high.ceil());
    }
    let (low, mut high) = (low.max(0.0), high.min(size as f64 - 1.0));
    if low == high {
        high += 0.001;
    }
    let blend = |(i, &frequency): (usize, &f64)| {
        let stretched = ((i as f64 - low) / (high - low)).clamp(0.0, 1.0);
        frequency / factor * stretched + frequency * (1.0 - stretched)
    };
    Some((plain.iter().enumerate().map(blend).collect(), attention))
}
