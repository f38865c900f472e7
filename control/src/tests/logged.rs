//! What is logged, for tests.

use std::sync::{Arc, Mutex};

/// Takes what is logged.
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What `work` logs on this thread, at every level.
pub(super) fn logged(work: impl FnOnce()) -> String {
    let log = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&log);
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || Lines(Arc::clone(&writer)))
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    String::from_utf8(log.lock().unwrap().clone()).unwrap()
}
