//! System calls by name, each with what it is for: how a process of the host's is told what it may ask the kernel for, and how
//! people are.

use std::collections::BTreeMap;
use std::ffi::c_long;

use serde::{Deserialize, Serialize};

/// A system call that is allowed or refused, and why.
pub struct Call {
    /// Its number on this machine.
    pub number: c_long,
    name: &'static str,
    why: &'static str,
    /// Whether there are rules about its arguments.
    pub is_checked: bool,
}

impl Call {
    /// A call by its name in `libc`.
    #[must_use]
    pub const fn new(number: c_long, name: &'static str, why: &'static str, is_checked: bool) -> Self {
        Self { number, name, why, is_checked }
    }
}

/// A list of [`Call`](crate::system_calls::Call)s: `SYS_name: "why"`, with `"checked"` after the name of those whose
/// arguments are. The names are those of `libc`, which whoever writes a list depends on.
#[macro_export]
macro_rules! calls {
    ($($name:ident $($checked:literal)? : $why:literal,)*) => {
        &[$($crate::system_calls::Call::new(libc::$name, stringify!($name), $why, $crate::calls!(@ $($checked)?)),)*]
    };
    (@) => { false };
    (@ $checked:literal) => { true };
}

/// A stage in the life of a process of the host's, and the system calls that it may make then, for people and scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageCalls {
    /// What the process does: `launcher`, `keeper`, `compile`, `load` or `run`.
    pub stage: String,
    /// System calls by name, and what for.
    pub calls: BTreeMap<String, String>,
}

impl StageCalls {
    /// A stage in which the calls of these lists may be made.
    #[must_use]
    pub fn new(stage: &str, lists: &[&[Call]]) -> Self {
        Self { stage: stage.to_owned(), calls: by_name(lists.iter().copied().flatten()) }
    }
}

/// The calls by name, each with what it is for.
pub fn by_name<'a>(calls: impl IntoIterator<Item = &'a Call>) -> BTreeMap<String, String> {
    calls
        .into_iter()
        .map(|call| (call.name.trim_start_matches("SYS_").to_owned(), call.why.to_owned()))
        .collect()
}
