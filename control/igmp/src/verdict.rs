//! What became of a received frame. Each frame gets exactly one verdict, and each verdict has a counter.

/// Whether a frame changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VerdictClass {
    /// Valid, and acted on.
    Taken,
    /// Valid, and nothing to do.
    Ignored,
    /// Not valid here; no state changed.
    Dropped,
}

/// Declares the verdicts once: class, and what `types::counted` wants.
macro_rules! verdicts {
    ($($class:ident $variant:ident $name:literal $what:literal,)*) => {
        types::counted! {
            /// What became of a received frame. Names are stable: they are counter names.
            Verdict { $($variant $name $what,)* }
        }

        impl Verdict {
            /// Whether the frame changed anything.
            pub const fn class(self) -> VerdictClass {
                match self { $(Self::$variant => VerdictClass::$class,)* }
            }
        }
    };
}

verdicts! {
    // Acted on. A v3 report of several records gets the first of these that one of its records earned.
    Taken Joined "joined" "report that made a member",
    Taken Refreshed "refreshed" "report for a group that has a member on the port",
    Taken LeaveTaken "leave-taken" "leave that started the last member queries",
    Taken FastLeave "fast-leave" "leave that ended the membership at once",
    Taken BlockQueried "block-queried" "IGMPv3 BLOCK for a member, answered with a group-specific query",
    Taken QuerierHeard "querier-heard" "query of a router with a lower address, which is the querier of the link",
    Taken TimerLowered "timer-lowered" "the querier's group-specific query, which lowered a member's timer",
    Taken SolicitationTaken "solicitation-taken" "solicitation, which an advertisement answers",
    Taken QueryAnswered "query-answered" "query from the provider's side for at least one joined group",
    Taken ReportSuppressed "report-suppressed" "another host's report on the provider's side, which cancelled ours",

    // Valid, nothing to do.
    Ignored UnknownType "unknown-type" "IGMP of a type that is not a v1, v2 or v3 membership message",
    Ignored LeaveNoMember "leave-no-member" "leave for a group without a member on the port",
    Ignored LeaveRepeated "leave-repeated" "leave while the last member queries run",
    Ignored LeaveStatic "leave-static" "leave for a static group",
    Ignored LeaveV1Host "leave-v1-host" "leave for a group with an IGMPv1 host on the port",
    Ignored LeaveNotQuerier "leave-not-querier" "leave on a port where we are not the querier",
    Ignored LeaveV1Port "leave-v1-port" "leave on a port set to IGMPv1",
    Ignored V1Ignored "v1-ignored" "IGMPv1 report on a port set to ignore them",
    Ignored LocalGroup "local-group" "for a group that the settings keep on its link",
    Ignored SsmRange "ssm-range" "for a group that can be had from named sources only",
    Ignored AccessDenied "access-denied" "report for a group that the port's access list does not allow",
    Ignored GroupLimit "group-limit" "report for one more group than the port may have",
    Ignored NoEffect "no-effect" "IGMPv3 report whose records ask for nothing",
    Ignored QueryHeard "query-heard" "another router's query on a client port, without effect",
    Ignored QueryNotJoined "query-not-joined" "query from the provider's side for nothing that is joined",
    Ignored ForeignReport "foreign-report" "report of another host on the provider's side",
    Ignored ForeignLeave "foreign-leave" "leave of another host on the provider's side",
    Ignored ProxyOff "proxy-off" "the proxy is switched off",
    Ignored NoRole "no-role" "the port is neither a client port nor the provider's",
    Ignored NoLink "no-link" "frame that was still on its way when the provider's link went down",

    // Ethernet.
    Dropped Truncated "truncated" "shorter than an Ethernet and an IPv4 header",
    Dropped SourceMac "source-mac" "multicast, broadcast or all-zero source MAC",
    Dropped OwnMac "own-mac" "our own MAC came in: a loop, or two of our ports on one switch",
    Dropped NotIpv4 "not-ipv4" "EtherType that is not IPv4",
    // IPv4.
    Dropped IpVersion "ip-version" "EtherType IPv4, but another version in the header",
    Dropped IpHeaderLength "ip-header-length" "IPv4 header length below 20 or beyond the packet",
    Dropped IpTotalLength "ip-total-length" "IPv4 total length below the header or beyond the frame",
    Dropped IpChecksum "ip-checksum" "bad IPv4 header checksum",
    Dropped IpOptions "ip-options" "malformed IPv4 options",
    Dropped Fragment "fragment" "IP fragment",
    Dropped NotIgmp "not-igmp" "IP protocol that is not IGMP",
    // IGMP.
    Dropped IgmpLength "igmp-length" "fewer than 8 bytes of IGMP",
    Dropped QueryLength "query-length" "query of a length that no version has",
    Dropped IgmpChecksum "igmp-checksum" "bad IGMP checksum",
    Dropped RecordLength "record-length" "IGMPv3 report whose records end after the message",
    Dropped QuerySources "query-sources" "general query with sources",
    Dropped QueryGroup "query-group" "query whose group is neither 0 nor multicast",
    Dropped NotMulticast "not-multicast" "report or leave whose group is not multicast",
    Dropped LinkLocalGroup "link-local-group" "report or leave for 224.0.0.0/24",
    // What the port's settings and addresses decide.
    Dropped Ttl "ttl" "TTL that is not 1",
    Dropped RouterAlert "router-alert" "no Router Alert option on a port that requires it",
    Dropped SourceAddress "source-address" "source address that no host may have",
    Dropped OwnAddress "own-address" "one of our own addresses as source",
    Dropped OffLink "off-link" "source outside the port's network, on a port that requires it inside",
    Dropped Destination "destination" "destination address that this message may not have",
    Dropped DestinationMac "destination-mac" "destination MAC that is neither the group's nor ours",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_numbered_as_listed_named_once_and_in_kebab_case() {
        for (i, verdict) in Verdict::ALL.iter().enumerate() {
            assert_eq!(*verdict as usize, i);
            assert_eq!(Verdict::ALL.iter().filter(|v| v.name() == verdict.name()).count(), 1);
            assert!(
                verdict.name().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            );
        }
    }

    #[test]
    fn the_order_runs_from_taken_to_dropped() {
        assert!(Verdict::ALL.is_sorted_by_key(|v| v.class()));
    }
}
