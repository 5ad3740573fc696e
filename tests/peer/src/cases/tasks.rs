// SPDX-License-Identifier: GPL-2.0
//! Which tasks of the kernel are inside the server, by their stacks. That works
//! on the server's own machine only.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::patience::patience;
use crate::stop::{Stop, Try};
use crate::{ensure, fail};

/// The transport and its user, as stacks have them.
const MODULES: [&str; 2] = ["[smbdirect]", "[ksmbd]"];
/// How long what is on its way out may take.
const LEAVING: Duration = Duration::from_secs(10);

/// A task's name and the innermost function of the server on its stack.
pub type Tasks = BTreeMap<u32, String>;

/// Is the server on this machine, and does the kernel show stacks?
pub fn visible(server: IpAddr) -> Try<()> {
    UdpSocket::bind((server, 0))
        .and_then(|_| fs::read_to_string("/proc/self/stack"))
        .map(drop)
        .map_err(|e| Stop::Skipped(format!("tasks of the server cannot be looked at: {e}")))
}

/// All tasks that are inside.
pub fn inside() -> Try<Tasks> {
    let mut out = Tasks::new();
    let mut seen = 0;
    for process in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        // a task that has ended meanwhile has none
        let Ok(stack) = fs::read_to_string(process.path().join("stack")) else {
            continue;
        };
        seen += 1;
        let Some(function) = of_server(&stack) else {
            continue;
        };
        let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        out.insert(pid, format!("{} {pid} in {function}", name.trim()));
    }
    ensure!(seen > 0, "no task's stack can be read");
    Ok(out)
}

/// Those of a work queue: a connection's own thread is inside as long as it lives.
pub fn workers(tasks: &Tasks) -> usize {
    tasks.values().filter(|t| is_worker(t)).count()
}

fn is_worker(task: &str) -> bool {
    task.starts_with("kworker")
}

fn of_server(stack: &str) -> Option<&str> {
    stack
        .lines()
        .find(|line| MODULES.iter().any(|m| line.ends_with(m)))
        .and_then(|line| line.split_whitespace().nth(1))
}

/// Those that are inside when nothing goes on: no worker is.
pub fn at_rest() -> Try<Tasks> {
    wait("before anything was done", |task, _| is_worker(task))
}

/// Nobody may be inside but who was before.
pub fn only(before: &Tasks) -> Try<()> {
    wait("after all connections have ended", |_, pid| {
        !before.contains_key(pid)
    })
    .map(drop)
}

/// Looks until nobody is inside who should not be.
fn wait(when: &str, wrong: impl Fn(&str, &u32) -> bool) -> Try<Tasks> {
    let until = Instant::now() + LEAVING * patience();
    loop {
        let now = inside()?;
        let left: Vec<_> = now.iter().filter(|(pid, t)| wrong(t, pid)).collect();
        if left.is_empty() {
            return Ok(now);
        }
        if Instant::now() >= until {
            let left: Vec<_> = left.into_iter().map(|(_, task)| task.as_str()).collect();
            fail!("{when} tasks are in the server: {}", left.join(", "));
        }
        sleep(Duration::from_millis(100));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_the_server_are_found() {
        let stack = "[<0>] schedule_timeout+0x8a/0x110\n\
                     [<0>] smbdirect_wait+0x10/0x20 [smbdirect]\n\
                     [<0>] ksmbd_conn_write+0x1/0x2 [ksmbd]\n\
                     [<0>] process_one_work+0x1/0x2\n";
        assert_eq!(of_server(stack), Some("smbdirect_wait+0x10/0x20"));
        assert_eq!(of_server("[<0>] worker_thread+0x1/0x2\n"), None);
        let tasks = [
            (7, "kworker/0:1 7 in f".into()),
            (8, "ksmbd:1 8 in f".into()),
        ];
        assert_eq!(workers(&tasks.into()), 1);
    }
}
