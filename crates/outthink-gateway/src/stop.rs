//! Texts at which a reply ends.

/// Cuts a text that comes in pieces before the first of some texts in it. What may be the beginning of one is held back until more
/// comes.
pub(crate) struct Cutter<'a> {
    stops: &'a [String],
    held: String,
}

impl<'a> Cutter<'a> {
    /// `stops` are not empty texts.
    pub(crate) fn new(stops: &'a [String]) -> Self {
        Self {
            stops,
            held: String::new(),
        }
    }

    /// What may be told of the text now, and does it end there?
    pub(crate) fn push(&mut self, more: &str) -> (String, bool) {
        self.held.push_str(more);
        // The one that is complete first, so that it is the same however the text comes.
        let found = self.stops.iter().filter_map(|stop| {
            let start = self.held.find(stop)?;
            Some((start + stop.len(), start))
        });
        if let Some((_, start)) = found.min() {
            self.held.truncate(start);
            return (std::mem::take(&mut self.held), true);
        }
        let kept = self.stops.iter().map(|stop| begun(&self.held, stop)).max();
        let rest = self.held.split_off(self.held.len() - kept.unwrap_or(0));
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// What was held back of a text that ended by itself.
    pub(crate) fn rest(self) -> String {
        self.held
    }
}

/// Bytes at the end of a text that may be the beginning of a stop.
fn begun(text: &str, stop: &str) -> usize {
    let ends = stop.char_indices().map(|(at, _)| at).rev();
    ends.into_iter()
        .find(|&at| text.ends_with(&stop[..at]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&str], stops: &[&str]) -> (String, bool) {
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let mut cutter = Cutter::new(&stops);
        let mut told = String::new();
        for piece in pieces {
            let (text, ended) = cutter.push(piece);
            told.push_str(&text);
            if ended {
                return (told, true);
            }
        }
        (told + &cutter.rest(), false)
    }

    #[test]
    fn a_text_ends_before_its_first_stop_however_it_comes() {
        let text = "one\n\ntwo # END three";
        for (stops, expected) in [
            (vec!["\n\n"], "one"),
            (vec!["# END", "two"], "one\n\n"),
            (vec!["o #", "two # E"], "one\n\ntw"),
            (vec!["one"], ""),
            (vec!["e\n\nt", "\n"], "one"),
        ] {
            for size in 1..=text.len() {
                let pieces: Vec<&str> = (0..text.len())
                    .step_by(size)
                    .map(|at| &text[at..text.len().min(at + size)])
                    .collect();
                assert_eq!(
                    cut(&pieces, &stops),
                    (expected.to_owned(), true),
                    "{stops:?}"
                );
            }
        }
        assert_eq!(
            cut(&["a\n", "b", "\n"], &["\n\n"]),
            ("a\nb\n".into(), false)
        );
        assert_eq!(cut(&["aab"], &[]), ("aab".into(), false));
        assert_eq!(cut(&["aa", "ab"], &["aab"]), ("a".into(), true));
        assert_eq!(cut(&["ö", "ü ß"], &["ü ß"]), ("ö".into(), true));
    }
}
