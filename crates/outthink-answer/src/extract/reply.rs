//! The part of a response that answers: what follows its thinking and precedes the next turn.

use super::says_something;

/// What opens and closes the thinking of model families.
const THINKING: [(&str, &str); 9] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
];

/// What ends a turn of a chat, or opens the next one.
const TURNS: [&str; 14] = [
    "<|im_end|>",
    "<|im_start|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eot|>",
    "<|end|>",
    "<|return|>",
    "<|start_header_id|>user",
    "<end_of_turn>",
    "<｜end▁of▁sentence｜>",
    "<|END_OF_TURN_TOKEN|>",
    "<|end_of_solution|>",
    "</s>",
];

/// A thought that never ends hides what follows; one that nothing follows is all there is.
pub(super) fn reply(response: &str) -> &str {
    let response = final_channel(response);
    let response = first_turn(response);
    let after = THINKING
        .iter()
        .filter_map(|(_, close)| Some(response.rfind(close)? + close.len()))
        .max()
        .unwrap_or(0);
    let (thought, said) = response.split_at(after);
    let said = THINKING
        .iter()
        .filter_map(|(open, _)| said.find(open))
        .min()
        .map_or(said, |open| &said[..open]);
    if !said.trim().is_empty() || after == 0 {
        return first_question(said);
    }
    // Nothing but a box or a tag is an answer there: the last number of a thought may be any.
    thought
        .rfind("\\boxed")
        .max(thought.to_ascii_lowercase().rfind("<answer>"))
        .map_or(said, |start| &thought[start..])
}

/// The last message of the final channel (Harmony), also where the special tokens are left out.
fn final_channel(response: &str) -> &str {
    const FINAL: &str = "<|channel|>final<|message|>";
    if let Some((_, last)) = response.rsplit_once(FINAL) {
        return last;
    }
    if response.starts_with("analysis")
        && let Some((_, last)) = response.rsplit_once("assistantfinal")
    {
        return last;
    }
    response
}

/// What comes before a token that ends a turn of a chat.
fn first_turn(response: &str) -> &str {
    let from = response.len() - response.trim_start().len();
    let end = TURNS
        .iter()
        .filter_map(|end| response.find(end).filter(|at| *at > from))
        .min();
    end.map_or(response, |end| &response[..end])
}

/// A base model goes on with a question of its own after it has answered.
fn first_question(reply: &str) -> &str {
    const QUESTIONS: [&str; 5] = ["\nQuestion:", "\nQ:", "\nProblem:", "\nUser:", "\nHuman:"];
    let cut = QUESTIONS.iter().filter_map(|mark| reply.find(mark)).min();
    let Some((answered, _)) = cut.map(|cut| reply.split_at(cut)) else {
        return reply;
    };
    let lower = answered.to_ascii_lowercase();
    let marks = ["####", "\\boxed{", "answer is", "answer:", "</answer>"];
    if marks.iter().any(|mark| lower.contains(mark)) {
        answered
    } else {
        reply
    }
}

/// What stands in the last pair of answer tags that says something, and the place where it ends. The last may be open: the
/// closing tag is what many stop at.
pub(super) fn last_tag(reply: &str) -> Option<(usize, &str)> {
    const TAGS: [(&str, &str); 2] = [
        ("<answer>", "</answer>"),
        ("<final_answer>", "</final_answer>"),
    ];
    let lower = reply.to_ascii_lowercase();
    let mut last: Option<(usize, &str)> = None;
    for (open, close) in TAGS {
        let mut end = lower.len();
        while let Some(start) = lower[..end].rfind(open) {
            let body = start + open.len();
            let close = lower[body..].find(close).map(|length| body + length);
            let content = reply[body..close.unwrap_or(end)].trim();
            // What follows a tag that is only spoken of is a sentence.
            let answer = match close {
                Some(_) => says_something(content),
                None => content.lines().count() == 1 && says_something(content),
            };
            if answer {
                let stop = close.unwrap_or(end);
                if last.is_none_or(|(before, _)| stop > before) {
                    last = Some((stop, content));
                }
                break;
            }
            end = start;
        }
    }
    last
}
