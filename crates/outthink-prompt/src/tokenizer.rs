//! A checkpoint's tokenizer, strict about what it cannot say.

use crate::Error;

/// A `tokenizer.json` with a byte-level alphabet.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    unknown: Option<u32>,
    /// The bytes of every token; none for special tokens, which are no text.
    bytes: Vec<Vec<u8>>,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    pub fn from_bytes(json: &[u8]) -> Result<Self, Error> {
        let inner = tokenizers::Tokenizer::from_bytes(json)
            .map_err(|error| Error::Tokenizer(error.to_string()))?;
        let unknown = ["<unk>", "[UNK]"]
            .iter()
            .find_map(|token| inner.token_to_id(token));
        let size = inner.get_vocab_size(true);
        let bytes =
            (0..size as u32).map(|id| inner.decode(&[id], true).unwrap_or_default().into_bytes());
        Ok(Self {
            unknown,
            bytes: bytes.collect(),
            inner,
        })
    }

    /// Token ids of a text, without any token that the text does not hold. What has no token becomes the unknown one:
    /// right for what a model wrote, which may be anything.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        let encoding = self
            .inner
            .encode(text, false)
            .map_err(|error| Error::Tokenizer(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Is every part of a text a token, and none a control token? Asked of what a person wrote.
    pub fn check(&self, text: &str) -> Result<(), Error> {
        let encoding = self
            .inner
            .encode(text, false)
            .map_err(|error| Error::Tokenizer(error.to_string()))?;
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
        let control = |id: &&u32| {
            let added = self.inner.get_added_tokens_decoder();
            added.get(id).is_some_and(|token| token.special)
        };
        match encoding.get_ids().iter().find(control) {
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
