//! Where a policy's thoughts begin and end, and how long they may be.

use super::Thinking;

/// What opens a thought that the model itself begins.
pub(super) const OPEN: &str = "<think>";

/// A policy's thoughts: how they are marked in its text, and the control that they are under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thoughts {
    /// The control.
    pub thinking: Thinking,
    /// Does the prompt open the thought? Else the model does, by `<think>` at its beginning, or it does not think.
    pub opened: bool,
    /// Text that ends a thought.
    pub end: String,
    /// Text between two steps.
    pub separator: String,
    /// The policy's context in tokens, if it is known: nothing is written that does not fit.
    pub context: Option<usize>,
}

impl Thoughts {
    /// What ends a thought where a profile does not say otherwise.
    pub const END: &'static str = "</think>";

    /// Thoughts that are left alone. `opened`: does the prompt open them? So it does where a profile says what `end`s them.
    pub fn marked(opened: bool, end: Option<&str>, separator: &str) -> Self {
        Self {
            thinking: Thinking::ON,
            opened: opened || end.is_some(),
            end: end.unwrap_or(Self::END).to_owned(),
            separator: separator.to_owned(),
            context: None,
        }
    }

    /// Where a text stands.
    pub(super) fn place(&self, text: &str) -> Place {
        let text = match self.opened {
            true => text,
            false => {
                let begun = text.trim_start();
                match begun.strip_prefix(OPEN) {
                    Some(thought) => thought,
                    None if OPEN.starts_with(begun) => return Place::Undecided,
                    None => return Place::Answer,
                }
            }
        };
        match text.contains(self.end.as_str()) {
            true => Place::Answer,
            false => Place::Thought,
        }
    }

    /// What closes a thought. `begun`: has it been opened?
    pub(super) fn close(&self, begun: bool) -> String {
        let control = self.thinking.control();
        let open = if self.opened || begun {
            ""
        } else {
            "<think>\n"
        };
        let (words, end, lead_in) = (control.last_words(), &self.end, control.lead_in());
        format!("{open}{words}\n{end}\n\n{lead_in}")
    }

    /// Is a step whole?
    pub(super) fn is_whole(&self, step: &str) -> bool {
        let text = step.trim_start();
        !text.is_empty() && text.contains(self.separator.as_str())
    }
}

/// Where a solution stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In its thought.
    Thought,
    /// At its beginning, which may become the opening of a thought.
    Undecided,
    /// In its answer.
    Answer,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thoughts(opened: bool) -> Thoughts {
        Thoughts {
            thinking: Thinking::ON,
            opened,
            end: "</think>".into(),
            separator: "\n\n".into(),
            context: None,
        }
    }

    #[test]
    fn a_thought_is_found_whoever_opens_it() {
        let own = thoughts(false);
        assert_eq!(own.place(""), Place::Undecided);
        assert_eq!(own.place("\n<thi"), Place::Undecided);
        assert_eq!(own.place("<think>\nHm"), Place::Thought);
        assert_eq!(own.place("<think>\n\n</think>"), Place::Answer);
        assert_eq!(own.place("The sum"), Place::Answer, "no thought at all");
        let template = thoughts(true);
        assert_eq!(template.place(""), Place::Thought);
        assert_eq!(template.place("Hm.</thin"), Place::Thought);
        assert_eq!(template.place("Hm.</think>\n\nSo"), Place::Answer);
    }
}
