//! Users and groups, as people write them.

use std::str::FromStr;

use crate::escape::escape;

/// A value of `--owner`, by numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) user: Option<u32>,
    pub(crate) group: Option<u32>,
}

impl FromStr for Owner {
    type Err = String;

    /// `USER`, `USER:GROUP` or `:GROUP`, as chown has it.
    fn from_str(text: &str) -> Result<Self, String> {
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        if user.is_empty() && group.is_empty() {
            return Err("expected USER, USER:GROUP or :GROUP, by names or numbers".into());
        }
        let user = (!user.is_empty()).then(|| find(user, "user", user_number)).transpose()?;
        let group = (!group.is_empty()).then(|| find(group, "group", group_number)).transpose()?;
        Ok(Self { user, group })
    }
}

fn find(text: &str, kind: &str, by_name: impl FnOnce(&str) -> Option<u32>) -> Result<u32, String> {
    // The largest number means "leave it" to the system.
    let number = text.parse().ok().filter(|number| *number != u32::MAX);
    number
        .or_else(|| by_name(text))
        .ok_or_else(|| format!("there is no {kind} {} on this machine", escape(text.as_bytes())))
}

#[cfg(unix)]
fn user_number(name: &str) -> Option<u32> {
    Some(nix::unistd::User::from_name(name).ok()??.uid.as_raw())
}

#[cfg(unix)]
fn group_number(name: &str) -> Option<u32> {
    Some(nix::unistd::Group::from_name(name).ok()??.gid.as_raw())
}

#[cfg(not(unix))]
fn user_number(_: &str) -> Option<u32> {
    None
}

#[cfg(not(unix))]
fn group_number(_: &str) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(text: &str) -> Result<(Option<u32>, Option<u32>), String> {
        text.parse::<Owner>().map(|owner| (owner.user, owner.group))
    }

    #[test]
    fn users_and_groups_by_name_or_number() {
        assert_eq!(owner("1000"), Ok((Some(1000), None)));
        assert_eq!(owner("1000:50"), Ok((Some(1000), Some(50))));
        assert_eq!(owner(":50"), Ok((None, Some(50))));
        assert_eq!(owner("50:"), Ok((Some(50), None)));
        #[cfg(unix)]
        {
            assert_eq!(owner("root"), Ok((Some(0), None)));
            assert!(owner("nobody").is_ok_and(|(user, _)| user.is_some_and(|user| user > 0)));
        }
    }

    #[test]
    fn those_that_are_not_there_are_named() {
        assert_eq!(owner("no-such-user").unwrap_err(), "there is no user no-such-user on this machine");
        assert_eq!(owner("0:no-such-group").unwrap_err(), "there is no group no-such-group on this machine");
        for wrong in ["", ":", "-1", "4294967295", "a:b:c"] {
            assert!(owner(wrong).is_err(), "{wrong}");
        }
    }
}
