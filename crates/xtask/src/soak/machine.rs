//! The machine on which the soak ran.

use std::fs;
use std::thread;

use crate::error::TaskError;

/// A description of the machine, so that results of different days can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Model of the processor.
    pub(crate) processor: String,
    /// Processors that this program may use.
    pub(crate) processors: usize,
    /// Version of the kernel.
    pub(crate) kernel: String,
    /// The load before the soak began: processes that wanted to run, averaged over a minute.
    pub(crate) load: String,
}

impl Machine {
    /// Reads the description of this machine.
    pub(crate) fn look() -> Result<Self, TaskError> {
        let read = |path: &str| {
            fs::read_to_string(path).map_err(|source| TaskError::File { path: path.into(), source })
        };
        let model = read("/proc/cpuinfo")?;
        let load = read("/proc/loadavg")?;
        Ok(Self {
            processor: model_name(&model).unwrap_or("unknown").to_owned(),
            processors: thread::available_parallelism().map_or(0, Into::into),
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease")?.trim()),
            load: load.split_whitespace().next().unwrap_or("unknown").to_owned(),
        })
    }
}

fn model_name(cpuinfo: &str) -> Option<&str> {
    let (_, name) = cpuinfo.lines().find(|line| line.starts_with("model name"))?.split_once(':')?;
    Some(name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found() {
        let cpuinfo = "processor\t: 0\nmodel\t\t: 1\nmodel name\t: A Processor @ 2 GHz\n";
        assert_eq!(model_name(cpuinfo), Some("A Processor @ 2 GHz"));
        assert_eq!(model_name("processor: 0"), None);
    }
}
