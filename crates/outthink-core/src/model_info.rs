//! What is known of a model beside how it answers.

use serde::{Deserialize, Serialize};

use crate::{ModelCost, Usage};

/// A model, as studies, strategies and servers know it. Its JSON is stored: what is added must be left out where it is unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredModel")]
pub struct ModelInfo {
    /// What it is called in tables.
    pub name: String,
    /// All that its output depends on: where it is from, its profile. Part of the hash of every cell that uses it.
    pub identity: serde_json::Value,
    /// Its shape, if it is known.
    pub cost: Option<ModelCost>,
    /// Tokens that it was trained on.
    pub training_tokens: Option<f64>,
    /// Money for a million prompt tokens and for a million generated ones.
    pub price: Option<[f64; 2]>,
    /// Does it know the answer? Then it is a ceiling, not something to choose.
    pub oracle: bool,
}

impl ModelInfo {
    /// Its shape, as far as it is known: what knows the answer and tells no shape is no model, and computes nothing.
    pub fn shape(&self) -> Option<ModelCost> {
        self.cost.or(self.oracle.then_some(ModelCost::FREE))
    }

    /// What work costs by its price; nothing without one.
    pub fn money(&self, usage: &Usage) -> f64 {
        let [prompt, generated] = self.price.unwrap_or_default();
        (prompt * usage.prompt as f64 + generated * usage.generated as f64) / 1e6
    }
}

/// A model as any version of this program has stored it.
#[derive(Deserialize)]
struct StoredModel {
    name: String,
    identity: serde_json::Value,
    cost: Option<ModelCost>,
    /// Once stood beside the shape.
    active_parameters: Option<u64>,
    training_tokens: Option<f64>,
    price: Option<[f64; 2]>,
    #[serde(default)]
    oracle: bool,
}

impl From<StoredModel> for ModelInfo {
    fn from(stored: StoredModel) -> Self {
        let active = stored.active_parameters;
        Self {
            name: stored.name,
            identity: stored.identity,
            cost: stored.cost.map(|cost| ModelCost {
                active: cost.active.or(active),
                ..cost
            }),
            training_tokens: stored.training_tokens,
            price: stored.price,
            oracle: stored.oracle,
        }
    }
}
