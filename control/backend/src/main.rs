//! `manifold-backend`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    backend::terminal::main()
}
