//! What may cross threads, written down: these tests pass by compiling.

use dpdk::{
    Burst, Eal, FanBatch, FanOut, Mbuf, Mempool, Port, Queues, RxQueue, SharedMbuf, TxBatch, TxQueue,
    WorkerThread,
};

/// Both impls apply to a type that has the trait, so naming `check` is ambiguous for it and does not compile.
macro_rules! assert_not {
    ($bound:ident: $($type:ty),*) => {$({
        trait Unless<A> {
            fn check() {}
        }
        struct HasIt;
        impl<T: ?Sized> Unless<()> for T {}
        impl<T: ?Sized + $bound> Unless<HasIt> for T {}
        <$type as Unless<_>>::check();
    })*};
}

fn is_send<T: Send>() {}
fn is_sync<T: Sync>() {}

#[test]
fn handles_go_anywhere() {
    is_send::<Eal>();
    is_sync::<Eal>();
    is_send::<Mempool>();
    is_sync::<Mempool>();
}

#[test]
fn ports_and_queues_move_and_are_not_shared() {
    is_send::<Port>();
    is_send::<Queues>();
    is_send::<RxQueue>();
    is_send::<TxQueue>();
    assert_not!(Sync: Port, Queues, RxQueue, TxQueue);
}

#[test]
fn mbufs_and_a_threads_registration_stay_where_they_are() {
    assert_not!(Send: Mbuf, SharedMbuf, FanOut, Burst<32>, TxBatch<64>, FanBatch<32>, WorkerThread);
    assert_not!(Sync: Mbuf, SharedMbuf, FanOut, Burst<32>, TxBatch<64>, FanBatch<32>);
}

#[test]
fn an_mbuf_is_a_pointer() {
    assert_eq!(size_of::<Mbuf>(), size_of::<usize>());
    assert_eq!(size_of::<Option<SharedMbuf>>(), size_of::<usize>());
}
