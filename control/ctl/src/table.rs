//! Tables with aligned columns, coloured or not.

/// What a cell wants to say beside its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Attention,
    Bad,
}

impl Tone {
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Attention => Some("33"),
            Self::Bad => Some("31"),
        }
    }
}

/// The text without its control characters, which a terminal would obey: it came over a socket.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The text in the tone's colour, if colours are wanted.
pub(crate) fn toned(text: &str, tone: Tone, color: bool) -> String {
    painted(text, tone.code().filter(|_| color))
}

fn painted(text: &str, code: Option<&str>) -> String {
    match code {
        Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
        None => text.to_owned(),
    }
}

/// One cell.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(crate) fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: printable(text.as_ref()), tone }
    }

    /// The text, or a dash for nothing.
    pub(crate) fn optional(text: Option<impl AsRef<str>>) -> Self {
        text.map_or_else(|| "-".into(), |text| text.as_ref().into())
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// Where a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Heads and rows; every row has as many cells as there are heads.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    heads: [(&'static str, Align); N],
    rows: Vec<[Cell; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) const fn new(heads: [(&'static str, Align); N]) -> Self {
        Self { heads, rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: [Cell; N]) {
        self.rows.push(row);
    }

    /// The table as text: columns two spaces apart, no blanks at the end of a line.
    pub(crate) fn render(&self, color: bool) -> String {
        let mut widths = self.heads.map(|(head, _)| head.len());
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.chars().count());
            }
        }
        let mut out = String::new();
        let heads: Vec<_> = self.heads.iter().map(|(head, _)| (*head, Some("1"))).collect();
        self.line(&mut out, &heads, &widths, color);
        for row in &self.rows {
            let cells: Vec<_> = row.iter().map(|cell| (cell.text.as_str(), cell.tone.code())).collect();
            self.line(&mut out, &cells, &widths, color);
        }
        out
    }

    fn line(&self, out: &mut String, cells: &[(&str, Option<&str>)], widths: &[usize; N], color: bool) {
        // Blanks wait until something follows them.
        let mut blanks = 0;
        for (i, (text, code)) in cells.iter().enumerate() {
            let fill = widths[i] - text.chars().count();
            let (before, after) = if self.heads[i].1 == Align::Right { (fill, 0) } else { (0, fill) };
            if !text.is_empty() {
                out.extend(std::iter::repeat_n(' ', blanks + before));
                blanks = 0;
                out.push_str(&painted(text, code.filter(|_| color)));
                blanks += after + 2;
            } else {
                blanks += fill + 2;
            }
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_without_blanks() {
        let mut table = Table::new([("NAME", Align::Left), ("N", Align::Right), ("NOTE", Align::Left)]);
        table.push(["a".into(), "1".into(), "x".into()]);
        table.push(["longer".into(), "1,000".into(), "".into()]);
        table.push(["".into(), "7".into(), Cell::optional(None::<&str>)]);
        let expected = "NAME        N  NOTE\na           1  x\nlonger  1,000\n            7  -\n";
        assert_eq!(table.render(false), expected);
    }

    #[test]
    fn colour_does_not_move_columns() {
        let mut table = Table::new([("LINK", Align::Left), ("N", Align::Right)]);
        table.push([Cell::toned("up", Tone::Good), "1".into()]);
        assert_eq!(table.render(true), "\x1b[1mLINK\x1b[0m  \x1b[1mN\x1b[0m\n\x1b[32mup\x1b[0m    1\n");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut table = Table::new([("NAME", Align::Left)]);
        table.push(["a\x1b[2Jb\n".into()]);
        assert_eq!(table.render(false), "NAME\na\u{fffd}[2Jb\u{fffd}\n");
    }
}
