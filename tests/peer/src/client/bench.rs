// SPDX-License-Identifier: GPL-2.0
//! The kernel's client mounts our server: what it is made to do, and what must be true afterwards.

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{channel, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use super::system::{self, KernelLog, State};
use crate::cases::Context;
use crate::patience::patience;
use crate::server::{Manner, Server};
use crate::smbd::DISCONNECT;
use crate::stop::{Stop, Try};
use crate::verbs::Port;
use crate::{ensure, ensure_eq, fail};

/// Within this, what the client's system does has to be done.
pub const SOON: Duration = Duration::from_secs(60);
/// Content of the file that is there: more than one RDMA write's slices.
pub const FILE: &str = "file";
pub const FILE_LEN: usize = 200_000;

/// For one case.
pub struct Bench<'a> {
    pub context: &'a mut Context,
    pub server: Server,
    pub kernel: KernelLog,
    pub dir: PathBuf,
    before: State,
}

/// Bytes without a period that a page or a message has.
pub fn pattern(seed: u32, len: usize) -> Vec<u8> {
    let mut x = seed | 1;
    let mut step = || {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (x >> 24) as u8
    };
    (0..len).map(|_| step()).collect()
}

/// Run a case, and see that nothing is left of it and that a client can still mount.
pub fn run(context: &mut Context, case: fn(&mut Bench) -> Try<()>) -> Try<()> {
    let Some(dir) = context.config.mount.clone() else {
        return Err(Stop::Skipped(
            "the client's cases want --mount DIRECTORY".into(),
        ));
    };
    let before = State::now();
    let kernel = KernelLog::from_now()?;
    let server = serve(context)?;
    let mut bench = Bench {
        context,
        server,
        kernel,
        dir,
        before,
    };
    let result = case(&mut bench);
    let end = bench.end();
    bench.tell_log();
    let again = match &end {
        Ok(()) => bench.still_good(),
        Err(_) => Ok(()),
    };
    match (result, end.and(again)) {
        // what cannot be judged must be without consequences, too
        (Err(Stop::Skipped(_)), Err(worse)) => Err(worse),
        (result, after) => result.and(after),
    }
}

fn serve(context: &Context) -> Try<Server> {
    let config = &context.config;
    let mut server = Server::new(&context.log, config.server, config.port)?;
    server.share.add(FILE, Some(pattern(1, FILE_LEN)));
    Ok(server)
}

impl Bench<'_> {
    pub fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.context.log.line(0, &format!("-- {text}"));
        self.context.note(text);
    }

    /// The port that cifs's RDMA connections use with this device.
    pub fn port(&self) -> u16 {
        match self.context.config.port {
            Port::Number(n) => n,
            Port::ByDevice if self.server.is_iwarp() => 5445,
            Port::ByDevice => 445,
        }
    }

    /// Have a thread do something while the server serves, until that is done.
    pub fn during<T: Send + 'static>(
        &mut self,
        manner: &mut Manner,
        what: &str,
        limit: Duration,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Try<T> {
        let (send, receive) = channel();
        thread::spawn(move || send.send(job()));
        let since = Instant::now();
        let limit = limit * patience();
        self.context.log.line(0, &format!("-- client: {what}"));
        loop {
            match receive.try_recv() {
                Ok(done) => {
                    let took = since.elapsed().as_secs_f64();
                    self.context
                        .log
                        .line(0, &format!("-- client: {what}: done after {took:.1} s"));
                    return Ok(done);
                }
                Err(TryRecvError::Disconnected) => fail!("{what}: the thread panicked"),
                Err(TryRecvError::Empty) => {}
            }
            ensure!(
                since.elapsed() < limit,
                "{what} did not end within {limit:?}"
            );
            self.server.step(manner)?;
        }
    }

    /// Serve until something is so; it has to be in time.
    pub fn until(
        &mut self,
        manner: &mut Manner,
        what: &str,
        limit: Duration,
        mut is_so: impl FnMut(&Server) -> bool,
    ) -> Try<Duration> {
        let since = Instant::now();
        let limit = limit * patience();
        while !is_so(&self.server) {
            ensure!(
                since.elapsed() < limit,
                "waited {limit:?} in vain for {what}"
            );
            self.server.step(manner)?;
        }
        Ok(since.elapsed())
    }

    /// Serve for a time.
    pub fn pass(&mut self, manner: &mut Manner, time: Duration) -> Try<()> {
        let since = Instant::now();
        while since.elapsed() < time {
            self.server.step(manner)?;
        }
        Ok(())
    }

    /// The client must end this connection, counted from `since`.
    pub fn must_end(
        &mut self,
        manner: &mut Manner,
        number: u32,
        since: Instant,
        why: &str,
    ) -> Try<()> {
        let what = format!("the client to end connection {number}: {why}");
        let left = DISCONNECT.saturating_sub(since.elapsed());
        self.until(manner, &what, left, |s| s.end_of(number).is_some())?;
        let took = self.server.end_of(number).unwrap_or(since) - since;
        self.note(format!("{why}: ended after {:.2} s", took.as_secs_f64()));
        ensure!(
            took <= DISCONNECT * patience(),
            "connection {number} ended after {took:?} only: {why}"
        );
        Ok(())
    }

    /// `mount -t cifs -o rdma`: what it says if it fails.
    pub fn mount_with(
        &mut self,
        manner: &mut Manner,
        options: &str,
        limit: Duration,
    ) -> Try<Result<(), String>> {
        let share = format!("//{}/share", self.context.config.server);
        let options = format!(
            "rdma,username=peer,password=none,vers=3.1.1,cache=none,nohandlecache{options}"
        );
        let dir = self.dir.clone();
        system::attempt();
        let job = move || {
            let mut command = Command::new("mount");
            command.args(["-t", "cifs", &share]).arg(dir);
            command.args(["-o", &options]);
            result_of(&mut command)
        };
        self.during(manner, "mount", limit, job)
    }

    /// A mount that must succeed.
    pub fn mount(&mut self, manner: &mut Manner) -> Try<()> {
        match self.mount_with(manner, "", SOON)? {
            Ok(()) => Ok(()),
            Err(why) => fail!("the mount failed: {why}"),
        }
    }

    /// A mount that must fail because of the connection: cifs's errno for that.
    pub fn mount_refused(&mut self, manner: &mut Manner, why: &str) -> Try<String> {
        while !system::log_has_room() {
            self.pass(manner, Duration::from_millis(100))?;
        }
        let got = self.mount_with(manner, "", SOON)?;
        ensure!(got.is_err(), "the mount succeeded although {why}");
        let port = self.port();
        let Some(error) = self.kernel.connect_error(port) else {
            fail!("cifs's log has no failed connection to port {port} ({got:?})");
        };
        self.note(format!("{why}: {error}"));
        Ok(error)
    }

    pub fn read(
        &mut self,
        manner: &mut Manner,
        name: &str,
        limit: Duration,
    ) -> Try<io::Result<Vec<u8>>> {
        let path = self.dir.join(name);
        let what = format!("read {name}");
        self.during(manner, &what, limit, move || fs::read(path))
    }

    /// The first `len` bytes, in one read.
    pub fn read_part(
        &mut self,
        manner: &mut Manner,
        name: &str,
        len: usize,
    ) -> Try<io::Result<Vec<u8>>> {
        let path = self.dir.join(name);
        let what = format!("read {len} bytes of {name}");
        self.during(manner, &what, SOON, move || {
            let mut data = vec![0; len];
            fs::File::open(path)?.read_exact(&mut data)?;
            Ok(data)
        })
    }

    pub fn write(&mut self, manner: &mut Manner, name: &str, data: Vec<u8>) -> Try<io::Result<()>> {
        let path = self.dir.join(name);
        let what = format!("write {} bytes to {name}", data.len());
        self.during(manner, &what, SOON, move || fs::write(path, data))
    }

    pub fn stat(
        &mut self,
        manner: &mut Manner,
        name: &str,
        limit: Duration,
    ) -> Try<io::Result<u64>> {
        let path = self.dir.join(name);
        let what = format!("stat {name}");
        let job = move || fs::metadata(path).map(|m| m.len());
        self.during(manner, &what, limit, job)
    }

    /// The file, read whole: it must be what it is.
    pub fn read_right(&mut self, manner: &mut Manner) -> Try<()> {
        let got = self.read(manner, FILE, SOON)?;
        let want = self.server.share.data(FILE).unwrap_or_default().to_vec();
        match got {
            Ok(data) => same(&data, &want),
            Err(e) => fail!("reading {FILE}: {e}"),
        }
    }

    /// The same, after a connection was lost: an error is allowed, wrong data is not.
    pub fn read_right_or_error(&mut self, got: io::Result<Vec<u8>>) -> Try<()> {
        self.right_or_error(FILE, FILE_LEN, got)
    }

    /// The same for the first `len` bytes of a file.
    pub fn right_or_error(&mut self, name: &str, len: usize, got: io::Result<Vec<u8>>) -> Try<()> {
        match got {
            Ok(data) => {
                let want = self.server.share.data(name).unwrap_or_default();
                same(&data, &want[..want.len().min(len)])?;
                self.note("the operation gave the right data");
                Ok(())
            }
            Err(e) => {
                self.note(format!("the operation ended with: {e}"));
                Ok(())
            }
        }
    }

    fn is_mounted(&self) -> bool {
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let dir = self.dir.to_string_lossy().into_owned();
        mounts.lines().any(|l| l.split(' ').nth(1) == Some(&dir))
    }

    pub fn umount(&mut self, manner: &mut Manner) -> Try<()> {
        let dir = self.dir.clone();
        let job = move || result_of(Command::new("umount").arg(dir));
        match self.during(manner, "umount", SOON, job)? {
            Ok(()) => Ok(()),
            Err(why) => fail!("umount: {why}"),
        }
    }

    /// Unmount; nothing may be left.
    fn end(&mut self) -> Try<()> {
        let mut result = Ok(());
        if self.is_mounted() {
            result = self.umount(&mut Manner::good());
            if result.is_err() {
                // for the cases that follow
                let _ = Command::new("umount").arg("-l").arg(&self.dir).status();
            }
        }
        self.server.close();
        result.and(self.nothing_left())
    }

    fn nothing_left(&mut self) -> Try<()> {
        let limit = Duration::from_secs(30) * patience();
        let since = Instant::now();
        loop {
            let now = State::now();
            let stuck = system::stuck_tasks();
            if now == self.before && stuck.is_empty() {
                break;
            }
            ensure!(
                since.elapsed() < limit,
                "left after {limit:?}: {now:?}, before {:?}, tasks in state D: {stuck:?}",
                self.before
            );
            thread::sleep(Duration::from_millis(200));
        }
        let bad = self.kernel.alarming();
        ensure!(bad.is_empty(), "the kernel log has: {}", bad.join(" / "));
        Ok(())
    }

    /// What the modules said, into the transcript.
    fn tell_log(&mut self) {
        let ours = |l: &&String| l.contains("smbdirect") || l.contains("CIFS");
        let lines: Vec<String> = self.kernel.lines().iter().filter(ours).cloned().collect();
        for line in lines.iter().take(20) {
            self.context.log.line(0, &format!("kernel: {line}"));
        }
    }

    /// A client can mount, read and write.
    fn still_good(&mut self) -> Try<()> {
        self.server = serve(self.context)?;
        let good = &mut Manner::good();
        self.mount(good)
            .and_then(|()| self.whole_round(good))
            .map_err(|e| match e {
                Stop::Skipped(why) => Stop::Skipped(why),
                other => Stop::Failed(format!("a good mount after that: {other}")),
            })?;
        self.end()
    }

    /// Stat, read, write: all of it right.
    pub fn whole_round(&mut self, good: &mut Manner) -> Try<()> {
        let len = self.stat(good, FILE, SOON)?;
        ensure_eq!("the size of the file", len.ok(), Some(FILE_LEN as u64));
        self.read_right(good)?;
        let data = pattern(7, 150_001);
        if let Err(e) = self.write(good, "written", data.clone())? {
            fail!("writing: {e}");
        }
        same(self.server.share.data("written").unwrap_or_default(), &data)
    }
}

/// The output of a command that failed.
fn result_of(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(out) if out.status.success() => Ok(()),
        Ok(out) => Err(String::from_utf8_lossy(&out.stderr).trim().to_string()),
        Err(e) => Err(e.to_string()),
    }
}

/// Where two contents differ first.
pub fn same(got: &[u8], want: &[u8]) -> Try<()> {
    ensure_eq!("the number of bytes", got.len(), want.len());
    match got.iter().zip(want).position(|(a, b)| a != b) {
        None => Ok(()),
        Some(at) => fail!("the data differs from byte {at} on"),
    }
}
