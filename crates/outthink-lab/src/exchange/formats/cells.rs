//! Cells of rows, as programs write them.

use serde_json::Value;

use super::super::rows::Cells;

/// The text of the first of these cells that has some. A number is its text.
pub(super) fn text(row: &Cells, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| text_of(row.get(*name)?))
}

/// A text, or a number as one; nothing blank.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What somebody said: a text, or the texts of its parts.
pub(super) fn said(value: &Value) -> Option<String> {
    match value {
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
            let whole = texts.collect::<Vec<_>>().join("\n");
            (!whole.is_empty()).then_some(whole)
        }
        other => other.as_str().map(str::to_owned),
    }
}

/// What the user asked last in a conversation, or the text itself.
pub(super) fn asked(value: &Value) -> Option<String> {
    match value {
        Value::Array(messages) => {
            let by_user = |message: &&Value| {
                let role = message.get("role").and_then(Value::as_str);
                role.is_none_or(|role| role == "user")
            };
            let last = messages.iter().rev().find(by_user)?;
            match last.get("content") {
                Some(content) => said(content),
                None => last.as_str().map(str::to_owned),
            }
        }
        other => text_of(other),
    }
}

/// The texts of a list.
pub(super) fn texts(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

/// The numbers of a list. One that is none is none of the list.
pub(super) fn numbers(value: &Value) -> Option<Vec<f64>> {
    value.as_array()?.iter().map(Value::as_f64).collect()
}

/// The rewards of one sample: none where there are none, and one that is no number where they are no list of numbers.
pub(super) fn rewards(value: Option<&Value>) -> Vec<f64> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(all) => numbers(all).unwrap_or_else(|| vec![f64::NAN]),
    }
}

/// A count that is known: 0 and below stand for one that was not kept.
pub(super) fn count(value: Option<&Value>) -> usize {
    value
        .and_then(|value| {
            value
                .as_u64()
                .or_else(|| Some(value.as_f64()?.max(0.0) as u64))
        })
        .unwrap_or_default() as usize
}

/// `3` or `Level 3`.
pub(super) fn level(row: &Cells) -> Option<i64> {
    let text = text(row, &["level", "difficulty"])?;
    text.trim().trim_start_matches("Level").trim().parse().ok()
}

/// The last part of a model's path: `/scratch/models/Qwen2.5-1.5B-Instruct` is `Qwen2.5-1.5B-Instruct`.
pub(super) fn base_name(path: &str) -> String {
    let path = path.trim_end_matches('/');
    path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned()
}
