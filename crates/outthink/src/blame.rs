//! Whose fault it is that a model did not answer.

use std::error::Error;
use std::sync::Arc;

use outthink_gateway::Fault;

/// What a message repeats of a text.
const SHORT: usize = 40;

/// What is wrong with the request or with this program, if it is one of them. Each cause of an error is asked about.
pub(crate) fn blame(cause: &(dyn Error + 'static)) -> Option<Fault> {
    if let Some(shared) = cause.downcast_ref::<Arc<outthink_engine::Error>>() {
        return blame(&**shared);
    }
    if let Some(error) = cause.downcast_ref::<outthink_engine::Error>() {
        return match error {
            outthink_engine::Error::TooLong { tokens, limit } => Some(too_long(*tokens, *limit)),
            outthink_engine::Error::Prompt(error) => unreadable(error),
            outthink_engine::Error::EmptyPrompt => {
                Some(Fault::unreadable("there is nothing to answer"))
            }
            outthink_engine::Error::Panicked(_) => Some(Fault::internal()),
            _ => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<outthink_remote::Error>() {
        use outthink_remote::Error as Remote;
        return match error {
            Remote::ContextOverflow { tokens, limit, .. } => Some(too_long(*tokens, *limit)),
            Remote::Refused {
                status: 400 | 413 | 422,
                ..
            } => Some(Fault::unreadable(
                "the model's server refuses the request; the text, its length or a parameter does not suit it",
            )),
            Remote::Prompt(error) => unreadable(error),
            _ => None,
        };
    }
    cause.downcast_ref().and_then(unreadable)
}

fn too_long(tokens: usize, limit: usize) -> Fault {
    Fault::too_long(format!(
        "the request takes {tokens} tokens or more, and the model's context has {limit}"
    ))
}

fn unreadable(error: &outthink_prompt::Error) -> Option<Fault> {
    use outthink_prompt::Error as Prompt;
    Some(Fault::unreadable(match error {
        Prompt::OutsideAlphabet { text, position, .. } => format!(
            "{:?} is outside the model's alphabet (character {position})",
            text.chars().take(SHORT).collect::<String>()
        ),
        Prompt::ControlToken(token) => {
            format!("the text holds {token}, which is a control token of the model")
        }
        Prompt::Template { message, .. } => {
            format!("the model's chat template does not take this conversation: {message}")
        }
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_engine_is_nobody_elses_fault() {
        let panic = Arc::new(outthink_engine::Error::Panicked(
            "index out of bounds".into(),
        ));
        assert_eq!(blame(&panic), Some(Fault::internal()));
        assert_eq!(blame(&Arc::new(outthink_engine::Error::NotANumber)), None);
    }
}
