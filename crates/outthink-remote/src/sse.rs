//! Server-sent events, as far as model servers use them: `data:` lines.

/// Cuts a byte stream into the data of its events, however the stream was cut on its way.
#[derive(Debug, Default)]
pub(crate) struct Events {
    buffer: Vec<u8>,
    /// How far the buffer has been handed out.
    read: usize,
}

impl Events {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.read);
        self.read = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The data of the next whole line that has any; each line is an event.
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        loop {
            let rest = &self.buffer[self.read..];
            let length = rest.iter().position(|byte| *byte == b'\n')?;
            let start = self.read;
            self.read += length + 1;
            if self.buffer[start..start + length].starts_with(b"data:") {
                return Some(self.buffer[start + 5..start + length].trim_ascii());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn events_are_the_same_however_the_stream_is_cut(
            data in prop::collection::vec("[a-z{}\"é ]{0,12}", 0..8),
            cuts in prop::collection::vec(0usize..200, 0..8),
        ) {
            let text: String = data.iter().map(|data| format!(": note\r\ndata: {data}\r\n\r\n")).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut events = Events::default();
            let mut got = Vec::new();
            for pair in cuts.windows(2) {
                events.push(&text.as_bytes()[pair[0]..pair[1]]);
                while let Some(event) = events.next() {
                    got.push(String::from_utf8_lossy(event).into_owned());
                }
            }
            let expected: Vec<&str> = data.iter().map(|data| data.trim_matches(' ')).collect();
            prop_assert_eq!(got, expected);
        }
    }
}
