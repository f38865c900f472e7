//! Prometheus' text format. Pure.

use std::fmt::{Display, Write};

/// What a family counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How often something took at most so long.
    Histogram,
}

/// The text as it grows.
#[derive(Debug, Default)]
pub(crate) struct Text(String);

impl Text {
    /// Begins a family; its samples follow.
    pub(crate) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a string cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {word}\n");
        Family { text: &mut self.0, name }
    }

    /// All of it.
    pub(crate) fn finish(self) -> String {
        self.0
    }
}

/// One family while it is written.
#[derive(Debug)]
pub(crate) struct Family<'t> {
    text: &'t mut String,
    name: &'static str,
}

impl Family<'_> {
    /// One sample: labels and the value.
    pub(crate) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.suffixed("", labels, value);
    }

    /// One sample of a histogram: `_bucket`, `_sum` or `_count`.
    pub(crate) fn suffixed(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        for (i, (name, value)) in labels.iter().enumerate() {
            self.text.push(if i == 0 { '{' } else { ',' });
            self.text.push_str(name);
            self.text.push_str("=\"");
            for c in value.chars() {
                match c {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    c => self.text.push(c),
                }
            }
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_help_type_and_samples() {
        let mut text = Text::default();
        let mut family = text.family("a_total", Kind::Counter, "What it is.");
        family.sample(&[], 7_u64);
        family.sample(&[("port", "hall \"a\"\n\\"), ("reason", "ttl")], 0.5);
        let told = "# HELP a_total What it is.\n# TYPE a_total counter\na_total 7\n\
                    a_total{port=\"hall \\\"a\\\"\\n\\\\\",reason=\"ttl\"} 0.5\n";
        assert_eq!(text.finish(), told);
    }
}
