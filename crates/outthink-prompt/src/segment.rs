//! Cutting drawn tokens into steps as they come.

use crate::{PolicyProfile, Tokenizer};

/// A step being drawn, or drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    /// Its text; separators included while it is being drawn.
    pub text: String,
    /// Its tokens, separators included.
    pub tokens: Vec<u32>,
    /// Sum of their log-probabilities.
    pub logprob: f64,
    /// Their log-probabilities, as far as they are known.
    pub logprobs: Vec<f32>,
    /// Entropies of the distributions that they were drawn from, as far as they are known.
    pub entropies: Vec<f32>,
}

/// How likely a token was, in nats, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Likelihood {
    /// Log-probability of the token.
    pub logprob: Option<f64>,
    /// Entropy of the distribution that it was drawn from.
    pub entropy: Option<f64>,
}

/// What a token ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing.
    Nothing,
    /// A step; more may follow.
    Step,
    /// The answer.
    Answer,
}

/// Follows one draw token by token.
#[derive(Clone, Debug)]
pub struct Segmenter {
    separator: String,
    box_ends: bool,
    /// And in a draw of the whole answer?
    box_ends_whole: bool,
    /// What ends the thinking, while it lasts.
    think_end: Option<String>,
    end_tokens: Vec<u32>,
    segments: Vec<Segment>,
    /// Bytes at the end of the text that are no whole character yet.
    partial: Vec<u8>,
    /// Is the last segment still open?
    open: bool,
    /// Bytes of the first segment that are not this draw's.
    before: usize,
}

impl Segmenter {
    /// For one draw of a policy whose answers also end at any of `end_tokens`.
    pub fn new(profile: &PolicyProfile, end_tokens: Vec<u32>) -> Self {
        Self {
            separator: profile.step_separator.clone(),
            box_ends: profile.answer_ends_with_box,
            box_ends_whole: profile.answer_ends_with_box && !profile.box_ends_steps_only,
            think_end: profile.think_end.clone(),
            end_tokens,
            segments: Vec::new(),
            partial: Vec::new(),
            open: false,
            before: 0,
        }
    }

    /// The same, for text in which a box ends nothing.
    pub fn without_box(mut self) -> Self {
        self.box_ends = false;
        self.box_ends_whole = false;
        self
    }

    /// The same, for a draw of a whole answer, which the model itself ends unless its profile says that a box does.
    pub fn whole(mut self) -> Self {
        self.box_ends = self.box_ends_whole;
        self
    }

    /// The same, for a draw that goes on after some steps: the thinking may have ended in one of them.
    pub fn after<'s>(mut self, steps: impl IntoIterator<Item = &'s str>) -> Self {
        for step in steps {
            self.answers(step);
        }
        self
    }

    /// The same, for a draw that is taken up again where it was cut: after some steps, of which the last is the draw's own, if it is
    /// not whole. `bytes` are those of its tokens, whose last may be the beginning of a character.
    pub fn within(self, steps: &[&str], bytes: &[u8]) -> Self {
        let Some((last, whole)) = steps.split_last() else {
            return self;
        };
        let text = last.trim_start();
        if !text.is_empty() && holds(text.as_bytes(), self.separator.as_bytes()) {
            return self.after(steps.iter().copied());
        }
        let mut own = self.after(whole.iter().copied());
        own.partial = bytes[whole_characters(bytes)..].to_vec();
        own.before = last.len();
        own.open = true;
        own.segments.push(Segment {
            text: (*last).to_owned(),
            ..Segment::default()
        });
        own
    }

    /// Does a step close a box where the model is not thinking, and is it not thinking after it?
    fn answers(&mut self, step: &str) -> bool {
        const OPEN: &str = "<think>";
        const CLOSE: &str = "</think>";
        let (mut rest, mut boxed) = (step, false);
        loop {
            if let Some(end) = &self.think_end {
                let Some((_, after)) = rest.split_once(end.as_str()) else {
                    return false;
                };
                rest = after;
                self.think_end = None;
            }
            let Some((said, thought)) = rest.split_once(OPEN) else {
                return boxed || closes_a_box(rest);
            };
            boxed |= closes_a_box(said);
            rest = thought;
            self.think_end = Some(CLOSE.to_owned());
        }
    }

    /// Takes the next token. A step ends with the token that completes the separator after some text: separators before
    /// any text belong to the step that follows, so no step is blank.
    pub fn push(&mut self, tokenizer: &Tokenizer, token: u32, likelihood: Likelihood) -> End {
        self.push_bytes(Some(token), tokenizer.bytes(token), likelihood)
    }

    /// Takes the next token as a server tells it: its bytes, and its id if that is known.
    pub fn push_bytes(&mut self, token: Option<u32>, bytes: &[u8], likelihood: Likelihood) -> End {
        if !self.open {
            self.segments.push(Segment::default());
            self.open = true;
        }
        let Some(segment) = self.segments.last_mut() else {
            return End::Nothing;
        };
        segment.tokens.extend(token);
        let Likelihood { logprob, entropy } = likelihood;
        segment.logprob += logprob.unwrap_or_default();
        segment.logprobs.extend(logprob.map(|value| value as f32));
        segment.entropies.extend(entropy.map(|value| value as f32));
        if token.is_some_and(|token| self.end_tokens.contains(&token)) {
            self.open = false;
            return End::Answer;
        }
        let before = segment.text.len();
        match std::str::from_utf8(bytes) {
            Ok(characters) if self.partial.is_empty() => segment.text.push_str(characters),
            _ => {
                self.partial.extend_from_slice(bytes);
                let whole = whole_characters(&self.partial);
                let characters = String::from_utf8_lossy(&self.partial[..whole]);
                segment.text.push_str(&characters);
                self.partial.drain(..whole);
            }
        }
        let text = segment.text.trim_start();
        // What is new can only complete a separator that begins this far back: the text before was looked through.
        let blank = segment.text.len() - text.len();
        let known = (before + 1).saturating_sub(self.separator.len().max(1));
        let new = &text.as_bytes()[known.saturating_sub(blank).min(text.len())..];
        if text.is_empty() || !holds(new, self.separator.as_bytes()) {
            return End::Nothing;
        }
        self.open = false;
        let text = text.to_owned();
        match self.answers(&text) && self.box_ends {
            true => End::Answer,
            false => End::Step,
        }
    }

    /// The steps so far; the last may be cut off.
    pub fn into_segments(mut self) -> Vec<Segment> {
        if let Some(first) = self.segments.first_mut().filter(|_| self.before > 0) {
            first.text.drain(..self.before);
        }
        // Nothing may have been drawn.
        let drawn = |segment: &Segment| !segment.text.is_empty() || !segment.tokens.is_empty();
        self.segments.retain(drawn);
        self.segments
    }
}

fn holds(text: &[u8], separator: &[u8]) -> bool {
    separator.is_empty()
        || text
            .windows(separator.len())
            .any(|window| window == separator)
}

/// How many bytes are characters, or can never become one; what may still become one is left.
fn whole_characters(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match std::str::from_utf8(&bytes[at..]) {
            Ok(_) => return bytes.len(),
            Err(error) => match error.error_len() {
                Some(length) => at += error.valid_up_to() + length,
                None => return at + error.valid_up_to(),
            },
        }
    }
}

/// Does the text hold a `\boxed{}` whose braces balance?
fn closes_a_box(text: &str) -> bool {
    const OPENING: &str = "\\boxed{";
    text.match_indices(OPENING).any(|(at, _)| {
        let mut depth = 1;
        text[at + OPENING.len()..].chars().any(|c| {
            depth += match c {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            depth == 0
        })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Profile;

    const PIECES: [&str; 9] = [
        "\n", "\n\n", "a", " ", "\n \n", "ab\n\ncd", "é", "\n\n\n", "x\n",
    ];

    proptest! {
        #[test]
        fn steps_end_where_a_look_at_all_of_the_text_ends_them(
            pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..30)
        ) {
            let profile = Profile::named("chat").unwrap().policy.unwrap();
            let separator = profile.step_separator.clone();
            let mut segmenter = Segmenter::new(&profile, Vec::new());
            let mut expected: Vec<String> = Vec::new();
            let mut open = false;
            for piece in pieces {
                // Byte by byte, as a tokenizer may cut letters too.
                for byte in piece.as_bytes() {
                    segmenter.push_bytes(None, &[*byte], Likelihood::default());
                }
                for character in piece.chars() {
                    if !open {
                        expected.push(String::new());
                    }
                    let text = expected.last_mut().unwrap();
                    text.push(character);
                    let text = text.trim_start();
                    open = text.is_empty() || !text.contains(&separator);
                }
            }
            let segments = segmenter.into_segments();
            let texts: Vec<String> = segments.into_iter().map(|segment| segment.text).collect();
            prop_assert_eq!(texts, expected);
        }
    }

    #[test]
    fn bytes_that_are_no_character_do_not_hold_up_the_text() {
        assert_eq!(whole_characters("aé".as_bytes()), 3);
        assert_eq!(
            whole_characters(b"a\xc3"),
            1,
            "the rest of a letter may follow"
        );
        assert_eq!(
            whole_characters(b"\x80a\xe4\xbd"),
            2,
            "a stray byte never becomes one"
        );
        assert_eq!(whole_characters(b"\xff\xff"), 2);
    }
}
