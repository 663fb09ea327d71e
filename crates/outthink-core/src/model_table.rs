//! How a model is loaded, as a recipe or a strategy's file says it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{AnyMethod, Thinking};

/// A model of a recipe, in full. Names of two words may have a hyphen or an underscore.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModelTable {
    /// A name, a folder or an address.
    pub model: String,
    /// What to call it in tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The profile, if not the one that fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Model whose tokenizer and chat template a server's model uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// What weights are kept in: auto, f32, stored or q8_0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// Most memory that an embedded model takes, as `4GB`; none is a share of what is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Temperature of a policy, if not the profile's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Probability that the likeliest tokens sampled from together reach, if not the profile's.
    #[serde(alias = "top_p", skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Most tokens of a solution, if not the profile's.
    #[serde(alias = "max_tokens", skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// How long a policy thinks before it answers, as `cap:tokens=512`; none is as its profile says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    /// Parameters, where the model does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// Parameters that one token uses (mixture of experts).
    #[serde(alias = "active_parameters", skip_serializing_if = "Option::is_none")]
    pub active_parameters: Option<u64>,
    /// Tokens that it was trained on.
    #[serde(alias = "training_tokens", skip_serializing_if = "Option::is_none")]
    pub training_tokens: Option<f64>,
    /// Money for a million prompt tokens and for a million generated ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<[f64; 2]>,
    /// The methods of this policy, if not the study's: a large model that small ones are compared with needs only `cot`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<AnyMethod>>,
    /// A verifier's calibration, a file that `outthink audit --save-calibration` wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<PathBuf>,
    /// How a generative verifier (`generative:POLICY`) is asked and read: `verdict`, `p-yes`, or a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// How many of its critiques make a reward.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub votes: Option<usize>,
    /// A verifier that knows the answer: a ceiling, not something to choose.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub oracle: bool,
}
