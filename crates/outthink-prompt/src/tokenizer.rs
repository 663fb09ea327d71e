//! A checkpoint's tokenizer, strict about what it cannot say.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use crate::Error;

/// A `tokenizer.json`, and what `tokenizer_config.json` says of its special tokens.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    unknown: Option<u32>,
    /// Ids of control tokens; the library's own table of them is a copy for whoever asks.
    control: HashSet<u32>,
    /// The bytes of every token; none for special tokens, which are no text.
    bytes: Vec<Vec<u8>>,
    /// Special tokens by name: `bos_token`, `eos_token`, `pad_token`.
    special: HashMap<String, String>,
    add_bos: bool,
}

/// How a vocabulary spells bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// GPT-2's: every byte is a printable character.
    ByteLevel,
    /// SentencePiece's: `▁` is a space, `<0x0A>` a byte.
    Metaspace,
    Plain,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    pub fn from_bytes(json: &[u8]) -> Result<Self, Error> {
        let inner = tokenizers::Tokenizer::from_bytes(json)
            .map_err(|error| Error::Tokenizer(error.to_string()))?;
        let unknown = ["<unk>", "[UNK]"]
            .iter()
            .find_map(|token| inner.token_to_id(token));
        let spelling = spelling(json);
        let added = inner.get_added_tokens_decoder();
        let control = added.iter().filter(|(_, token)| token.special);
        let control = control.map(|(id, _)| *id);
        let bytes = (0..inner.get_vocab_size(true) as u32).map(|id| match added.get(&id) {
            Some(token) if token.special => Vec::new(),
            Some(token) => token.content.clone().into_bytes(),
            None => spelled(&inner.id_to_token(id).unwrap_or_default(), spelling),
        });
        Ok(Self {
            unknown,
            bytes: bytes.collect(),
            control: control.collect(),
            special: HashMap::new(),
            add_bos: false,
            inner,
        })
    }

    /// With the special tokens that a `tokenizer_config.json` names; an empty one names none.
    pub fn with_config(mut self, json: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Named {
            Text(String),
            Token { content: String },
            Other(serde_json::Value),
        }
        if json.is_empty() {
            return Ok(self);
        }
        let config: HashMap<String, Named> = serde_json::from_slice(json)
            .map_err(|error| Error::Tokenizer(format!("tokenizer_config.json: {error}")))?;
        for (name, value) in config {
            match value {
                Named::Text(text) | Named::Token { content: text } if name.ends_with("_token") => {
                    self.special.insert(name, text);
                }
                Named::Other(serde_json::Value::Bool(yes)) if name == "add_bos_token" => {
                    self.add_bos = yes
                }
                _ => {}
            }
        }
        Ok(self)
    }

    /// A special token by its name in `tokenizer_config.json`.
    pub fn special(&self, name: &str) -> Option<&str> {
        self.special.get(name).map(String::as_str)
    }

    /// The token that the tokenizer puts before a plain text, if it puts one.
    pub fn bos(&self) -> Option<u32> {
        // What it does with special tokens, it does before an empty text too.
        let first = self
            .inner
            .encode("", true)
            .ok()
            .and_then(|e| e.get_ids().first().copied());
        let named = self
            .special("bos_token")
            .and_then(|bos| self.inner.token_to_id(bos));
        first
            .filter(|first| named.is_none_or(|named| named == *first))
            .or(if self.add_bos { named } else { None })
    }

    /// Token ids of a text, without any token that the text does not hold. What has no token becomes the unknown one:
    /// right for what a model wrote, which may be anything.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        Ok(self.encoding(text)?.get_ids().to_vec())
    }

    /// Token ids of a text, and for each the place in the text, in bytes, where it ends.
    pub(crate) fn encode_with_ends(&self, text: &str) -> Result<(Vec<u32>, Vec<usize>), Error> {
        let encoding = self.encoding(text)?;
        let ends = encoding.get_offsets().iter().map(|(_, end)| *end).collect();
        Ok((encoding.get_ids().to_vec(), ends))
    }

    fn encoding(&self, text: &str) -> Result<tokenizers::Encoding, Error> {
        self.inner
            .encode(text, false)
            .map_err(|error| Error::Tokenizer(error.to_string()))
    }

    /// Is every part of a text a token, and none a control token? Asked of what a person wrote.
    pub fn check(&self, text: &str) -> Result<(), Error> {
        let encoding = self.encoding(text)?;
        let strange = encoding
            .get_ids()
            .iter()
            .position(|id| Some(*id) == self.unknown);
        if let Some(index) = strange {
            let (start, end) = encoding.get_offsets()[index];
            return Err(Error::OutsideAlphabet {
                text: text.get(start..end).unwrap_or_default().to_owned(),
                position: text.get(..start).unwrap_or_default().chars().count() + 1,
                whole: text.to_owned(),
            });
        }
        let ids = encoding.get_ids();
        match ids.iter().find(|id| self.control.contains(id)) {
            Some(&id) => Err(Error::ControlToken(
                self.inner.id_to_token(id).unwrap_or_default(),
            )),
            None => Ok(()),
        }
    }

    /// The text of some tokens; special tokens are left out.
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|&id| self.bytes(id)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The bytes of one token.
    pub fn bytes(&self, id: u32) -> &[u8] {
        self.bytes.get(id as usize).map_or(&[], Vec::as_slice)
    }

    /// The id of a token.
    pub fn id(&self, token: &str) -> Result<u32, Error> {
        self.inner
            .token_to_id(token)
            .ok_or_else(|| Error::NoToken(token.to_owned()))
    }

    /// Number of tokens. A model's output may be wider; what lies beyond is padding.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

/// What the decoder of a `tokenizer.json` undoes.
fn spelling(json: &[u8]) -> Spelling {
    #[derive(Deserialize)]
    struct File {
        decoder: Option<serde_json::Value>,
    }
    let decoder = serde_json::from_slice::<File>(json)
        .ok()
        .and_then(|file| file.decoder);
    let text = decoder
        .map(|decoder| decoder.to_string())
        .unwrap_or_default();
    if text.contains("ByteLevel") {
        Spelling::ByteLevel
    } else if text.contains("Metaspace") || text.contains('▁') || text.contains("ByteFallback") {
        Spelling::Metaspace
    } else {
        Spelling::Plain
    }
}

fn spelled(token: &str, spelling: Spelling) -> Vec<u8> {
    match spelling {
        Spelling::Plain => token.as_bytes().to_vec(),
        Spelling::Metaspace => {
            let byte = token
                .strip_prefix("<0x")
                .and_then(|hex| hex.strip_suffix('>'));
            match byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                Some(byte) => vec![byte],
                None => token.replace('▁', " ").into_bytes(),
            }
        }
        Spelling::ByteLevel => token
            .chars()
            .flat_map(|c| match byte_of(c) {
                Some(byte) => vec![byte],
                None => c.to_string().into_bytes(),
            })
            .collect(),
    }
}

/// GPT-2 writes printable bytes as themselves and moves the others to 256 and up, in order.
fn byte_of(c: char) -> Option<u8> {
    let printable = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let code = u32::from(c);
    if code < 256 {
        return printable(code).then_some(code as u8);
    }
    (0..256u32)
        .filter(|&byte| !printable(byte))
        .nth(code as usize - 256)
        .map(|byte| byte as u8)
}
