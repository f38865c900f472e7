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
    last: Arc<Mutex<Option<Last<T>>>>,
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
        Self { last: Arc::new(Mutex::new(None)), epoch: AtomicU64::new(0) }
    }
}

impl<T: Send + Sync + 'static> Shared<T> {
    /// The last answer while it is fresh, else that of `ask`; whoever comes meanwhile waits for the same one. Its answer
    /// is kept even when whoever asked has gone.
    pub(crate) async fn get(
        &self,
        ask: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<Arc<T>, Failure> {
        let mut last = Arc::clone(&self.last).lock_owned().await;
        let epoch = self.epoch.load(Ordering::Acquire);
        if let Some(last) = last.as_ref().filter(|last| last.epoch == epoch && last.at.elapsed() < FRESH) {
            return last.answer.clone();
        }
        let asked = tokio::spawn(async move {
            let answer = ask.await.map(Arc::new);
            *last = Some(Last { at: Instant::now(), epoch, answer: answer.clone() });
            answer
        });
        // Without an answer the runtime ends, and with it whoever asked.
        asked.await.unwrap_or(Err(Failure::Busy))
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
        let (shared, asked) = (Shared::default(), Arc::new(AtomicUsize::new(0)));
        let ask = || {
            let asked = Arc::clone(&asked);
            async move {
                tokio::task::yield_now().await;
                Ok(asked.fetch_add(1, Ordering::Relaxed))
            }
        };
        let (a, b) = tokio::join!(shared.get(ask()), shared.get(ask()));
        assert_eq!((a, b), (Ok(Arc::new(0)), Ok(Arc::new(0))));
        shared.forget();
        assert_eq!(shared.get(ask()).await, Ok(Arc::new(1)));
    }

    #[tokio::test]
    async fn an_answer_asked_for_before_a_change_is_not_told_after_it() {
        let shared = Arc::new(Shared::default());
        let changed = Arc::clone(&shared);
        let early = shared.get(async move {
            changed.forget();
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

    #[tokio::test]
    async fn a_question_goes_on_when_whoever_asked_has_gone() {
        let (shared, (answer, answered)) = (Shared::default(), tokio::sync::oneshot::channel());
        {
            let mut gone = std::pin::pin!(shared.get(async { Ok(answered.await.unwrap()) }));
            let waiting =
                tokio::select! { biased; _ = gone.as_mut() => false, () = tokio::task::yield_now() => true };
            assert!(waiting);
        }
        answer.send(7).expect("it still waits for its answer");
        assert_eq!(shared.get(async { Ok(8) }).await, Ok(Arc::new(7)), "nobody asks again");
    }
}
