//! Which model, and how it is read.

use outthink_core::Thinking;
use outthink_engine::{Bytes, Precision};
use serde::{Deserialize, Serialize};

/// Which model, and what is known or wanted of it beyond what it tells of itself. A name alone will do:
///
/// ```
/// use outthink_models::ModelSpec;
///
/// let spec = ModelSpec::from("http://localhost:8000/v1");
/// assert_eq!(spec, ModelSpec { model: "http://localhost:8000/v1".into(), ..ModelSpec::default() });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModelSpec {
    /// The name of an embedded model or two joined by `+`, a checkpoint folder, a .gguf file, a hub id as
    /// `owner/name@revision`, servers as `http://h1:8000/v1,http://h2:8000/v1#model`, an outthink.toml, or a server that is
    /// started as `llama.cpp:FILE.gguf`, `vllm:MODEL` or `sglang:MODEL`; of a verifier also `step-checker`, a probe's .safetensors
    /// file, the .toml file of several verifiers as one, or any policy that is asked for its verdict as `generative:POLICY`.
    pub model: String,
    /// What to call it, if not by the last part of its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The profile, by name or as a .toml file, if not the one that fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The model whose tokenizer and chat template the servers' model uses. A verifier's servers need one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// What the weights are kept in.
    #[serde(default, with = "dtype", skip_serializing_if = "is_auto")]
    pub dtype: Precision,
    /// Most memory that an embedded model takes; none is a share of what is free. It changes how much is computed again, never a
    /// result.
    #[serde(default, with = "memory", skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Temperature of a policy, from 0 to 100, if not the profile's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Probability that the likeliest tokens sampled from together reach, above 0 and at most 1, if not the profile's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Most tokens of a policy's solution, if not the profile's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// How long a policy thinks before it answers, as `cap:tokens=512`; none is as its profile says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    /// The model that an implicit PRM was trained from; of a probe, its policy, where that lies elsewhere by now and none is beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Does a verifier score solutions longer than its context in overlapping windows? Else that is an error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub windows: bool,
    /// How a generative verifier is asked and read: `verdict`, `p-yes`, or a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// How many critiques of a generative verifier make a reward, if not as many as its prompt says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub votes: Option<usize>,
    /// Parameters, where the model does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// Parameters that one token uses (mixture of experts).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_parameters: Option<u64>,
    /// Tokens that it was trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training_tokens: Option<f64>,
    /// Money for a million prompt tokens and for a million generated ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<[f64; 2]>,
    /// Does a verifier know the answer? Then it is a ceiling, not something to choose.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub oracle: bool,
}

impl From<&str> for ModelSpec {
    fn from(model: &str) -> Self {
        model.to_owned().into()
    }
}

impl From<String> for ModelSpec {
    fn from(model: String) -> Self {
        Self {
            model,
            ..Self::default()
        }
    }
}

impl From<&Self> for ModelSpec {
    fn from(spec: &Self) -> Self {
        spec.clone()
    }
}

fn is_auto(dtype: &Precision) -> bool {
    *dtype == Precision::Auto
}

/// A precision by its name.
mod dtype {
    use outthink_engine::Precision;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(dtype: &Precision, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(dtype)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Precision, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// An amount of memory as it is typed.
mod memory {
    use outthink_engine::Bytes;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::{Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        memory: &Option<Bytes>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        memory.map(|Bytes(bytes)| bytes.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Bytes>, D::Error> {
        let typed = Option::<String>::deserialize(from)?;
        let bytes = typed.map(|typed| typed.parse()).transpose();
        bytes.map_err(D::Error::custom)
    }
}
