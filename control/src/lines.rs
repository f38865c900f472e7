//! Lines of the log on their way out, written by a thread of their own.
//!
//! Whoever logs never waits: a line that finds the queue full is lost, and counted. To wake the writer costs a system
//! call, and on a busy core it takes turns with whoever woke it; a thread with something more urgent to do puts that off
//! ([`put_off`]) until it says so ([`write_now`]).

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::Thread;
use std::time::Duration;

use crossbeam::queue::ArrayQueue;

/// Bytes that are written at once, if so many wait.
const PIECE: usize = 64 * 1024;
/// How long the last lines may take to be written.
const PATIENCE: Duration = Duration::from_secs(1);

struct Queue {
    lines: ArrayQueue<Box<[u8]>>,
    /// Lines that found it full and were not told of yet.
    lost: AtomicU64,
    ended: AtomicBool,
}

/// The end that lines are put into. Each write is a line.
#[derive(Clone)]
pub(crate) struct Lines {
    queue: Arc<Queue>,
    writer: Thread,
}

/// The writer's life: dropped, what waits is written, if that takes no longer than a second.
pub(crate) struct Writer {
    lines: Lines,
    /// Closed when it has ended.
    end: Receiver<()>,
}

/// When the writer learns of a line.
enum Wake {
    AtOnce,
    /// When the thread says so. Holds the writer, if it is to learn of some.
    Later(Option<Thread>),
}

thread_local! {
    static WAKE: RefCell<Wake> = const { RefCell::new(Wake::AtOnce) };
}

/// From now on the writer learns of this thread's lines when it calls [`write_now`].
pub(crate) fn put_off() {
    WAKE.set(Wake::Later(None));
}

/// The writer writes what this thread has put off.
pub(crate) fn write_now() {
    WAKE.with_borrow_mut(|wake| {
        if let Wake::Later(writer) = wake
            && let Some(writer) = writer.take()
        {
            writer.unpark();
        }
    });
}

/// Whether this thread has put off something.
pub(crate) fn has_put_off() -> bool {
    WAKE.with_borrow(|wake| matches!(wake, Wake::Later(Some(_))))
}

/// Starts writing to `out`; at most `capacity` lines wait.
///
/// # Errors
/// The system has no thread for it.
pub(crate) fn write_lines(capacity: usize, out: impl Write + Send + 'static) -> io::Result<(Lines, Writer)> {
    let (lines, lost, ended) = (ArrayQueue::new(capacity), AtomicU64::new(0), AtomicBool::new(false));
    let queue = Arc::new(Queue { lines, lost, ended });
    let (ending, end) = channel();
    let thread = {
        let queue = Arc::clone(&queue);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            queue.write_to(out);
            drop(ending);
        })?
    };
    let lines = Lines { queue, writer: thread.thread().clone() };
    Ok((lines.clone(), Writer { lines, end }))
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.lines.push(line.into()).is_err() {
            self.queue.lost.fetch_add(1, Ordering::Relaxed);
        }
        WAKE.with_borrow_mut(|wake| match wake {
            Wake::AtOnce => self.writer.unpark(),
            Wake::Later(Some(_)) => {}
            Wake::Later(writer @ None) => *writer = Some(self.writer.clone()),
        });
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Queue {
    /// The writer's thread.
    fn write_to(&self, mut out: impl Write) {
        let mut text = Vec::new();
        loop {
            // Asked first: what came before the end is written.
            let ended = self.ended.load(Ordering::Acquire);
            text.clear();
            while text.len() < PIECE
                && let Some(line) = self.lines.pop()
            {
                text.extend_from_slice(&line);
            }
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                text.extend_from_slice(
                    format!("{lost} lines of this log were lost: its reader was too slow\n").as_bytes(),
                );
            }
            if !text.is_empty() {
                // Without a reader there is nobody to tell.
                let _ = out.write_all(&text).and_then(|()| out.flush());
            } else if ended {
                return;
            } else {
                // An unpark since the last park ends this one at once: no line is slept over.
                std::thread::park();
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.lines.queue.ended.store(true, Ordering::Release);
        self.lines.writer.unpark();
        // Either it has ended, or nobody reads: then the lines are lost.
        let _ = self.end.recv_timeout(PATIENCE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Takes what is written.
    #[derive(Clone, Default)]
    struct Sheet(Arc<Mutex<Vec<u8>>>);

    impl Write for Sheet {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sheet {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn put(lines: &mut Lines, line: &str) {
        lines.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    #[test]
    fn lines_of_many_threads_are_whole_and_each_is_written_once() {
        let sheet = Sheet::default();
        let (lines, writer) = write_lines(10_000, sheet.clone()).unwrap();
        std::thread::scope(|scope| {
            for name in ["a", "b", "c"] {
                let mut lines = lines.clone();
                scope.spawn(move || (0..1000).for_each(|n| put(&mut lines, &format!("{name}{n}"))));
            }
        });
        drop(writer);
        let text = sheet.text();
        let mut written: Vec<_> = text.lines().collect();
        let of_a: Vec<_> = written.iter().filter(|line| line.starts_with('a')).collect();
        assert!(of_a.iter().enumerate().all(|(n, line)| ***line == format!("a{n}")), "in their order");
        written.sort_unstable();
        written.dedup();
        assert_eq!(written.len(), 3000);
    }

    #[test]
    fn what_a_thread_puts_off_is_written_when_it_says_so() {
        let sheet = Sheet::default();
        let (mut lines, writer) = write_lines(10, sheet.clone()).unwrap();
        let thread = std::thread::spawn(move || {
            put_off();
            assert!(!has_put_off());
            for n in 0..1000 {
                put(&mut lines, &n.to_string());
                assert!(has_put_off());
                write_now();
                assert!(!has_put_off());
                // A writer that is not woken would have this wait for good.
                while sheet.text().lines().count() <= n {
                    std::thread::yield_now();
                }
            }
        });
        thread.join().unwrap();
        drop(writer);
    }

    #[test]
    fn f43_whoever_logs_into_a_blocked_journal_goes_on_and_the_journal_tells_what_it_lost() {
        // Nobody reads: the pipe fills, then the queue.
        let (mut journal, out) = io::pipe().unwrap();
        let (mut lines, writer) = write_lines(1_000, out).unwrap();
        let put_in = 10_000;
        for _ in 0..put_in {
            put(&mut lines, "239.2.2.2 joined by 10.1.0.9 (IGMPv2), as it is told a thousand times a second");
        }
        let reader = std::thread::spawn(move || io::read_to_string(&mut journal).unwrap());
        drop((lines, writer));
        let text = reader.join().unwrap();
        let lost =
            |line: &str| line.split_once(" lines of this log").and_then(|(lost, _)| lost.parse::<u64>().ok());
        let lost: u64 = text.lines().filter_map(lost).sum();
        let told = text.lines().filter(|line| line.starts_with("239.")).count() as u64;
        assert!(lost > 0 && told + lost == put_in, "{told} lines written, {lost} lost");
    }

    #[test]
    fn a_log_that_nobody_reads_any_more_ends() {
        let (journal, out) = io::pipe().unwrap();
        let (mut lines, writer) = write_lines(10, out).unwrap();
        drop(journal);
        put(&mut lines, "x");
        drop(writer);
    }
}
