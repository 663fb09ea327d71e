//! Cutting a text into steps as the verifier did that scored it.

/// Marks of turns that stand in a text where a chat template was left on.
const MARKS: [&str; 6] = [
    "<|start_header_id|>assistant<|end_header_id|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|im_end|>",
    "<|im_start|>assistant",
    "<|begin_of_text|>",
];

/// A text in steps.
pub(super) struct Cut {
    pub(super) steps: Vec<String>,
    /// Which of the pieces that the verifier saw they are.
    pub(super) kept: Vec<usize>,
}

/// Cuts a text into as many pieces as it has rewards, where one of the ways that verifiers are asked gives so many; else at blank
/// lines. Pieces that hold no more than marks of a chat template are no steps, and their rewards none either.
pub(super) fn cut(text: &str, rewards: Option<usize>) -> Cut {
    let ways: [Vec<&str>; 5] = [
        filled(text.split("\n\n")),
        // RLHFlow's verifiers are asked about empty pieces, too.
        text.split("\n\n").collect(),
        filled(text.split("ки")),
        // Skywork's score each line.
        filled(text.split('\n')),
        vec![text],
    ];
    let fits = rewards.and_then(|count| ways.iter().find(|pieces| pieces.len() == count));
    let pieces = fits.unwrap_or(&ways[0]);
    let bare = |piece: &str| {
        let mut bare = piece.to_owned();
        for mark in MARKS {
            bare = bare.replace(mark, "");
        }
        bare.trim().to_owned()
    };
    let mut cut = Cut {
        steps: Vec::new(),
        kept: Vec::new(),
    };
    for (at, piece) in pieces.iter().enumerate() {
        let own = bare(piece);
        let marked = own.is_empty() && !piece.trim().is_empty();
        if !marked {
            cut.steps.push(own);
            cut.kept.push(at);
        }
    }
    // Empty pieces at the end are how a text ends, not steps of it; where nothing is said, that is the one step.
    if fits.is_none() {
        while cut.steps.len() > 1 && cut.steps.last().is_some_and(String::is_empty) {
            cut.steps.pop();
            cut.kept.pop();
        }
    }
    if cut.steps.is_empty() {
        cut.steps.push(String::new());
        cut.kept.push(0);
    }
    cut
}

fn filled<'t>(pieces: impl Iterator<Item = &'t str>) -> Vec<&'t str> {
    pieces.filter(|piece| !piece.trim().is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_as_its_verifier_cut_it() {
        let steps = |text: &str, rewards| cut(text, rewards).steps;
        assert_eq!(steps("a\n\nb\n\n", None), ["a", "b"]);
        assert_eq!(steps("a\n\nb\n\n", Some(2)), ["a", "b"]);
        assert_eq!(steps("a\n\nb\n\n", Some(3)), ["a", "b", ""]);
        assert_eq!(steps("a\nb\n\nc", Some(3)), ["a", "b", "c"]);
        assert_eq!(steps("a ки\nb ки\n", Some(2)), ["a", "b"]);
        assert_eq!(steps("", None), [""]);
        // Its number of rewards fits no way to cut it.
        assert_eq!(steps("a\n\nb", Some(7)), ["a", "b"]);
    }

    #[test]
    fn a_turn_mark_is_no_step() {
        let text = "<|start_header_id|>assistant<|end_header_id|>\n\nfirst\n\nsecond";
        let cut = cut(text, Some(3));
        assert_eq!(cut.steps, ["first", "second"]);
        assert_eq!(cut.kept, [1, 2]);
    }
}
