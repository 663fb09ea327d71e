//! A GGUF file's vocabulary as a `tokenizer.json`, a `tokenizer_config.json` and the tokens that end an answer.
//!
//! What a file leaves out is as llama.cpp takes it (`src/llama-vocab.cpp`).

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::header::Header;
use super::pre_tokenizer::PreTokenizer;
use crate::Error;

/// Types of tokens that are no ordinary text.
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;
pub(super) const USER_DEFINED: u64 = 4;
const BYTE: u64 = 6;

/// Control tokens that end an answer under whatever template, by name.
const ENDS: [&str; 21] = [
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "</s>",
    "<EOT>",
    "[EOT]",
    "<end_of_utterance>",
    "<｜end▁of▁sentence｜>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<|tool_response>",
    "<turn|>",
    "_<EOT>",
    "[EOS]",
    "<eos>",
];

/// It ends an answer, whatever older files say that it is.
const END_OF_TURN: &str = "<end_of_turn>";

/// What ends a message of a reply, where one of the others ends the whole of it.
const END_OF_MESSAGE: &str = "<|end|>";
const ENDS_OF_ALL: [&str; 2] = ["<|return|>", "<|call|>"];

/// Parts of the names of models whose control tokens swallow the white space after them, and tokens that do not.
const SWALLOWING: [&str; 2] = ["phi-3", "phi3"];
const KEEP_SPACES: [&str; 3] = ["<unk>", "<s>", "<|endoftext|>"];

/// The two makes of vocabularies that are read.
enum Kind {
    /// Bytes as GPT-2 writes them, merged by a list.
    ByteLevel(PreTokenizer),
    /// Characters, merged by the scores of what they become; what is no token goes byte by byte.
    SentencePiece {
        /// Does a text begin with a space that it does not hold?
        space_first: bool,
    },
}

/// The tokens of a file, and what it says of them.
pub(super) struct Vocabulary<'h> {
    header: &'h Header,
    kind: Kind,
    tokens: Vec<String>,
    /// One a token.
    types: Vec<u64>,
}

impl<'h> Vocabulary<'h> {
    pub(super) fn read(header: &'h Header) -> Result<Self, Error> {
        let unsupported = |what: String| Error::Unsupported {
            what: format!("{}: {what}", header.file),
        };
        let kind = match header.text("tokenizer.ggml.model") {
            Some("gpt2") => {
                let named = header.text("tokenizer.ggml.pre").unwrap_or("default");
                let known = PreTokenizer::named(named);
                Kind::ByteLevel(known.ok_or_else(|| {
                    unsupported(format!("its pre-tokenizer {named} is not known here"))
                })?)
            }
            Some("llama") => Kind::SentencePiece {
                space_first: header
                    .flag("tokenizer.ggml.add_space_prefix")
                    .unwrap_or(true),
            },
            Some(other) => {
                return Err(unsupported(format!(
                    "its tokenizer is {other}, and those that are read are gpt2 and llama"
                )));
            }
            None => return Err(header.broken("its metadata names no tokenizer".into())),
        };
        let no_text = || header.broken("its metadata has no list of tokens".into());
        let mut tokens = Vec::new();
        for (id, token) in list(header, "tokenizer.ggml.tokens").iter().enumerate() {
            tokens.push(match token.text().ok_or_else(no_text)? {
                "" => format!("[EMPTY_{id}]"),
                token => token.to_owned(),
            });
        }
        if tokens.is_empty() {
            return Err(no_text());
        }
        let types = list(header, "tokenizer.ggml.token_type");
        let mut types: Vec<u64> = types.iter().map(|kind| kind.whole().unwrap_or(1)).collect();
        types.resize(tokens.len(), 1);
        let mut vocabulary = Self {
            header,
            kind,
            tokens,
            types,
        };
        // Careless converters leave these as text.
        let both = vocabulary.tokens.iter().zip(&mut vocabulary.types);
        for (_, kind) in both.filter(|(token, _)| *token == END_OF_TURN) {
            *kind = CONTROL;
        }
        for name in ["bos", "eos", "eot", "eom"] {
            if let Some(id) = vocabulary.token(name) {
                vocabulary.types[id] = CONTROL;
            }
        }
        Ok(vocabulary)
    }

    /// The id of a special token.
    fn token(&self, name: &str) -> Option<usize> {
        let told = self
            .header
            .number(&format!("tokenizer.ggml.{name}_token_id"));
        let usual = match (name, &self.kind) {
            ("unknown", Kind::SentencePiece { .. }) => Some(0),
            ("bos", Kind::SentencePiece { .. }) => Some(1),
            ("eos", Kind::SentencePiece { .. }) => Some(2),
            _ => None,
        };
        let known = |id: &u64| *id < self.tokens.len() as u64;
        let id = told.filter(known).or(usual.filter(known))?;
        usize::try_from(id).ok()
    }

    /// Do control tokens swallow the white space after them? Files do not say so of the models that do: llama.cpp knows these
    /// by their name.
    fn swallow_spaces(&self) -> bool {
        let name = self.header.text("general.name").unwrap_or_default();
        let name = name.to_lowercase();
        SWALLOWING.iter().any(|known| name.contains(known))
    }

    /// Tokens that end an answer.
    pub(super) fn ends(&self) -> Vec<usize> {
        let told = ["eos", "eot", "eom"].into_iter();
        let mut ends: Vec<usize> = told.filter_map(|name| self.token(name)).collect();
        let named = (0..self.tokens.len())
            .filter(|&id| self.types[id] == CONTROL && ENDS.contains(&self.tokens[id].as_str()));
        for id in named {
            if !ends.contains(&id) {
                ends.push(id);
            }
        }
        // Where a reply may hold several messages, what ends one of them does not end it.
        let of_all = |&id: &usize| ENDS_OF_ALL.contains(&self.tokens[id].as_str());
        if ends.iter().any(of_all) {
            ends.retain(|&id| self.tokens[id] != END_OF_MESSAGE);
        }
        ends
    }

    /// As a `tokenizer_config.json`.
    pub(super) fn special(&self) -> Value {
        let mut config = Map::new();
        for (key, name) in [
            ("bos", "bos_token"),
            ("eos", "eos_token"),
            ("unknown", "unk_token"),
            ("padding", "pad_token"),
        ] {
            if let Some(id) = self.token(key) {
                config.insert(name.into(), json!(self.tokens[id]));
            }
        }
        let usual = match &self.kind {
            Kind::ByteLevel(pre) => pre.adds_bos,
            Kind::SentencePiece { .. } => true,
        };
        let told = self.header.flag("tokenizer.ggml.add_bos_token");
        config.insert("add_bos_token".into(), json!(told.unwrap_or(usual)));
        Value::Object(config)
    }

    /// As a `tokenizer.json`.
    pub(super) fn tokenizer(&self) -> Result<Value, Error> {
        let mut ids: HashMap<&str, usize> = HashMap::new();
        for (id, token) in self.tokens.iter().enumerate() {
            if ids.insert(token, id).is_some() {
                return Err(self.header.broken(format!("it has token {token:?} twice")));
            }
        }
        let swallows = self.swallow_spaces();
        let added = (0..self.tokens.len()).filter_map(|id| {
            let special = match self.types[id] {
                CONTROL | UNKNOWN => true,
                USER_DEFINED => false,
                _ => return None,
            };
            Some(json!({
                "id": id,
                "content": self.tokens[id],
                "single_word": false,
                "lstrip": false,
                "rstrip": swallows && special && !KEEP_SPACES.contains(&self.tokens[id].as_str()),
                "normalized": false,
                "special": special,
            }))
        });
        let added: Vec<Value> = added.collect();
        let merges = match &self.kind {
            Kind::ByteLevel(_) => self.listed_merges(&ids)?,
            Kind::SentencePiece { .. } => self.scored_merges(&ids)?,
        };
        let mut model = json!({
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": false,
            "vocab": ids,
            "merges": merges,
        });
        let mut tokenizer = json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added,
            "post_processor": null,
        });
        match &self.kind {
            Kind::ByteLevel(pre) => {
                model["ignore_merges"] = json!(pre.whole_words);
                tokenizer["normalizer"] = pre.normalizer();
                tokenizer["pre_tokenizer"] = pre.json();
                tokenizer["decoder"] = json!({
                    "type": "ByteLevel",
                    "add_prefix_space": false,
                    "trim_offsets": false,
                    "use_regex": false,
                });
            }
            Kind::SentencePiece { space_first } => {
                model["unk_token"] = json!(self.token("unknown").map(|id| &self.tokens[id]));
                model["fuse_unk"] = json!(true);
                model["byte_fallback"] = json!(true);
                let spaces = json!({
                    "type": "Replace", "pattern": { "String": " " }, "content": SPACE,
                });
                let first = json!({ "type": "Prepend", "prepend": SPACE });
                let normalizers = if *space_first {
                    vec![first, spaces]
                } else {
                    vec![spaces]
                };
                tokenizer["normalizer"] = json!({ "type": "Sequence", "normalizers": normalizers });
                tokenizer["pre_tokenizer"] = Value::Null;
                tokenizer["decoder"] = json!({
                    "type": "Sequence",
                    "decoders": [
                        { "type": "Replace", "pattern": { "String": SPACE }, "content": " " },
                        { "type": "ByteFallback" },
                        { "type": "Fuse" },
                    ],
                });
            }
        }
        tokenizer["model"] = model;
        Ok(tokenizer)
    }

    /// The file's own merges; those of what is no token never come to anything.
    fn listed_merges(&self, ids: &HashMap<&str, usize>) -> Result<Vec<[&str; 2]>, Error> {
        let Some(list) = self.header.list("tokenizer.ggml.merges") else {
            return Err(self.header.broken("its metadata has no merges".into()));
        };
        let mut merges = Vec::with_capacity(list.len());
        let mut whole = String::new();
        for merge in list {
            let text = merge.text().unwrap_or_default();
            // A token that is a space has one before the one between.
            let space = text.char_indices().skip(1).find(|(_, c)| *c == ' ');
            let pair = space.map(|(at, _)| [&text[..at], &text[at + 1..]]);
            let Some(pair) = pair else {
                return Err(self.header.broken(format!("its merge {text:?} is no pair")));
            };
            whole.clear();
            whole.extend(pair);
            if pair.iter().all(|part| ids.contains_key(part)) && ids.contains_key(whole.as_str()) {
                merges.push(pair);
            }
        }
        Ok(merges)
    }

    /// SentencePiece merges the two neighbours that become the token with the highest score: every way to become a token,
    /// in the order of scores.
    fn scored_merges<'t>(
        &'t self,
        ids: &HashMap<&'t str, usize>,
    ) -> Result<Vec<[&'t str; 2]>, Error> {
        let scores = list(self.header, "tokenizer.ggml.scores");
        if scores.len() < self.tokens.len() {
            return Err(self.header.broken(format!(
                "its metadata has {} scores for {} tokens",
                scores.len(),
                self.tokens.len()
            )));
        }
        let mut merges: Vec<(f64, usize, [&str; 2])> = Vec::new();
        for (id, token) in self.tokens.iter().enumerate() {
            if matches!(self.types[id], UNKNOWN | CONTROL | BYTE) {
                continue;
            }
            let score = scores[id].real().unwrap_or(f64::NEG_INFINITY);
            for (at, _) in token.char_indices().skip(1) {
                let parts = [&token[..at], &token[at..]];
                if parts.iter().all(|part| ids.contains_key(part)) {
                    merges.push((score, id, parts));
                }
            }
        }
        // Among equals the longer left part comes first, as in transformers' conversion.
        merges.sort_by(|(a, a_id, [a_left, _]), (b, b_id, [b_left, _])| {
            let by_score = b.total_cmp(a).then(a_id.cmp(b_id));
            by_score.then(b_left.len().cmp(&a_left.len()))
        });
        Ok(merges.into_iter().map(|(_, _, parts)| parts).collect())
    }
}

/// SentencePiece's space.
pub(super) const SPACE: &str = "▁";

fn list<'h>(header: &'h Header, key: &str) -> &'h [super::header::Value] {
    header.list(key).unwrap_or_default()
}
