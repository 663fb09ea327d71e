//! A `tokenizer.model` of SentencePiece, for checkpoints that have no `tokenizer.json`: read into the words that GGUF has for the
//! same.
//!
//! The format: <https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto>

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::{Map, json};

use super::header::{Header, Value};
use super::tokenizer::{SPACE, USER_DEFINED, Vocabulary};
use crate::Error;

/// A `tokenizer.json` and a `tokenizer_config.json`.
pub(crate) struct TokenizerFiles {
    pub tokenizer: Vec<u8>,
    pub config: Vec<u8>,
}

/// Reads a folder's `tokenizer.model`, with what its `tokenizer_config.json` and `added_tokens.json` add to it.
pub(crate) fn sentence_piece(folder: &Path) -> Result<TokenizerFiles, Error> {
    let path = folder.join("tokenizer.model");
    let bytes = outthink_core::file::read(&path).map_err(|source| Error::File {
        path: path.clone(),
        source,
    })?;
    let header = header(&path.display().to_string(), &bytes)?;
    let vocabulary = Vocabulary::read(&header)?;
    let mut tokenizer = vocabulary.tokenizer()?;
    let mut config = match vocabulary.special() {
        serde_json::Value::Object(config) => config,
        _ => Map::new(),
    };
    let own = object(folder, "tokenizer_config.json")?;
    add_tokens(folder, &header, &own, &mut tokenizer)?;
    // Null leaves to the class what is usual.
    config.extend(own.into_iter().filter(|(_, value)| !value.is_null()));
    Ok(TokenizerFiles {
        tokenizer: tokenizer.to_string().into_bytes(),
        config: serde_json::Value::Object(config).to_string().into_bytes(),
    })
}

/// An optional file with one object.
fn object(folder: &Path, file: &'static str) -> Result<Map<String, serde_json::Value>, Error> {
    match outthink_core::file::read(&folder.join(file)) {
        Ok(json) => serde_json::from_slice(&json).map_err(|error| Error::Malformed {
            file,
            reason: error.to_string(),
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Map::new()),
        Err(source) => Err(Error::File {
            path: folder.join(file),
            source,
        }),
    }
}

/// Tokens that stand beside the model, or say more of some that are in it.
fn add_tokens(
    folder: &Path,
    header: &Header,
    config: &Map<String, serde_json::Value>,
    tokenizer: &mut serde_json::Value,
) -> Result<(), Error> {
    let mut more: BTreeMap<u64, serde_json::Value> = BTreeMap::new();
    for (content, id) in object(folder, "added_tokens.json")? {
        let id = id.as_u64().ok_or_else(|| Error::Malformed {
            file: "added_tokens.json",
            reason: format!("the id of {content:?} is {id}"),
        })?;
        more.insert(id, json!({ "content": content, "special": false }));
    }
    let told = config.get("added_tokens_decoder");
    for (id, token) in told.and_then(|told| told.as_object()).into_iter().flatten() {
        let id = id.parse().map_err(|_| Error::Malformed {
            file: "tokenizer_config.json",
            reason: format!("added_tokens_decoder has the id {id:?}"),
        })?;
        more.insert(id, token.clone());
    }
    let size = header.list("tokenizer.ggml.tokens").map_or(0, <[_]>::len) as u64;
    let Some(added) = tokenizer["added_tokens"].as_array_mut() else {
        return Ok(());
    };
    let mut next = size;
    for (id, token) in more {
        let flag = |name: &str| token.get(name).and_then(|flag| flag.as_bool()) == Some(true);
        let entry = json!({
            "id": id,
            "content": token.get("content").cloned().unwrap_or_default(),
            "single_word": flag("single_word"),
            "lstrip": flag("lstrip"),
            "rstrip": flag("rstrip"),
            "normalized": flag("normalized"),
            "special": flag("special"),
        });
        match added.iter_mut().find(|known| known["id"] == id) {
            Some(known) if known["content"] == entry["content"] => *known = entry,
            None if id < size => added.push(entry),
            None if id == next => {
                added.push(entry);
                next += 1;
            }
            _ => {
                return Err(header.broken(format!(
                    "the token {} that is added to it as number {id} has no place there",
                    entry["content"]
                )));
            }
        }
    }
    added.sort_by_key(|token| token["id"].as_u64());
    Ok(())
}

/// A field of a message: its number, and what it holds.
enum Field<'b> {
    Whole(u64),
    Bytes(&'b [u8]),
    Real(f32),
    /// Of a type that no field has that is read here.
    Other,
}

/// The fields of a message of protocol buffers, in their order.
fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let field = match key & 7 {
            0 => Field::Whole(varint(&mut bytes)?),
            1 => {
                bytes = bytes.get(8..)?;
                Field::Other
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (own, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Field::Bytes(own)
            }
            5 => {
                let (own, rest) = bytes.split_first_chunk::<4>()?;
                bytes = rest;
                Field::Real(f32::from_le_bytes(*own))
            }
            _ => return None,
        };
        all.push((key >> 3, field));
    }
    Some(all)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for place in 0..10 {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 127) << (7 * place);
        if first & 128 == 0 {
            return Some(number);
        }
    }
    None
}

/// The model in GGUF's words.
fn header(file: &str, bytes: &[u8]) -> Result<Header, Error> {
    let broken = || Error::Weights {
        file: file.to_owned(),
        reason: format!(
            "it is no SentencePiece model, or cut off: {}",
            crate::weights::beginning(bytes)
        ),
    };
    let unsupported = |what: &str| {
        Err(Error::Unsupported {
            what: format!(
                "{file}: {what}; a tokenizer.json says the same, transformers writes one"
            ),
        })
    };
    let (mut tokens, mut scores, mut types) = (Vec::new(), Vec::new(), Vec::new());
    let mut kind = 1;
    let mut prefix = true;
    // By their defaults in the format.
    let mut ids = [
        ("unknown", 0),
        ("bos", 1),
        ("eos", 2),
        ("padding", u64::MAX),
    ];
    for (number, field) in fields(bytes).ok_or_else(broken)? {
        let Field::Bytes(message) = field else {
            continue;
        };
        let message = fields(message);
        match number {
            1 => {
                let (mut text, mut score, mut of_type) = (String::new(), 0.0, 1);
                for (number, field) in message.ok_or_else(broken)? {
                    match (number, field) {
                        (1, Field::Bytes(own)) => {
                            text = String::from_utf8_lossy(own).into_owned();
                        }
                        (2, Field::Real(own)) => score = own,
                        (3, Field::Whole(own)) => of_type = own,
                        _ => {}
                    }
                }
                // Those are looked for in a text before its spaces are replaced.
                if of_type == USER_DEFINED {
                    text = text.replace(SPACE, " ");
                }
                tokens.push(Value::Text(text));
                scores.push(Value::Real(score.into()));
                types.push(Value::Whole(of_type));
            }
            2 => {
                for (number, field) in message.ok_or_else(broken)? {
                    match (number, field) {
                        (3, Field::Whole(own)) => kind = own,
                        (24, Field::Whole(1)) => {
                            return unsupported("it takes spaces for ends of words");
                        }
                        (40..=43, Field::Whole(id)) => ids[number as usize - 40].1 = id,
                        _ => {}
                    }
                }
            }
            3 => {
                let mut removes = true;
                for (number, field) in message.ok_or_else(broken)? {
                    match (number, field) {
                        (2, Field::Bytes(map)) if !map.is_empty() => {
                            return unsupported("it replaces characters by a map");
                        }
                        (3, Field::Whole(own)) => prefix = own != 0,
                        (4, Field::Whole(own)) => removes = own != 0,
                        (5, Field::Whole(0)) => return unsupported("it does not escape spaces"),
                        _ => {}
                    }
                }
                if removes {
                    return unsupported("it removes spaces");
                }
            }
            _ => {}
        }
    }
    if tokens.is_empty() {
        return Err(broken());
    }
    if kind != 2 {
        return unsupported("it is no BPE model");
    }
    let mut metadata = vec![
        ("model".to_owned(), Value::Text("llama".into())),
        ("tokens".to_owned(), Value::List(tokens)),
        ("scores".to_owned(), Value::List(scores)),
        ("token_type".to_owned(), Value::List(types)),
        ("add_space_prefix".to_owned(), Value::Flag(prefix)),
    ];
    for (name, id) in ids {
        metadata.push((format!("{name}_token_id"), Value::Whole(id)));
    }
    let prefixed = metadata.into_iter();
    let prefixed = prefixed.map(|(key, value)| (format!("tokenizer.ggml.{key}"), value));
    Ok(Header::of_metadata(file, prefixed.collect()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_model_is_told_and_never_panics() {
        let told = |bytes: &[u8]| {
            let message = header("tokenizer.model", bytes).err().unwrap().to_string();
            message.split(". A server").next().unwrap().to_owned()
        };
        insta::assert_snapshot!(told(b""), @"tokenizer.model: it is no SentencePiece model, or cut off: it is empty");
        insta::assert_snapshot!(told(b"<html>"), @"tokenizer.model: it is no SentencePiece model, or cut off: it is a web page; download the file itself");
        // A piece "a", then a trainer of unigrams.
        let piece = b"\x0a\x03\x0a\x01a";
        insta::assert_snapshot!(told(&[piece.as_slice(), b"\x12\x02\x18\x01"].concat()), @"cannot run tokenizer.model: it is no BPE model; a tokenizer.json says the same, transformers writes one");
        insta::assert_snapshot!(told(&[piece.as_slice(), b"\x1a\x03\x12\x01x"].concat()), @"cannot run tokenizer.model: it replaces characters by a map; a tokenizer.json says the same, transformers writes one");
        let whole = [
            piece.as_slice(),
            b"\x12\x02\x18\x02\x1a\x04\x18\x00\x20\x00",
        ]
        .concat();
        assert!(header("tokenizer.model", &whole).is_ok());
        for seed in 0..2000u32 {
            let mut bytes = whole.clone();
            let at = seed as usize % bytes.len();
            bytes[at] = (seed.wrapping_mul(0x9e37_79b9) >> 13) as u8;
            bytes.truncate(whole.len() - seed as usize % 3);
            if let Ok(header) = header("tokenizer.model", &bytes) {
                let _ = Vocabulary::read(&header).map(|own| own.tokenizer().is_ok());
            }
        }
    }
}
