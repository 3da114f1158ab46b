//! The measurements, one file each.

pub(crate) mod allocations;
pub(crate) mod cores;
pub(crate) mod dispatch;
pub(crate) mod fresh;
pub(crate) mod host_call;
pub(crate) mod limits;
pub(crate) mod load;
pub(crate) mod many;
pub(crate) mod midi;
pub(crate) mod pinned;
pub(crate) mod silence;
pub(crate) mod start;
pub(crate) mod verify;
pub(crate) mod worker;

use crate::report::Row;
use crate::sample::Effort;
use crate::stage::{Built, Result};

/// A measurement: its name on the command line, and the function that makes its rows.
pub(crate) type Measurement = (&'static str, fn(&Built, Effort) -> Result<Vec<Row>>);

/// All measurements, in the order of the table.
pub(crate) const ALL: [Measurement; 14] = [
    ("dispatch", dispatch::measure),
    ("allocations", allocations::measure),
    ("worker", worker::measure),
    ("pinned", pinned::measure),
    ("fresh", fresh::measure),
    ("load", load::measure),
    ("verify", verify::measure),
    ("host-call", host_call::measure),
    ("start", start::measure),
    ("many", many::measure),
    ("cores", cores::measure),
    ("midi", midi::measure),
    ("silence", silence::measure),
    ("limits", limits::measure),
];
