//! A checkpoint's tokenizer, strict about what it cannot say.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use crate::{Error, files};

/// More free places than this between tokens are a broken file.
const GAP: usize = 1 << 20;

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
    /// Does it put the beginning-of-text token before a text? As `tokenizer_config.json` says, if it does.
    add_bos: Option<bool>,
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
    /// Reads a `tokenizer.json`. What it holds of truncation and padding is for training batches, and left out: a prompt is
    /// never cut off nor filled up.
    pub fn from_bytes(json: &[u8]) -> Result<Self, Error> {
        let json = files::text(json);
        if json.starts_with(b"version https://git-lfs") {
            return Err(Error::Tokenizer(
                "it is a Git LFS pointer, not the file (git lfs pull fetches it)".into(),
            ));
        }
        let broken = |error: &dyn std::fmt::Display| Error::Tokenizer(error.to_string());
        let file: File = serde_json::from_slice(json).map_err(|error| broken(&error))?;
        growth(&file.normalizer)?;
        let mut inner = tokenizers::Tokenizer::from_bytes(json).map_err(|error| broken(&error))?;
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|error| broken(&error))?;
        let unknown = ["<unk>", "[UNK]"]
            .into_iter()
            .chain(file.model.unk_token.as_deref())
            .find_map(|token| inner.token_to_id(token));
        let spelling = spelling(&file.decoder);
        let added = inner.get_added_tokens_decoder();
        let control = added.iter().filter(|(_, token)| token.special);
        let control = control.map(|(id, _)| *id);
        // Added tokens may leave places free before them.
        let last = added.keys().max().map_or(0, |id| *id as usize + 1);
        let size = inner.get_vocab_size(true);
        if last > size.saturating_add(GAP) {
            return Err(Error::Tokenizer(format!(
                "it has {size} tokens, and one of them is number {}",
                last - 1
            )));
        }
        let bytes = (0..size.max(last) as u32).map(|id| match added.get(&id) {
            Some(token) if token.special => Vec::new(),
            Some(token) => token.content.clone().into_bytes(),
            None => spelled(&inner.id_to_token(id).unwrap_or_default(), spelling),
        });
        Ok(Self {
            unknown,
            bytes: bytes.collect(),
            control: control.collect(),
            special: HashMap::new(),
            add_bos: None,
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
        let config: HashMap<String, Named> = files::parse("tokenizer_config.json", json)?;
        for (name, value) in config {
            match value {
                Named::Text(text) | Named::Token { content: text } if name.ends_with("_token") => {
                    self.special.insert(name, text);
                }
                Named::Other(serde_json::Value::Bool(yes)) if name == "add_bos_token" => {
                    self.add_bos = Some(yes);
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

    /// All special tokens, by their names there.
    pub(crate) fn specials(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.special.iter();
        pairs.map(|(name, token)| (name.as_str(), token.as_str()))
    }

    /// The token that the tokenizer puts before a plain text, if it puts one.
    pub fn bos(&self) -> Option<u32> {
        let named = self.special("bos_token");
        let named = named.and_then(|bos| self.inner.token_to_id(bos));
        match self.add_bos {
            Some(false) => None,
            Some(true) => named.or_else(|| self.first()),
            None => self
                .first()
                .filter(|first| named.is_none_or(|named| named == *first)),
        }
    }

    /// The token that is put before a text, not after it.
    fn first(&self) -> Option<u32> {
        let ids = |special| {
            let encoding = self.inner.encode("1", special).ok();
            encoding.map(|encoding| encoding.get_ids().to_vec())
        };
        let (text, whole) = (ids(false)?, ids(true)?);
        let (first, rest) = whole.split_first()?;
        (whole.len() > text.len() && rest.starts_with(&text)).then_some(*first)
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

/// What this side reads of a `tokenizer.json`.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    decoder: serde_json::Value,
    #[serde(default)]
    normalizer: serde_json::Value,
    #[serde(default)]
    model: Model,
}

#[derive(Default, Deserialize)]
struct Model {
    #[serde(default)]
    unk_token: Option<String>,
}

/// What a decoder undoes.
fn spelling(decoder: &serde_json::Value) -> Spelling {
    let text = decoder.to_string();
    if text.contains("ByteLevel") {
        Spelling::ByteLevel
    } else if text.contains("Metaspace") || text.contains('▁') || text.contains("ByteFallback") {
        Spelling::Metaspace
    } else {
        Spelling::Plain
    }
}

/// A normalizer that may make a text this many times longer is no model's.
const GROWTH: usize = 256;

/// How many times longer a normalizer may make a text; too many are an error.
fn growth(normalizer: &serde_json::Value) -> Result<usize, Error> {
    let of = |name: &str| normalizer[name].as_str().map_or(0, str::len);
    let times = match normalizer["type"].as_str() {
        Some("Sequence") => {
            let parts = normalizer["normalizers"].as_array();
            parts
                .into_iter()
                .flatten()
                .try_fold(1usize, |times, part| {
                    Ok::<_, Error>(times.saturating_mul(growth(part)?))
                })?
        }
        Some("Replace") => {
            let pattern = normalizer["pattern"]["String"].as_str();
            match pattern.map_or(0, str::len) {
                // An expression may fit between any two characters, as an empty text does.
                0 => of("content") + 1,
                pattern => of("content").div_ceil(pattern).max(1),
            }
        }
        _ => 1,
    };
    match times > GROWTH {
        true => Err(Error::Tokenizer(format!(
            "its normalizer may make a text {times} times longer"
        ))),
        false => Ok(times),
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
