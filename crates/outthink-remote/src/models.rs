//! The list of models of a server, in the formats that servers use, and the choice of one.

use serde::Deserialize;
use serde_json::Value;

use crate::{Error, dialect};

/// One listed model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ListedModel {
    pub(crate) id: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) owned_by: Option<String>,
    pub(crate) root: Option<String>,
    /// Most tokens of a prompt with its answer.
    pub(crate) context: Option<usize>,
    pub(crate) parameters: Option<u64>,
    /// The profile that `outthink serve` uses the model with.
    pub(crate) profile: Option<String>,
}

/// The models that a server lists.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelList {
    pub(crate) models: Vec<ListedModel>,
    /// Are there more on another page?
    pub(crate) goes_on: bool,
}

/// Most names in a message.
const SHOWN: usize = 12;

/// Parses a list: bare, or under one of several keys; of objects, or of names.
pub(crate) fn read(body: &[u8]) -> Result<ModelList, serde_json::Error> {
    let value: Value = serde_json::from_slice(body)?;
    let mut models: Vec<ListedModel> = Vec::new();
    for model in listed(&value).into_iter().filter_map(model) {
        if !models.iter().any(|known| known.id == model.id) {
            models.push(model);
        }
    }
    let goes_on = goes_on(&value);
    Ok(ModelList { models, goes_on })
}

fn goes_on(list: &Value) -> bool {
    let next = [
        "has_more",
        "next",
        "next_page",
        "next_cursor",
        "next_page_token",
        "nextPageToken",
    ];
    next.into_iter().any(|name| match list.get(name) {
        Some(Value::Bool(more)) => *more,
        Some(Value::String(page)) => !page.is_empty(),
        Some(Value::Number(_)) => name != "has_more",
        _ => false,
    })
}

fn listed(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(models) => models.iter().collect(),
        Value::Object(object) => {
            let list = ["data", "models", "result"]
                .into_iter()
                .find_map(|name| object.get(name).filter(|list| !list.is_null()));
            match list {
                Some(Value::Array(models)) => models.iter().collect(),
                Some(nested @ Value::Object(inner)) => match id(nested) {
                    Some(_) => vec![nested],
                    None => inner.values().filter(|model| id(model).is_some()).collect(),
                },
                Some(Value::String(_)) => list.into_iter().collect(),
                _ => id(value).is_some().then_some(value).into_iter().collect(),
            }
        }
        _ => Vec::new(),
    }
}

fn id(model: &Value) -> Option<&str> {
    let names = ["id", "name", "model"].into_iter();
    names
        .filter_map(|name| model.get(name)?.as_str())
        .find(|id| !id.is_empty())
}

fn model(value: &Value) -> Option<ListedModel> {
    if let Value::String(id) = value {
        return Some(ListedModel {
            id: id.clone(),
            ..ListedModel::default()
        });
    }
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let aliases = value.get("aliases").and_then(Value::as_array);
    let aliases = aliases.into_iter().flatten().filter_map(Value::as_str);
    Some(ListedModel {
        id: id(value)?.to_owned(),
        aliases: aliases.map(str::to_owned).collect(),
        owned_by: text("owned_by"),
        root: text("root"),
        context: [
            "max_model_len",
            "context_length",
            "context_window",
            "max_context_length",
        ]
        .into_iter()
        .find_map(|name| usize::deserialize(value.get(name)?).ok())
        .filter(|context| *context > 0),
        parameters: value.pointer("/meta/n_params").and_then(Value::as_u64),
        profile: value
            .pointer("/outthink/profile")
            .and_then(Value::as_str)
            .map(str::to_owned),
    })
}

/// The model of the wanted name, or else the only one. None where the list does not tell whether the wanted model is
/// there: it is empty, or goes on elsewhere. The name is checked here, because llama.cpp would answer to any.
///
/// # Errors
///
/// Where the model is not there, or none was named and there is not exactly one.
pub(crate) fn choose(
    endpoint: &str,
    list: ModelList,
    wanted: Option<&str>,
) -> Result<Option<ListedModel>, Error> {
    let endpoint = endpoint.to_owned();
    let ModelList { models, goes_on } = list;
    let known = names(&models);
    let Some(wanted) = wanted else {
        let search = |model: &ListedModel| {
            let owner = model.owned_by.as_deref().and_then(dialect::owning);
            owner.is_some_and(|dialect| dialect.lists_as_search(&model.id))
        };
        let mut models = models.into_iter().filter(|model| !search(model));
        return match (models.next(), models.next()) {
            (Some(only), None) if !goes_on => Ok(Some(only)),
            (None, _) => Err(Error::NoModels {
                endpoint,
                reason: "its list is empty".into(),
            }),
            _ => Err(Error::WhichModel { endpoint, known }),
        };
    };
    if models.is_empty() {
        return Ok(None);
    }
    // Ollama's names have a tag and Gemini's a folder; both also accept the name without.
    let full = |model: &ListedModel| {
        let id = model.id.as_str();
        id.strip_suffix(":latest") == Some(wanted) || id.strip_prefix("models/") == Some(wanted)
    };
    let exact =
        |model: &ListedModel| model.id == wanted || model.aliases.iter().any(|a| a == wanted);
    let found = models
        .iter()
        .find(|model| exact(model))
        .or_else(|| models.iter().find(|model| full(model)));
    match found {
        Some(model) => Ok(Some(ListedModel {
            id: wanted.to_owned(),
            ..model.clone()
        })),
        None if goes_on => Ok(None),
        None => Err(Error::WrongModel {
            endpoint,
            model: wanted.to_owned(),
            known,
        }),
    }
}

fn names(models: &[ListedModel]) -> String {
    let names: Vec<&str> = models
        .iter()
        .map(|model| model.id.as_str())
        .take(SHOWN)
        .collect();
    match models.len().checked_sub(SHOWN) {
        _ if models.is_empty() => "no model".to_owned(),
        Some(more @ 1..) => format!("{} and {more} more", names.join(", ")),
        _ => names.join(", "),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn ids(body: &str) -> Vec<String> {
        let list = read(body.as_bytes()).unwrap();
        list.models.into_iter().map(|model| model.id).collect()
    }

    #[test]
    fn a_list_of_models_is_read_in_any_shape() {
        for body in [
            r#"{"object":"list","data":[{"id":"a"},{"id":"b","owned_by":"x"}]}"#,
            r#"[{"id":"a"},{"name":"b"}]"#,
            r#"["a","b"]"#,
            r#"{"data":["a","b"]}"#,
            r#"{"models":[{"name":"a","model":"a"},{"name":"b","model":"b"}]}"#,
            r#"{"models":["a","b","a"]}"#,
            r#"{"data":null,"models":[{"model":"a"},{"id":null,"model":"b"}]}"#,
            r#"{"data":{"one":{"id":"a"},"two":{"id":"b"}}}"#,
        ] {
            assert_eq!(ids(body), ["a", "b"], "{body}");
        }
        for body in [
            r#"{"id":"a","object":"model"}"#,
            r#"{"data":{"id":"a"}}"#,
            r#"{"data":"a"}"#,
        ] {
            assert_eq!(ids(body), ["a"], "{body}");
        }
        for body in [
            "{}",
            "[]",
            "null",
            "3",
            r#"{"data":[]}"#,
            r#"{"data":[{}, 3, null]}"#,
        ] {
            assert!(ids(body).is_empty(), "{body}");
        }
        assert!(read(b"<html>").is_err());
    }

    #[test]
    fn the_wanted_model_is_found_under_the_names_it_goes_by() {
        let choose = |wanted: Option<&str>, ids: &[&str]| {
            let list = serde_json::to_string(ids).unwrap();
            let chosen = super::choose("http://h", read(list.as_bytes()).unwrap(), wanted);
            chosen
                .map(|model| model.map_or("not told".to_owned(), |model| model.id))
                .map_err(|e| e.to_string())
        };
        assert_eq!(choose(None, &["a"]).unwrap(), "a");
        assert_eq!(
            choose(Some("llama3"), &["x", "llama3:latest"]).unwrap(),
            "llama3"
        );
        assert_eq!(choose(Some("g"), &["models/g"]).unwrap(), "g");
        assert_eq!(choose(Some("unlisted"), &[]).unwrap(), "not told");
        assert!(
            choose(None, &[])
                .unwrap_err()
                .contains("name one as http://h/v1#NAME")
        );
        assert!(
            choose(None, &["a", "b"])
                .unwrap_err()
                .contains("a, b; choose one")
        );
        for page in [
            r#"{"data": [{"id": "a"}], "has_more": true, "last_id": "a"}"#,
            r#"{"models": [{"name": "a"}], "nextPageToken": "x"}"#,
            r#"{"data": ["a"], "next": "http://h/v1/models?page=2"}"#,
        ] {
            let at = |wanted| super::choose("http://h", read(page.as_bytes()).unwrap(), wanted);
            assert!(at(Some("b")).unwrap().is_none(), "{page}");
            assert_eq!(at(Some("a")).unwrap().unwrap().id, "a");
            assert!(at(None).is_err());
        }
        let whole = r#"{"data": ["a"], "has_more": false, "next": null, "nextPageToken": ""}"#;
        let list = read(whole.as_bytes()).unwrap();
        assert!(super::choose("http://h", list, Some("b")).is_err());
        let many: Vec<String> = (0..300).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(
            choose(Some("a"), &many)
                .unwrap_err()
                .contains("and 288 more")
        );
    }
}
