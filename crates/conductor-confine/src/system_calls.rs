//! System calls by name, each with its purpose: the filters of processes are made from these lists, and so is what
//! people are shown.

use std::collections::BTreeMap;
use std::ffi::c_long;

use serde::{Deserialize, Serialize};

/// A system call that is allowed or refused, and why.
pub struct Call {
    /// Number of the system call on this machine.
    pub number: c_long,
    name: &'static str,
    why: &'static str,
    /// Whether the filter also checks the arguments of the call.
    pub is_checked: bool,
}

impl Call {
    /// A system call by its name in `libc`.
    #[must_use]
    pub const fn new(number: c_long, name: &'static str, why: &'static str, is_checked: bool) -> Self {
        Self { number, name, why, is_checked }
    }
}

/// A list of [`Call`](crate::system_calls::Call)s: `SYS_name: "why"`, with `"checked"` after the name of each call
/// whose arguments are checked. The names are those of `libc`, which a crate that writes a list depends on.
#[macro_export]
macro_rules! calls {
    ($($name:ident $($checked:literal)? : $why:literal,)*) => {
        &[$($crate::system_calls::Call::new(libc::$name, stringify!($name), $why, $crate::calls!(@ $($checked)?)),)*]
    };
    (@) => { false };
    (@ $checked:literal) => { true };
}

/// A stage in the life of a process of the host, and the system calls that the process may make in that stage, for
/// people and scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageCalls {
    /// Name of the stage: `launcher`, `keeper`, `compile`, `load` or `run`.
    pub stage: String,
    /// Purposes of the system calls, by name.
    pub calls: BTreeMap<String, String>,
}

impl StageCalls {
    /// A stage in which the calls of all these lists may be made.
    #[must_use]
    pub fn new(stage: &str, lists: &[&[Call]]) -> Self {
        Self { stage: stage.to_owned(), calls: by_name(lists.iter().copied().flatten()) }
    }
}

/// The purposes of the calls, by name.
pub fn by_name<'a>(calls: impl IntoIterator<Item = &'a Call>) -> BTreeMap<String, String> {
    calls
        .into_iter()
        .map(|call| (call.name.trim_start_matches("SYS_").to_owned(), call.why.to_owned()))
        .collect()
}
