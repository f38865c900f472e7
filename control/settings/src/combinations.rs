//! Values that mean nothing, or cannot work, beside each other on one port.

use std::time::Duration;

use types::{GroupAddr, Ipv4Net, PortIndex};

use crate::assemble::Raw;
use crate::duration::show;
use crate::model::{FastLeave, IgmpVersion, PortTimers};
use crate::options::{PortOptions, value};
use crate::port::RawPort;
use crate::problem::{At, Place, Problems};
use crate::sections::default_local_groups;

/// What stands for the query response interval where queries have no Max Resp Time (RFC 1112, appendix I; r29).
const V1_RESPONSE: Duration = Duration::from_secs(10);
/// Reports a second that a provider's access node should take without losing any. The defaults stay below it.
const REPORTS_PER_SECOND: u64 = 15_000;

/// Checks each port with what `[defaults]` says for it.
pub(crate) fn check(raw: &Raw, upstream: Option<PortIndex>, problems: &mut Problems) {
    for (i, port) in raw.ports.iter().enumerate() {
        let port = Port { raw: port, options: port.options.clone().or(&raw.defaults.options) };
        port.check_static_groups(raw, problems);
        if upstream.is_some_and(|upstream| upstream.get() == i) {
            port.check_reports(problems);
            port.check_pace(raw, problems);
        } else {
            port.check_version(problems);
            port.check_leaves(problems);
            port.check_addresses(problems);
            port.check_limit(raw.table.settings().max_groups, problems);
        }
    }
}

struct Port<'a> {
    raw: &'a RawPort,
    options: PortOptions,
}

/// The place of a switch that is on.
fn on(switch: &Option<At<bool>>) -> Option<&Place> {
    switch.as_ref().filter(|at| at.value).map(|at| &at.place)
}

impl Port<'_> {
    /// Names the port, unless the value at `place` is one of `[defaults]`, which many ports have.
    fn of(&self, place: &Place) -> String {
        let own = self.raw.options.places().any(|(_, own)| own == place);
        if own { format!(" of port \"{}\"", self.raw.name.value) } else { String::new() }
    }

    /// Static groups are members, so nothing else may keep them from being that (r54, r55, r69, r100).
    fn check_static_groups(&self, raw: &Raw, problems: &mut Problems) {
        let Some(groups) = &self.options.static_groups else { return };
        let local = raw.proxy.local_groups.as_ref().map_or_else(default_local_groups, |at| at.value.clone());
        let ssm = raw.proxy.ssm_range.as_ref().map_or(&[][..], |at| &at.value);
        let within =
            |nets: &[Ipv4Net], group: GroupAddr| nets.iter().find(|net| net.contains(group.addr())).copied();
        for At { value: group, place } in &groups.value {
            let mut refuse = |why: String, cure: &str| {
                let what = format!("`static-groups`{} names {group}, {why}", self.of(&groups.place));
                problems.error(place, what, cure);
            };
            if let Some(net) = within(&local, *group) {
                refuse(
                    format!("which `local-groups` keeps on its link, by {net}"),
                    "leave it out, or take that range out of `local-groups` in [proxy]",
                );
            }
            if let Some(net) = within(ssm, *group) {
                refuse(
                    format!("which is had from named sources alone, by {net} of `ssm-range`"),
                    "leave it out, or take that range out of `ssm-range` in [proxy]",
                );
            }
            let rule = self.options.access.as_ref().and_then(|at| at.value.deciding(*group));
            if let Some(rule) = rule.filter(|rule| !rule.allow) {
                refuse(
                    format!("which `access` of port \"{}\" refuses, by \"{rule}\"", self.raw.name.value),
                    "leave it out, or allow it by a rule before that one",
                );
            }
        }
    }

    fn check_version(&self, problems: &mut Problems) {
        let o = &self.options;
        let Some(version) = o.igmp_version.as_ref().filter(|at| at.value == IgmpVersion::V1) else { return };
        if let Some(place) = on(&o.ignore_v1) {
            let what = format!("`ignore-v1`{} leaves no member where `igmp-version` is 1", self.of(place));
            let cure = "leave one of the two out: hosts that are asked in version 1 answer in it";
            problems.error(place, what, cure);
        }
        if let Some(at) = o.fast_leave.as_ref().filter(|at| at.value != FastLeave::Off) {
            let what = format!("`fast-leave`{} does nothing where `igmp-version` is 1", self.of(&at.place));
            problems.warn(&at.place, what, "leave one of the two out: version 1 has no Leave");
        }
        let interval = value(&o.query_interval, PortTimers::default().query_interval);
        if interval <= V1_RESPONSE {
            let what = format!(
                "`igmp-version`{} is 1, and `query-interval` is {}",
                self.of(&version.place),
                show(interval)
            );
            let cure = "set it above 10s: that is what hosts take to answer a query of version 1";
            problems.warn(&version.place, what, cure);
        }
    }

    fn check_leaves(&self, problems: &mut Problems) {
        let Some(place) = on(&self.options.report_isolated) else { return };
        if value(&self.options.fast_leave, FastLeave::Off) != FastLeave::Tracked {
            let what = format!("`report-isolated`{} means nothing by itself", self.of(place));
            problems.warn(place, what, "set `fast-leave` to \"tracked\", or leave it out");
        }
    }

    fn check_addresses(&self, problems: &mut Problems) {
        let (address, querier) = (&self.raw.address, &self.raw.querier_address);
        let name = &self.raw.name.value;
        if let Some(place) = on(&self.options.require_on_link_source).filter(|_| address.is_none()) {
            let what =
                format!("`require-on-link-source` means nothing to port \"{name}\", which has no address");
            problems.warn(place, what, "set `address`, whose network is the link's");
        }
        if let Some(place) =
            on(&self.options.router_discovery).filter(|_| address.is_none() && querier.is_none())
        {
            let what = format!("`router-discovery` means nothing to port \"{name}\", which has no address");
            problems.warn(place, what, "set `address`: switches take no advertisement from 0.0.0.0");
        }
    }

    /// One port's limit beside the table's.
    fn check_limit(&self, most: u32, problems: &mut Problems) {
        if let Some(at) = self.options.max_groups.as_ref().filter(|at| at.value > most) {
            let what = format!(
                "`max-groups`{} is {}, and `max-groups` in [table] is {most}",
                self.of(&at.place),
                at.value
            );
            problems.warn(&at.place, what, "lower the first or raise the second: the table ends first");
        }
    }

    /// A round of reports that begins before the last is out grows into a flood (r72, r73).
    fn check_reports(&self, problems: &mut Problems) {
        let spread = value(
            &self.options.unsolicited_report_interval,
            PortTimers::default().unsolicited_report_interval,
        );
        let Some(At { value: Some(every), place }) = &self.options.re_report_interval else { return };
        if *every < spread {
            let what = format!(
                "`re-report-interval`{} of {} is less than `unsolicited-report-interval` of {}",
                self.of(place),
                show(*every),
                show(spread)
            );
            let cure = "raise the first or lower the second: reports are spread over the second, and many groups \
                        would make a flood";
            problems.warn(place, what, cure);
        }
    }

    /// A new link has all groups reported anew within the unsolicited report interval, the fullest second up to
    /// twice the mean (r72).
    fn check_pace(&self, raw: &Raw, problems: &mut Problems) {
        let spread = &self.options.unsolicited_report_interval;
        let most = &raw.table.max_groups;
        let Some(place) = spread.as_ref().map(|at| &at.place).or(most.as_ref().map(|at| &at.place)) else {
            return;
        };
        let spread = value(spread, PortTimers::default().unsolicited_report_interval);
        let groups = raw.table.settings().max_groups;
        let peak = (2000 * u64::from(groups)).div_ceil(spread.as_millis().max(1) as u64);
        if peak > REPORTS_PER_SECOND {
            let what = format!(
                "{groups} groups reported anew within {} are up to {peak} reports a second{}",
                show(spread),
                self.of(place)
            );
            let cure = format!(
                "above {REPORTS_PER_SECOND} some may be lost: raise `unsolicited-report-interval`, or lower \
                 `max-groups` in [table]"
            );
            problems.warn(place, what, cure);
        }
    }
}
