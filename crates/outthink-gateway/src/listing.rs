//! The models that clients may name.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use outthink_core::Pair;
use serde_json::{Value, json};

use crate::ask::no_policy;
use crate::error::ApiError;
use crate::models::Models;
use crate::serve::Gateway;

/// Every name: each policy by itself, and with each method that it can be searched by.
fn names(models: &Models) -> impl Iterator<Item = String> {
    let verified = !models.verifiers.is_empty();
    models.policies.iter().flat_map(move |policy| {
        let name = &policy.name;
        let pair = Pair {
            steps: policy.steps,
            verifier: verified,
        };
        [name.clone(), format!("auto@{name}")]
            .into_iter()
            .chain(pair.methods().map(move |method| format!("{method}:{name}")))
    })
}

fn model(gateway: &Gateway, models: &Models, id: &str) -> Value {
    let mut model =
        json!({"id": id, "object": "model", "created": gateway.started, "owned_by": "outthink"});
    let policy = models.policies.iter().find(|own| own.name == id);
    if let Some(profile) = policy.and_then(|own| own.profile.as_ref()) {
        model["outthink"] = json!({"profile": profile});
    }
    model
}

pub(crate) async fn list(State(gateway): State<Arc<Gateway>>) -> Response {
    let models = gateway.models();
    let named = names(&models).map(|name| model(&gateway, &models, &name));
    let named: Vec<Value> = named.collect();
    let policies = models.policies.iter().map(|policy| &policy.name);
    let verifiers = models.verifiers.iter().map(|own| &own.name);
    let own = json!({
        "policies": policies.collect::<Vec<_>>(),
        "verifiers": verifiers.collect::<Vec<_>>(),
    });
    axum::Json(json!({"object": "list", "data": named, "outthink": own})).into_response()
}

pub(crate) async fn one(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let models = gateway.models();
    match names(&models).any(|name| name == id) {
        true => Ok(axum::Json(model(&gateway, &models, &id)).into_response()),
        false => Err(no_policy(&id, &models)),
    }
}
