//! Telling: to a terminal in colour, to a file without.

use super::Failure;
use lab::{Frame, LabError};
use std::io::{IsTerminal, Write, stdout};
use std::process::ExitCode;
use types::Time;

const BOLD: &str = "1";
const DIM: &str = "2";
const GREEN: &str = "32";
const RED: &str = "31";

/// Who is where.
const MAP: &str = "
                                               ┌─ hall-a 10.1.0.1 ── bridge ─┬─ user 4  10.1.0.4
   source ── provider's link ── wan  Manifold ─┤                             └─ user 5  10.1.0.5, IGMPv1
   10.0.0.2                     10.0.0.1       └─ hall-b 10.2.0.1 ── bridge ─── user 3  10.2.0.3

   Times are seconds since the beginning, stamped by the kernel on the wire.";

/// Something that happened on a link.
#[derive(Debug)]
pub(super) struct Sight<'a> {
    at: Time,
    link: &'a str,
    what: String,
    meaning: &'a str,
}

impl<'a> Sight<'a> {
    /// A frame, and what it means.
    pub(super) fn of(frame: &Frame, link: &'a str, meaning: &'a str) -> Self {
        Self { at: frame.at, link, what: frame.to_string(), meaning }
    }

    /// Something else.
    pub(super) fn event(at: Time, link: &'a str, what: &str, meaning: &'a str) -> Self {
        Self { at, link, what: what.to_owned(), meaning }
    }
}

/// Writes the story to standard output.
#[derive(Debug)]
pub(super) struct Teller {
    colour: bool,
    began: Time,
    held: usize,
    unfinished: Option<String>,
}

impl Teller {
    pub(super) fn new() -> Self {
        let colour = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self { colour, began: lab::now(), held: 0, unfinished: None }
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn line(&self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(stdout().lock(), "{text}")?)
    }

    /// Who is where.
    pub(super) fn title(&self) -> Result<(), Failure> {
        self.line(&self.paint(BOLD, "\nManifold: one inlet, many outlets"))?;
        self.line(MAP)
    }

    /// A new step begins.
    pub(super) fn step(&mut self, number: u8, what: &str) -> Result<(), Failure> {
        self.unfinished = Some(format!("step {number}"));
        self.line(&format!("\n{}", self.paint(BOLD, &format!(" {number}  {what}"))))
    }

    /// The steps are over.
    pub(super) fn curtain(&mut self, what: &str) -> Result<(), Failure> {
        self.unfinished = Some("the end".to_owned());
        self.line(&format!("\n{}", self.paint(BOLD, &format!("    {what}"))))
    }

    /// What was seen, told in the order in which it happened.
    pub(super) fn saw(&self, mut sights: Vec<Sight<'_>>) -> Result<(), Failure> {
        sights.sort_by_key(|sight| sight.at);
        for Sight { at, link, what, meaning } in sights {
            let seconds = at.saturating_since(self.began).as_secs_f64();
            let when = self.paint(DIM, &format!("{seconds:8.3}"));
            self.line(&format!("  {when}  {link:<8}  {what:<49}  {}", self.paint(DIM, meaning)))?;
        }
        Ok(())
    }

    /// Something that had to be so: `Ok` with what there was to see, or why not.
    ///
    /// # Errors
    /// [`Failure::Expectation`] when it is not so.
    pub(super) fn expect(&mut self, what: &str, seen: Result<String, String>) -> Result<(), Failure> {
        match seen {
            Ok(detail) => {
                self.held += 1;
                let mark = self.paint(GREEN, "ok");
                let detail =
                    if detail.is_empty() { detail } else { self.paint(DIM, &format!("  ({detail})")) };
                self.line(&format!("        {mark}  {what}{detail}"))
            }
            Err(why) => Err(Failure::Expectation(format!("{what}: {why}"))),
        }
    }

    /// The last word when all was so.
    pub(super) fn the_end(&mut self) -> Result<(), Failure> {
        self.unfinished = None;
        let seconds = lab::now().saturating_since(self.began).as_secs_f64();
        let words = format!("The story is true: {} expectations held, in {seconds:.1} s.", self.held);
        self.line(&format!("\n{}\n", self.paint(GREEN, &words)))
    }

    /// The last word when something was not so.
    pub(super) fn failed(&self, why: &Failure) -> ExitCode {
        let place = self.unfinished.as_deref().unwrap_or("before the beginning");
        let words = match why {
            Failure::Expectation(what) => format!("FAILED  {place}: {what}"),
            Failure::Lab(LabError::Interrupted) => "interrupted; everything is removed".to_owned(),
            Failure::Lab(what) => format!("FAILED  {place}: {what}"),
            // Whoever closed the pipe wants no more.
            Failure::Output => return ExitCode::FAILURE,
        };
        // Standard error may be closed too; the exit status says it all the same.
        let _ = writeln!(std::io::stderr().lock(), "\n{}\n", self.paint(RED, &words));
        let interrupted = matches!(why, Failure::Lab(LabError::Interrupted));
        ExitCode::from(if interrupted { 130 } else { 1 })
    }
}

/// A count with thousands apart.
pub(super) fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_thousands() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(n), text);
        }
    }

    #[test]
    fn a_failed_expectation_is_an_error_with_what_was_seen() {
        let mut teller = Teller::new();
        let failed = teller.expect("hall-b: 0 frames", Err("3 frames".to_owned()));
        assert!(matches!(failed, Err(Failure::Expectation(text)) if text == "hall-b: 0 frames: 3 frames"));
        assert_eq!(teller.held, 0);
    }
}
