//! Inputs kept in files that people can read.
//!
//! `*.hex` is bytes in hexadecimal, `*.txt` is taken as it is; in both a `#` begins a comment that ends with
//! its line. Whatever else a folder holds is raw bytes, as the fuzzer leaves them.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// All inputs of a folder, by name.
///
/// # Errors
/// A file that cannot be read, or is no hexadecimal.
pub fn read_folder(folder: &Path) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths.into_iter().map(|path| read(&path).map(|bytes| (path, bytes))).collect()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = fs::read(path)?;
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("hex") => {
            let bad =
                || io::Error::new(io::ErrorKind::InvalidData, format!("{}: no hexadecimal", path.display()));
            from_hex(&String::from_utf8_lossy(&bytes)).ok_or_else(bad)
        }
        _ => Ok(bytes),
    }
}

/// Bytes of hexadecimal digits in pairs; `None` when there is anything else but spaces and comments.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let code = text.lines().flat_map(|line| line.split('#').next().unwrap_or_default().bytes());
    let digits = code.filter(|byte| !byte.is_ascii_whitespace());
    let digits = digits.map(|byte| char::from(byte).to_digit(16)).collect::<Option<Vec<_>>>()?;
    let pairs = digits.chunks(2).map(|pair| Some((pair[0] << 4 | pair.get(1)?) as u8));
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_has_pairs_spaces_and_comments() {
        assert_eq!(from_hex("01 fF # a comment 99\n\n2a"), Some(vec![1, 255, 42]));
        assert_eq!(from_hex("# nothing"), Some(Vec::new()));
        assert_eq!(from_hex("0"), None);
        assert_eq!(from_hex("zz"), None);
    }
}
