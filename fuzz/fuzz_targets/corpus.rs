//! `corpus FROM TO`: the inputs of folder FROM, as raw bytes, into folder TO.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let mut folders = env::args_os().skip(1);
    let (Some(from), Some(to)) = (folders.next(), folders.next()) else {
        return Err(io::Error::other("usage: corpus FROM TO"));
    };
    fs::create_dir_all(&to)?;
    for (path, input) in fuzz_targets::seeds::read_folder(Path::new(&from))? {
        fs::write(Path::new(&to).join(path.file_stem().unwrap_or_default()), input)?;
    }
    Ok(())
}
