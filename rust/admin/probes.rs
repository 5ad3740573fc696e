// SPDX-License-Identifier: GPL-2.0

//! `probes/PROBE/` in configfs: a connection to a server, made to see whether it works. `Documentation/steering.md`, 5, has the format.
//!
//! `run` connects in the task that writes it, in its network namespace. While it does, configfs keeps the directory (rmdir waits), and the directory keeps the module.
#![forbid(unsafe_code)]

use crate::configfs::{fill, one, written};
use crate::transport::{
    probe::{probe, Attempt, End, Report},
    socket::Answer,
};
use core::fmt::{self, Write};
use kernel::{
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc, Mutex,
    },
};
use smbdirect_kext::{
    ctx::ProcessCtx,
    name::{Name, NAME_BYTES},
    sysfs::Text,
};
use smbdirect_rdma::{addr::SockAddr, net::CallersNet};

/// Most probes.
const MAX_PROBES: u32 = 16;
/// How long a run may take, in seconds: least, most, and without a word.
const TIMEOUT: (u32, u32, u32) = (1, 120, 15);
/// What a file holds that was not written.
const UNSET: &str = "default";

/// A probe's place among [`MAX_PROBES`].
struct Place;

static PROBES: Atomic<u32> = Atomic::new(0);

impl Place {
    fn take() -> Result<Self> {
        // configfs makes directories one at a time.
        if PROBES.load(Relaxed) >= MAX_PROBES {
            return Err(ENOSPC);
        }
        PROBES.add(1, Relaxed);
        Ok(Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        PROBES.fetch_sub(1, Relaxed);
    }
}

struct Content {
    /// As it was written; empty if it was not.
    address: Name,
    port: Option<u16>,
    timeout: Option<u32>,
    running: bool,
    /// Of the last run.
    report: Option<Report>,
}

/// `smbdirect/probes/PROBE/`.
#[pin_data]
pub(crate) struct Probe {
    /// Not held while a probe runs.
    #[pin]
    content: Mutex<Content>,
    _place: Place,
}

impl Probe {
    /// A fresh one; `-ENOSPC` if there are as many as there may be.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let place = Place::take()?;
        let content = Content {
            address: Name::EMPTY,
            port: None,
            timeout: None,
            running: false,
            report: None,
        };
        Arc::pin_init(
            pin_init!(Self {
                content <- new_mutex!(content, "smbdirect::Probe::content"),
                _place: place,
            }),
            GFP_KERNEL,
        )
    }

    fn edit(&self, f: impl FnOnce(&mut Content)) -> Result {
        let mut content = self.content.lock();
        if content.running {
            return Err(EBUSY);
        }
        f(&mut content);
        Ok(())
    }

    /// `address`.
    pub(crate) fn set_address(&self, text: &str) -> Result {
        if text.is_empty() || text.len() >= NAME_BYTES {
            return Err(EINVAL);
        }
        let name = Name::new(text.as_bytes());
        let net = CallersNet::get(&ProcessCtx::enter())?;
        SockAddr::parse(net.net(), &name)?;
        self.edit(|content| content.address = name)
    }

    /// `port`.
    pub(crate) fn set_port(&self, text: &str) -> Result {
        let port = match number(text, u16::MAX.into())? {
            Some(0) => return Err(ERANGE),
            port => port.map(|port| port as u16),
        };
        self.edit(|content| content.port = port)
    }

    /// `timeout`.
    pub(crate) fn set_timeout(&self, text: &str) -> Result {
        let timeout = number(text, TIMEOUT.1)?;
        if timeout.is_some_and(|seconds| seconds < TIMEOUT.0) {
            return Err(ERANGE);
        }
        self.edit(|content| content.timeout = timeout)
    }

    /// `run`: connects, and returns when it is known what came of it. `-EBUSY` if it runs already, or too much of others has not ended yet; `-EDESTADDRREQ` without
    /// an address; `-EINTR` after a signal.
    pub(crate) fn run(&self) -> Result {
        let ctx = ProcessCtx::enter();
        let net = CallersNet::get(&ctx)?;
        let (to, port, timeout) = {
            let mut content = self.content.lock();
            if content.running {
                return Err(EBUSY);
            }
            if content.address.as_bytes().is_empty() {
                return Err(EDESTADDRREQ);
            }
            // The device that a link-local address names may be another one by now, or in this namespace.
            let to = SockAddr::parse(net.net(), &content.address)?;
            content.running = true;
            content.report = None;
            let timeout = content.timeout.unwrap_or(TIMEOUT.2);
            (to, content.port, timeout)
        };
        let report = probe(&ctx, net.net(), &to, port, timeout * 1000);
        {
            let mut content = self.content.lock();
            content.running = false;
            content.report = report.as_ref().ok().copied();
        }
        match report {
            Ok(report) if report.interrupted() => Err(EINTR),
            report => report.map(|_| ()),
        }
    }

    fn show_result(&self, out: &mut Text<'_>) -> fmt::Result {
        let content = self.content.lock();
        match &content.report {
            _ if content.running => writeln!(out, "outcome running"),
            None => writeln!(out, "outcome none"),
            Some(report) => show_report(&content.address, report, out),
        }
    }

    /// Writes a file of the directory.
    pub(crate) fn show(&self, file: File, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        fill(page, |out| match file {
            File::Run => Ok(()),
            File::Result => self.show_result(out),
            File::Address => match self.content.lock().address {
                address if address.as_bytes().is_empty() => writeln!(out, "{UNSET}"),
                address => writeln!(out, "{address}"),
            },
            File::Port => show_number(self.content.lock().port.map(u32::from), out),
            File::Timeout => show_number(self.content.lock().timeout, out),
        })
    }

    /// What was written to a file of the directory.
    pub(crate) fn store(&self, file: File, bytes: &[u8]) -> Result {
        match file {
            File::Run => {
                one(bytes)?;
                self.run()
            }
            File::Address => self.set_address(written(bytes)?),
            File::Port => self.set_port(written(bytes)?),
            File::Timeout => self.set_timeout(written(bytes)?),
            File::Result => Err(EACCES),
        }
    }
}

/// The files of the directory.
#[derive(Clone, Copy)]
pub(crate) enum File {
    Address,
    Port,
    Timeout,
    Run,
    Result,
}

/// A number, or none for [`UNSET`]: digits only, and no 0 before others; `-ERANGE` above `max`.
fn number(text: &str, max: u32) -> Result<Option<u32>> {
    if text == UNSET {
        return Ok(None);
    }
    let zeros = text.len() > 1 && text.starts_with('0');
    if text.is_empty() || zeros || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(EINVAL);
    }
    match text.parse() {
        Ok(n) if n <= max => Ok(Some(n)),
        _ => Err(ERANGE),
    }
}

fn show_number(value: Option<u32>, out: &mut Text<'_>) -> fmt::Result {
    match value {
        Some(value) => writeln!(out, "{value}"),
        None => writeln!(out, "{UNSET}"),
    }
}

/// A name, which is UTF-8.
fn text(name: &core::ffi::CStr) -> &str {
    name.to_str().unwrap_or("?")
}

fn show_report(address: &Name, report: &Report, out: &mut Text<'_>) -> fmt::Result {
    let Attempt { port, device, end } = report.attempt;
    let outcome = match end {
        End::Connected(..) => "connected",
        End::Failed { .. } => "failed",
    };
    writeln!(
        out,
        "outcome {outcome}\naddress {address}\nport {port}\ndevice {}",
        device.text().unwrap_or("-")
    )?;
    match end {
        End::Connected(params, send_credits) => {
            for (name, value) in [
                ("max_send_size", params.max_send_size),
                ("max_recv_size", params.max_recv_size),
                ("max_fragmented_send_size", params.max_fragmented_send_size),
                ("max_fragmented_recv_size", params.max_fragmented_recv_size),
                ("max_read_write_size", params.max_read_write_size),
                ("send_credits", send_credits),
            ] {
                writeln!(out, "{name} {value}")?;
            }
        }
        End::Failed {
            stage,
            cause,
            error,
            answer,
        } => {
            writeln!(
                out,
                "stage {}\ncause {}\nerrno {}",
                text(stage.name()),
                text(cause.name()),
                -error.to_errno()
            )?;
            match answer {
                Some(Answer::Rejected(reason)) => writeln!(out, "reject_reason {reason}")?,
                Some(Answer::Status(status)) => writeln!(out, "negotiate_status {status:#010x}")?,
                None => {}
            }
        }
    }
    writeln!(out, "msec {}", report.msec)?;
    if let Some(Attempt {
        port,
        end:
            End::Failed {
                stage,
                cause,
                error,
                ..
            },
        ..
    }) = report.other
    {
        writeln!(
            out,
            "other_port {port}\nother_stage {}\nother_cause {}\nother_errno {}",
            text(stage.name()),
            text(cause.name()),
            -error.to_errno()
        )?;
    }
    Ok(())
}
