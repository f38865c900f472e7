//! `make demo`: plays the story of one stream and two subnets with real frames; see [`tests::story`].

use std::process::ExitCode;

fn main() -> ExitCode {
    lab::helper::run_if_asked().unwrap_or_else(tests::story::run)
}
