// SPDX-License-Identifier: GPL-2.0

//! The kernel's recording of what `latency` looks at.

use super::latency::{Latencies, EVENTS};
use crate::{
    root::Root,
    trace::{
        lines::Lines,
        tracefs::{Fault, Instance},
    },
};
use std::{
    io::{self, Read},
    time::{Duration, Instant},
};

/// KiB of the kernel's buffer for each processor: some thousand events.
const BUFFER: u32 = 256;
/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// How long one look may take. What does not fit comes later, or is lost if the kernel has no room for it.
const BUDGET: Duration = Duration::from_millis(20);

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// In a sentence.
    pub text: String,
    /// Whether it may be otherwise soon: the module is not loaded.
    pub passing: bool,
}

impl From<Fault> for Why {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NoEvents(text) => Self {
                text,
                passing: true,
            },
            Fault::Other(text) => Self {
                text,
                passing: false,
            },
        }
    }
}

/// Records while it is there.
pub struct Recorder {
    instance: Instance,
    lines: Lines,
    buffer: Vec<u8>,
}

impl Recorder {
    /// Begins to record.
    pub fn begin(root: &Root) -> Result<Self, Why> {
        if !root.is_live() {
            return Err(Why {
                text: "these are files of another machine".into(),
                passing: false,
            });
        }
        let instance = Instance::make(root, Some(BUFFER))?;
        instance.record(&EVENTS.into(), None)?;
        Ok(Self {
            instance,
            lines: Lines::default(),
            buffer: vec![0; CHUNK],
        })
    }

    /// Takes what has been recorded since, for [`BUDGET`] and one read at most. `latencies`: where it goes; `None`: nowhere.
    pub fn look(&mut self, mut latencies: Option<&mut Latencies>) -> Result<(), Why> {
        let began = Instant::now();
        while began.elapsed() < BUDGET {
            let Some(pipe) = self.instance.pipe() else {
                break;
            };
            let got = match pipe.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(got) => got,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => {
                    return Err(Why {
                        text: format!("the kernel's trace: {e}"),
                        passing: false,
                    })
                }
            };
            let bytes = self.buffer.get(..got).unwrap_or(&[]);
            self.lines.push(bytes, |line| {
                if let Some(latencies) = latencies.as_deref_mut() {
                    latencies.line(line);
                }
            });
        }
        Ok(())
    }

    /// Whether the module is still there.
    pub fn check(&self) -> Result<(), Why> {
        match self.instance.has_events() {
            true => Ok(()),
            false => Err(Why {
                text: "smbdirect.ko was unloaded".into(),
                passing: true,
            }),
        }
    }
}
