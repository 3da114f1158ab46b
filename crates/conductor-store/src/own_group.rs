//! Whether a group has the user as its only member: files that such a group may write to are safe from other users.
//!
//! Most systems make a group for each user, and a umask of 002 lets this group write to the user's files. A group is
//! the user's own if it is the user's primary group, has the user's name, and has no other member, neither in
//! `/etc/group` nor as the primary group of another account in `/etc/passwd`. Where these two files do not say so, as
//! with accounts of a directory service, the group is not the user's own.

use std::fs::File;
use std::io::{self, Read as _};

/// Most bytes that are read of a table of accounts.
const MAX_TABLE_BYTES: u64 = 4 * 1024 * 1024;

/// Whether a group is the own group of a user.
pub(crate) fn is_own_group(group: u32, user: u32) -> bool {
    match (table("/etc/passwd"), table("/etc/group")) {
        (Ok(accounts), Ok(groups)) => is_own(group, user, &accounts, &groups),
        (Ok(_) | Err(_), Err(_)) | (Err(_), Ok(_)) => false,
    }
}

fn table(path: &str) -> io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?.take(MAX_TABLE_BYTES + 1).read_to_string(&mut text)?;
    // A part of the table that was cut off could name another member.
    if length as u64 > MAX_TABLE_BYTES { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

/// As [`is_own_group`], with the content of passwd(5) and group(5).
fn is_own(group: u32, user: u32, accounts: &str, groups: &str) -> bool {
    let mut name = None;
    for account in accounts.lines() {
        let mut fields = account.split(':');
        let (Some(account), Some(_), Some(uid), Some(gid)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        match (uid.parse() == Ok(user), gid.parse() == Ok(group)) {
            (true, true) => name = Some(account),
            // The account is the user's with another primary group, or is another user's with this primary group.
            (true, false) | (false, true) => return false,
            (false, false) => {}
        }
    }
    let Some(name) = name else { return false };
    let mut found = false;
    for line in groups.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let &[called, _, number, members] = fields.as_slice() else { continue };
        if number.parse() == Ok(group) {
            found = true;
            let is_alone = members.split(',').all(|member| member.is_empty() || member == name);
            if called != name || !is_alone {
                return false;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNTS: &str = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n\
        bob:x:1001:1001::/home/bob:/bin/sh\neve:x:1002:100::/home/eve:/bin/sh\n+::::::\n";
    const GROUPS: &str = "root:x:0:\nusers:x:100:ada\nada:x:1000:\nbob:x:1001:bob\n+:::\n";

    #[test]
    fn a_group_with_nobody_else_in_it_is_ones_own() {
        assert!(is_own(1000, 1000, ACCOUNTS, GROUPS));
        assert!(is_own(1001, 1001, ACCOUNTS, GROUPS), "being named in it changes nothing");
    }

    #[test]
    fn every_other_group_is_not() {
        let with = |line: &str| format!("{ACCOUNTS}{line}\n");
        for (group, user, accounts, groups) in [
            (100, 1000, ACCOUNTS.to_owned(), GROUPS.to_owned()),
            (100, 1002, ACCOUNTS.to_owned(), GROUPS.to_owned()),
            (1001, 1000, ACCOUNTS.to_owned(), GROUPS.to_owned()),
            (1000, 1000, with("mallory:x:1003:1000::/:/bin/sh"), GROUPS.to_owned()),
            (1000, 1000, ACCOUNTS.to_owned(), GROUPS.replace("ada:x:1000:", "ada:x:1000:bob")),
            (1000, 1000, ACCOUNTS.to_owned(), GROUPS.replace("ada:x:1000:", "music:x:1000:")),
            (1000, 1000, ACCOUNTS.to_owned(), GROUPS.replace("ada:x:1000:\n", "")),
            (1000, 1000, ACCOUNTS.to_owned(), format!("{GROUPS}music:x:1000:bob\n")),
            (1000, 1000, with("ada2:x:1000:100::/:/bin/sh"), GROUPS.to_owned()),
            (1000, 1000, String::new(), GROUPS.to_owned()),
            (4000, 4000, ACCOUNTS.to_owned(), GROUPS.to_owned()),
        ] {
            assert!(!is_own(group, user, &accounts, &groups), "{group} {user}\n{accounts}{groups}");
        }
    }
}
