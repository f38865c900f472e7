//! An answer that all who ask at the same time share.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::proxy::Failure;

/// For how long an answer is good enough for the next one who asks.
const FRESH: Duration = Duration::from_millis(250);

/// The last answer, or the failure to get one.
pub(crate) struct Shared<T> {
    last: Mutex<Option<Last<T>>>,
    /// Counts what made answers worthless: an answer asked for before is not kept.
    epoch: AtomicU64,
}

struct Last<T> {
    at: Instant,
    epoch: u64,
    answer: Result<Arc<T>, Failure>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { last: Mutex::new(None), epoch: AtomicU64::new(0) }
    }
}

impl<T> Shared<T> {
    /// The last answer while it is fresh, else that of `ask`; whoever comes meanwhile waits for the same one.
    pub(crate) async fn get(&self, ask: impl Future<Output = Result<T, Failure>>) -> Result<Arc<T>, Failure> {
        let mut last = self.last.lock().await;
        let epoch = self.epoch.load(Ordering::Acquire);
        if let Some(last) = last.as_ref().filter(|last| last.epoch == epoch && last.at.elapsed() < FRESH) {
            return last.answer.clone();
        }
        let answer = ask.await.map(Arc::new);
        *last = Some(Last { at: Instant::now(), epoch, answer: answer.clone() });
        answer
    }

    /// The last answer is good for nobody any more.
    pub(crate) fn forget(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test]
    async fn those_who_ask_at_a_time_are_told_the_same() {
        let (shared, asked) = (Shared::default(), AtomicUsize::new(0));
        let ask = || async {
            tokio::task::yield_now().await;
            Ok(asked.fetch_add(1, Ordering::Relaxed))
        };
        let (a, b) = tokio::join!(shared.get(ask()), shared.get(ask()));
        assert_eq!((a, b), (Ok(Arc::new(0)), Ok(Arc::new(0))));
        shared.forget();
        assert_eq!(shared.get(ask()).await, Ok(Arc::new(1)));
    }

    #[tokio::test]
    async fn an_answer_asked_for_before_a_change_is_not_told_after_it() {
        let shared = Shared::default();
        let early = shared.get(async {
            shared.forget();
            Ok("before")
        });
        assert_eq!(early.await, Ok(Arc::new("before")));
        assert_eq!(shared.get(async { Ok("after") }).await, Ok(Arc::new("after")));
    }

    #[tokio::test]
    async fn a_failure_is_shared_as_well() {
        let shared: Shared<u8> = Shared::default();
        assert_eq!(shared.get(async { Err(Failure::Busy) }).await, Err(Failure::Busy));
        assert_eq!(shared.get(async { Ok(1) }).await, Err(Failure::Busy));
    }
}
