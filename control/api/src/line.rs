//! Lines out of a stream of bytes, with a bound.

use std::fmt;

/// Bytes of the longest request, its end included: some thousand rules of an access list.
pub const MAX_REQUEST_LINE: usize = 64 << 10;

/// Bytes of the longest reply, its end included: some 200,000 groups.
pub const MAX_REPLY_LINE: usize = 64 << 20;

/// A line above the bound. The stream is of no more use: where the next line begins is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineTooLong {
    /// The bound in bytes.
    pub limit: usize,
}

impl fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a line is longer than {} bytes", self.limit)
    }
}

impl std::error::Error for LineTooLong {}

/// Collects bytes as they come and gives whole lines. Holds at most one line above what was pushed last, and looks
/// at each byte once.
#[derive(Debug)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// Where the first line that was not given yet begins.
    start: usize,
    /// Up to here there is no line's end from `start` on.
    scanned: usize,
    limit: usize,
}

impl LineBuffer {
    /// For lines of at most `limit` bytes, their end included.
    pub const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, scanned: 0, limit }
    }

    /// Takes bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole line, without its end.
    ///
    /// # Errors
    /// The line is longer than the bound, whole or not.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, LineTooLong> {
        let found = self.bytes[self.scanned..].iter().position(|b| *b == b'\n');
        let end = found.map_or(self.bytes.len(), |i| self.scanned + i + 1);
        self.scanned = end;
        if end - self.start > self.limit {
            return Err(LineTooLong { limit: self.limit });
        }
        if found.is_none() {
            return Ok(None);
        }
        let line = self.start..end - 1;
        self.start = end;
        Ok(Some(&self.bytes[line]))
    }

    /// Whether the stream would end within a line if it ended now.
    pub fn is_mid_line(&self) -> bool {
        self.start < self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_come_out_whole_however_the_bytes_came() {
        let mut buffer = LineBuffer::new(8);
        buffer.push(b"ab");
        assert_eq!(buffer.next_line(), Ok(None));
        assert!(buffer.is_mid_line());
        buffer.push(b"c\n\nde");
        assert_eq!(buffer.next_line(), Ok(Some(&b"abc"[..])));
        assert_eq!(buffer.next_line(), Ok(Some(&b""[..])));
        assert_eq!(buffer.next_line(), Ok(None));
        buffer.push(b"\n");
        assert_eq!(buffer.next_line(), Ok(Some(&b"de"[..])));
        assert!(!buffer.is_mid_line());
    }

    #[test]
    fn a_line_above_the_bound_is_an_error_before_its_end_comes() {
        let mut buffer = LineBuffer::new(4);
        buffer.push(b"abc\nabcde");
        assert_eq!(buffer.next_line(), Ok(Some(&b"abc"[..])));
        assert_eq!(buffer.next_line(), Err(LineTooLong { limit: 4 }));
        let mut buffer = LineBuffer::new(4);
        buffer.push(b"abcd\n");
        assert_eq!(buffer.next_line(), Err(LineTooLong { limit: 4 }));
    }

    proptest! {
        #[test]
        fn lines_are_those_of_split(chunks in prop::collection::vec("[ab\n]{0,9}", 0..9)) {
            let mut buffer = LineBuffer::new(1000);
            let mut lines = Vec::new();
            for chunk in &chunks {
                buffer.push(chunk.as_bytes());
                while let Some(line) = buffer.next_line().unwrap() {
                    lines.push(String::from_utf8(line.to_vec()).unwrap());
                }
            }
            let whole = chunks.concat();
            let mut expected: Vec<_> = whole.split('\n').map(str::to_owned).collect();
            let rest = expected.pop().unwrap();
            prop_assert_eq!(lines, expected);
            prop_assert_eq!(buffer.is_mid_line(), !rest.is_empty());
        }
    }
}
