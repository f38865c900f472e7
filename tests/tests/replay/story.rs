//! The seed's story from the first join to the last, on RFC 2236's own timers.

use crate::support::frames::{GROUP, SOURCE, USER_3, USER_4, data, join, leave, padded, query, report};
use crate::support::replay::Replay;

/// The story, also for the tests that only repeat it.
pub(crate) fn steps() -> Replay {
    Replay::new()
        // 1: the stream comes, and nobody wants it.
        .at(0.0, "wan", data(GROUP, 0))
        // 2 and 3: the first user joins; the second gets a duplicate.
        .at(1.0, "hall-a", join(USER_4, GROUP))
        .at(1.5, "wan", data(GROUP, 1))
        .at(12.0, "hall-b", join(USER_3, GROUP))
        .at(12.5, "wan", data(GROUP, 2))
        // 5: the second user leaves, and says so.
        .at(20.0, "hall-b", leave(USER_3, GROUP))
        .at(21.9, "wan", data(GROUP, 3))
        .at(22.1, "wan", data(GROUP, 4))
        // The provider asks, and is answered.
        .at(100.0, "wan", padded(query(SOURCE, None, 100).bytes()))
        // 6: the first user goes silent: 260 s after his report he is gone.
        .at(260.9, "wan", data(GROUP, 5))
        .at(261.1, "wan", data(GROUP, 6))
        // 7: a host that speaks version 1, whose leave nobody believes.
        .at(300.0, "hall-b", padded(report(USER_3, 1, GROUP).bytes()))
        .at(310.0, "hall-b", leave(USER_3, GROUP))
        .at(315.0, "wan", data(GROUP, 7))
        .at(559.9, "wan", data(GROUP, 8))
        .at(560.1, "wan", data(GROUP, 9))
        .until(600.0)
}

#[test]
fn the_story_told_by_captures() {
    let replayed = steps().run().golden("story");
    let wan = replayed.port("wan").clone().without_repeat(GROUP, 1.0).without_repeat(GROUP, 300.0);
    // One join and one leave for each time that anybody wanted it, and one answer to the provider's query.
    let answer = wan.clone().without_repeat(GROUP, 100.0);
    assert_eq!(
        answer.story(),
        [
            "1.000 v2 join 239.2.2.2",
            "261.000 leave 239.2.2.2",
            "300.000 v2 join 239.2.2.2",
            "560.000 leave 239.2.2.2"
        ]
    );
    assert_eq!(
        replayed.port("hall-a").story(),
        [
            "1.500 data 1 to 239.2.2.2",
            "12.500 data 2 to 239.2.2.2",
            "21.900 data 3 to 239.2.2.2",
            "22.100 data 4 to 239.2.2.2",
            "260.900 data 5 to 239.2.2.2",
        ]
    );
    assert_eq!(
        replayed.port("hall-b").story(),
        [
            "12.500 data 2 to 239.2.2.2",
            "20.000 query 239.2.2.2, 1.0 s",
            "21.000 query 239.2.2.2, 1.0 s",
            "21.900 data 3 to 239.2.2.2",
            "315.000 data 7 to 239.2.2.2",
            "559.900 data 8 to 239.2.2.2",
        ]
    );
    assert_eq!(replayed.count("wan").dropped("no-member"), 3);
    assert_eq!(replayed.count("wan").verdict("query-answered"), 1);
    let hall_b = replayed.count("hall-b");
    assert_eq!(
        (hall_b.verdict("joined"), hall_b.verdict("leave-taken"), hall_b.verdict("leave-v1-host")),
        (2, 1, 1)
    );
}
