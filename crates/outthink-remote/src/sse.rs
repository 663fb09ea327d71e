//! Server-sent events, as far as model servers use them: `data:` lines.

/// Splits a byte stream into the data of its events, wherever the stream was cut on its way.
#[derive(Debug, Default)]
pub(crate) struct Events {
    buffer: Vec<u8>,
    /// Bytes of the buffer that were handed out.
    read: usize,
    /// Bytes of the buffer that hold no line break after `read`.
    searched: usize,
    /// Data lines of an event that is not complete yet.
    open: Vec<u8>,
}

/// Longest event, in bytes.
const LONGEST: usize = 16 << 20;

impl Events {
    /// Takes bytes. False if an event is too long.
    #[must_use]
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        self.buffer.drain(..self.read);
        self.searched -= self.read;
        self.read = 0;
        self.buffer.extend_from_slice(bytes);
        self.buffer.len().max(self.open.len()) <= LONGEST
    }

    /// Ends the stream: the last line counts without a line break.
    pub(crate) fn end(&mut self) {
        self.buffer.extend_from_slice(b"\n\n");
    }

    /// The data of the next event. Most servers write one line an event, and some without the empty line after it; data
    /// in several lines is one event up to the empty line.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let rest = &self.buffer[self.searched..];
            let Some(length) = rest.iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.len();
                return None;
            };
            let end = self.searched + length;
            let line = self.buffer[self.read..end].trim_ascii_end();
            let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
            let data = line.strip_prefix(b"data:").map(<[u8]>::trim_ascii);
            self.read = end + 1;
            self.searched = self.read;
            match data {
                Some(data) if self.open.is_empty() && is_whole(data) => return Some(data.to_vec()),
                Some(data) => {
                    if !self.open.is_empty() {
                        self.open.push(b'\n');
                    }
                    self.open.extend_from_slice(data);
                }
                None if line.is_empty() && !self.open.is_empty() => {
                    return Some(std::mem::take(&mut self.open));
                }
                // A comment, or another field.
                None => {}
            }
        }
    }
}

/// Is this line an event of its own?
fn is_whole(data: &[u8]) -> bool {
    data == b"[DONE]" || (data.starts_with(b"{") && data.ends_with(b"}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<String> {
        let mut events = Events::default();
        let mut got = Vec::new();
        for piece in pieces {
            assert!(events.push(piece));
            got.extend(std::iter::from_fn(|| events.next()));
        }
        events.end();
        got.extend(std::iter::from_fn(|| events.next()));
        got.into_iter()
            .map(|event| String::from_utf8(event).unwrap())
            .collect()
    }

    #[test]
    fn events_are_read_as_servers_write_them() {
        for (text, expected) in [
            (
                "\u{feff}data: {\"a\":1}\n\ndata:[DONE]\n\n",
                vec!["{\"a\":1}", "[DONE]"],
            ),
            (
                "data:{\"a\":1}\r\n\r\n: keep-alive\r\n\r\nevent: x\r\nid: 3\r\ndata: {}\r\n\r\n",
                vec!["{\"a\":1}", "{}"],
            ),
            (
                "data: {\"a\":1}\ndata: {\"a\":2}\ndata: [DONE]",
                vec!["{\"a\":1}", "{\"a\":2}", "[DONE]"],
            ),
            (
                "data: {\ndata: \"a\": 1\ndata: }\n\ndata: {}\n\n",
                vec!["{\n\"a\": 1\n}", "{}"],
            ),
            ("data:\n\ndata: {}\n\nretry: 3\n\n", vec!["{}"]),
            ("data: {\"cut", vec!["{\"cut"]),
            (": only comments\n\n", vec![]),
        ] {
            assert_eq!(events(&[text.as_bytes()]), expected, "{text:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_not_kept_for_ever() {
        let mut events = Events::default();
        let part = vec![b'x'; LONGEST / 4];
        let taken = (0..8).take_while(|_| events.push(&part)).count();
        assert_eq!(taken, 4);
        let mut events = Events::default();
        let line = [b"data: {".to_vec(), part, b"\n".to_vec()].concat();
        let taken = (0..8).take_while(|_| {
            let fits = events.push(&line);
            assert_eq!(events.next(), None);
            fits
        });
        assert!(taken.count() < 8);
    }

    proptest! {
        #[test]
        fn events_are_the_same_however_the_stream_is_cut(
            data in prop::collection::vec("\\{[a-z{}\"é ]{0,12}\\}", 0..8),
            cuts in prop::collection::vec(0usize..200, 0..8),
        ) {
            let text: String = data.iter().map(|data| format!(": note\r\ndata: {data}\r\n\r\n")).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(events(&pieces), data);
        }
    }
}
