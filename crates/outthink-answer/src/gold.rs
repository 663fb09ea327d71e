//! The answer that a data set gives as right.

use crate::extract::{Boxes, boxes};
use crate::value::Answer;

/// The answer in a gold column as data sets write it: what follows `####` on the last line (GSM8K), the content of the last
/// box of a solution (MATH), or else the text itself. None if that reads as nothing.
///
/// ```
/// use outthink_answer::extract_gold;
///
/// assert_eq!(extract_gold("2 * 500 = <<2*500=1000>>1000\n#### 1,000").as_deref(), Some("1,000"));
/// assert_eq!(extract_gold(r"So $x = \boxed{\frac{1}{2}}$.").as_deref(), Some(r"\frac{1}{2}"));
/// assert_eq!(extract_gold(" (3, 4] ").as_deref(), Some("(3, 4]"));
/// ```
pub fn extract_gold(written: &str) -> Option<String> {
    let read = |text: &str| {
        let text = text.trim();
        (!Answer::parse(text).is_empty()).then(|| text.to_owned())
    };
    // A heading of the same mark has text under it.
    if let Some((_, last)) = written.rsplit_once("####")
        && !last.trim().contains('\n')
    {
        return read(last);
    }
    match boxes(written) {
        Boxes::Closed { text, .. } => read(&text),
        Boxes::Open | Boxes::None => read(written),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gold_is_found_in_a_rationale_or_a_solution_and_is_itself_otherwise() {
        for (written, gold) in [
            (
                "He sells 48/2 = <<48/2=24>>24 clips.\nTogether <<48+24=72>>72.\n#### 72\n",
                Some("72"),
            ),
            ("It costs 5.\r\n#### -1,234.50\r\n", Some("-1,234.50")),
            (
                "#### Step 1\nAdd.\n#### Step 2\nSo $\\boxed{7}$.",
                Some("7"),
            ),
            (
                "#### Steps\nAdd them up: 7",
                Some("#### Steps\nAdd them up: 7"),
            ),
            (
                r"First $\boxed{1}$ fails. Thus $\boxed{\text{(B)}}$.",
                Some(r"\text{(B)}"),
            ),
            (r"$x = \boxed{2}$ or $x = \boxed{3}$", Some("2, 3")),
            (r"\boxed{7}", Some("7")),
            ("They meet after 3 hours.", Some("They meet after 3 hours.")),
            ("7.0", Some("7.0")),
            ("1, 2", Some("1, 2")),
            ("#1", Some("#1")),
            (r"\boxed{}", None),
            ("####", None),
            (" ", None),
            ("...", None),
        ] {
            assert_eq!(extract_gold(written).as_deref(), gold, "{written}");
        }
    }
}
