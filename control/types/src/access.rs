//! Which groups a port's clients may have.

use core::fmt;
use core::str::FromStr;

use crate::{AddrError, GroupAddr, Ipv4Net};

/// One line of an [`AccessList`]: `allow 239.0.0.0/8` or `deny 239.9.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessRule {
    /// The groups it is about.
    pub net: Ipv4Net,
    /// Whether they may be had.
    pub allow: bool,
}

impl fmt::Display for AccessRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.allow { "allow" } else { "deny" }, self.net)
    }
}

impl FromStr for AccessRule {
    type Err = AddrError;

    fn from_str(text: &str) -> Result<Self, AddrError> {
        let bad = || AddrError::Net(text.to_owned());
        let (word, net) = text.split_once(' ').ok_or_else(bad)?;
        let allow = match word {
            "allow" => true,
            "deny" => false,
            _ => return Err(bad()),
        };
        Ok(Self { net: net.trim_start().parse()?, allow })
    }
}

/// Rules in order: the first that names a group decides; a group that none names may be had (r54).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccessList(Vec<AccessRule>);

impl AccessList {
    /// These rules, in this order.
    pub fn new(rules: Vec<AccessRule>) -> Self {
        Self(rules)
    }

    /// The rules, in order.
    pub fn rules(&self) -> &[AccessRule] {
        &self.0
    }

    /// The rule that decides about `group`; `None` when none names it, which allows it.
    pub fn deciding(&self, group: GroupAddr) -> Option<AccessRule> {
        self.0.iter().copied().find(|rule| rule.net.contains(group.addr()))
    }

    /// Whether `group` may be had.
    pub fn allows(&self, group: GroupAddr) -> bool {
        self.deciding(group).is_none_or(|rule| rule.allow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(text: &str) -> GroupAddr {
        text.parse().unwrap()
    }

    #[test]
    fn r54_the_first_rule_that_names_a_group_decides_and_no_rule_allows() {
        let rules = ["allow 239.9.1.0/24", "deny 239.9.0.0/16", "allow 239.0.0.0/8", "deny 239.10.0.0/16"];
        let list = AccessList::new(rules.iter().map(|rule| rule.parse().unwrap()).collect());
        assert!(list.allows(group("239.9.1.7")));
        assert!(!list.allows(group("239.9.2.7")));
        assert!(list.allows(group("239.10.0.1")), "an earlier rule names it");
        assert!(list.allows(group("225.0.0.1")), "no rule names it");
        assert!(AccessList::default().allows(group("225.0.0.1")));
        assert_eq!(list.rules().iter().map(ToString::to_string).collect::<Vec<_>>(), rules);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for bad in
            ["", "allow", "permit 239.0.0.0/8", "deny239.0.0.0/8", "deny 239.0.0.1", "allow 239.0.0.0/33"]
        {
            assert!(bad.parse::<AccessRule>().is_err(), "{bad}");
        }
    }
}
