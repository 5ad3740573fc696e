// SPDX-License-Identifier: GPL-2.0

//! `smbdirectctl trace`: what the tracepoints `smbdirect:*` say, as a ladder, as JSON, as a capture. `Documentation/observability.md` has the events.

pub mod args;
pub mod capture;
pub mod conns;
pub mod events;
pub mod filter;
pub mod json;
pub mod ladder;
pub mod line;
pub mod lines;
pub mod session;
pub mod tracefs;
pub mod words;

use crate::{
    cli,
    names::nearest,
    root::Root,
    state::{connections, SYSFS},
};
use conns::Conns;
use filter::Wanted;
use line::MARK;
use lines::Lines;
use ratatui::crossterm::terminal;
use serde_json::Value;
use session::{Session, Stop, END};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tracefs::{Fault, Instance};

/// Between two looks at a recording that has nothing new.
const PAUSE: Duration = Duration::from_millis(50);
/// How long the end of a recording is waited for.
const DRAIN: Duration = Duration::from_secs(2);
/// How often it is looked whether the module is still there.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// Connections that are described at the beginning; of others the peer is not known.
const DESCRIBED: usize = 4096;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which events.
    pub wanted: Wanted,
    /// A recording; `None`: the kernel.
    pub read: Option<PathBuf>,
    /// Where to put the kernel's lines.
    pub save: Option<PathBuf>,
    /// Where to put messages.
    pub pcapng: Option<PathBuf>,
    /// When to end.
    pub duration: Option<Duration>,
    /// After how many events to end.
    pub count: Option<u64>,
    /// KiB of the kernel's buffer for each processor.
    pub buffer: Option<u32>,
    /// JSON instead of a ladder.
    pub json: bool,
    /// No ladder.
    pub quiet: bool,
}

type Failure = (String, u8);

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "smbdirectctl: {text}");
}

/// `Ok(false)`: whoever reads standard output has gone.
fn goes_on(result: Result<(), Stop>) -> Result<bool, Failure> {
    match result {
        Ok(()) => Ok(true),
        Err(Stop::Gone) => Ok(false),
        Err(Stop::NoRecording) => {
            Err(("this is no recording of the kernel".into(), cli::UNREADABLE))
        }
        Err(Stop::File(name, e)) => Err((format!("{name}: {e}"), cli::UNREADABLE)),
    }
}

fn fault(fault: Fault) -> Failure {
    match fault {
        Fault::NoEvents(why) => (why, cli::NO_MODULE),
        Fault::Other(why) => (why, cli::UNREADABLE),
    }
}

/// The width of the terminal that is written to.
fn width() -> Option<usize> {
    let size = io::stdout().is_terminal().then(terminal::size)?;
    size.ok().map(|(columns, _)| columns.into())
}

/// Whether two names are of one file that is there.
fn same_file(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Does it; the exit status.
pub fn run(root: &Root, options: &Options) -> Result<u8, Failure> {
    let other = options.read.as_ref().or(options.save.as_ref());
    if let (Some(a), Some(b)) = (&options.pcapng, other) {
        let standard = a.as_os_str() == "-" && options.read.is_some();
        if same_file(a, b) && !standard {
            let why = format!("{} cannot be both", a.display());
            return Err((why, cli::USAGE));
        }
    }
    match &options.read {
        Some(path) => replay(options, path)?,
        None => live(root, options)?,
    }
    Ok(cli::OK)
}

/// Shows a recording.
fn replay(options: &Options, path: &Path) -> Result<(), Failure> {
    let unreadable = |e: io::Error| (format!("{}: {e}", path.display()), cli::UNREADABLE);
    let mut source: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(unreadable)?)
    };
    let session = Session::new(options, Conns::default(), width());
    let mut session = match session {
        Ok(session) => session,
        Err(stop) => return goes_on(Err(stop)).map(drop),
    };
    let mut lines = Lines::default();
    let mut buffer = vec![0; CHUNK];
    let mut result = Ok(());
    while result.is_ok() && !session.full() {
        let got = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(got) => got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(unreadable(e)),
        };
        lines.push(buffer.get(..got).unwrap_or(&[]), |line| {
            if result.is_ok() {
                result = session.line(line);
            }
        });
        result = result.and_then(|()| session.flush());
    }
    if result.is_ok() && !session.full() {
        lines.flush(|line| result = session.line(line));
        result = result.and_then(|()| session.flush());
    }
    if goes_on(result)? {
        if session.seen.lines == 0 {
            return goes_on(Err(Stop::NoRecording)).map(drop);
        }
        say(&session.summary());
    }
    Ok(())
}

/// Names of devices that are asked for and not there.
fn check_devices(root: &Root, wanted: &Wanted) -> Result<(), Failure> {
    let mut known = root.names("sys/class/infiniband");
    known.extend(root.names(&format!("{SYSFS}/devices")));
    if let Some(name) = wanted.devices.iter().find(|name| !known.contains(name)) {
        let hint = match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("; the nearest is '{near}'"),
            None => String::new(),
        };
        return Err((
            format!("there is no RDMA device '{name}'{hint}"),
            cli::USAGE,
        ));
    }
    Ok(())
}

/// The address and port of `rdma resource`, which puts no brackets around IPv6.
fn rdma_address(value: Option<&Value>) -> Option<SocketAddr> {
    let text = value?.as_str()?;
    text.parse().ok().or_else(|| {
        let (ip, port) = text.rsplit_once(':')?;
        let ip = ip.trim_matches(['[', ']']).parse().ok()?;
        Some(SocketAddr::new(ip, port.parse().ok()?))
    })
}

/// Our own addresses of connections, by those of their peers, as the RDMA core has them.
fn own_addresses(root: &Root) -> Vec<(SocketAddr, SocketAddr)> {
    let pair = |id: &Value| {
        let peer = rdma_address(id.get("dst-addr"))?;
        Some((peer, rdma_address(id.get("src-addr"))?))
    };
    let ids = root.rdma_resources("cm_id").unwrap_or_default();
    ids.iter().filter_map(pair).collect()
}

/// The connections that are there, and what to write of them into the recording.
pub fn present(root: &Root) -> (Conns, Vec<String>) {
    let own = own_addresses(root);
    let mut conns = Conns::default();
    let mut marks = Vec::new();
    for shown in connections::read(root).iter().take(DESCRIBED) {
        let peer = shown.peer.parse::<SocketAddr>().ok();
        let local = own.iter().find(|(p, _)| Some(*p) == peer).map(|(_, l)| *l);
        conns.know(shown, local);
        let local = local.map_or(String::new(), |l| l.to_string());
        marks.push(format!(
            "{MARK}conn={} role={} peer={} device={} local={local}",
            shown.id,
            shown.role.name(),
            shown.peer,
            shown.device
        ));
    }
    (conns, marks)
}

/// What ends a recording from outside.
pub(crate) fn signals() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // the second one ends this program at once; what it leaves the next one removes
        signal_hook::flag::register_conditional_shutdown(signal, 1, stop.clone())?;
        signal_hook::flag::register(signal, stop.clone())?;
    }
    Ok(stop)
}

/// Seconds since 1970.
fn wall() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    format!("{}.{:09}", now.as_secs(), now.subsec_nanos())
}

/// Records and shows.
fn live(root: &Root, options: &Options) -> Result<(), Failure> {
    check_devices(root, &options.wanted)?;
    let stop = signals().map_err(|e| (format!("signals: {e}"), cli::UNREADABLE))?;
    let mut instance = Instance::make(root, options.buffer).map_err(fault)?;
    let (conns, marks) = present(root);
    for id in &options.wanted.connections {
        if conns.get(*id).is_none() {
            say(&format!("there is no connection {id} now"));
        }
    }
    let mut save = match &options.save {
        Some(path) => match File::create(path) {
            Ok(file) => Some((path.display().to_string(), file)),
            Err(e) => return Err((format!("{}: {e}", path.display()), cli::UNREADABLE)),
        },
        None => None,
    };
    let filter = options.wanted.in_kernel(&conns);
    let mut session = match Session::new(options, conns, width()) {
        Ok(session) => session,
        Err(stop) => return goes_on(Err(stop)).map(drop),
    };
    instance
        .mark(&format!("{MARK}real_time={}", wall()))
        .map_err(fault)?;
    for mark in marks {
        instance.mark(&mark).map_err(fault)?;
    }
    instance
        .record(&options.wanted.recorded(), filter.as_deref())
        .map_err(fault)?;
    say("recording; Ctrl-C ends it");
    let result = follow(&mut instance, options, &stop, &mut session, &mut save);
    drop(instance);
    if result? {
        say(&session.summary());
    }
    Ok(())
}

/// Reads until it ends. `Ok(false)`: whoever reads standard output has gone.
fn follow(
    instance: &mut Instance,
    options: &Options,
    stop: &AtomicBool,
    session: &mut Session<'_>,
    save: &mut Option<(String, File)>,
) -> Result<bool, Failure> {
    let began = Instant::now();
    let (mut looked, mut ending) = (began, None::<Instant>);
    let mut lines = Lines::default();
    let mut buffer = vec![0; CHUNK];
    loop {
        let over =
            stop.load(Ordering::Relaxed) || options.duration.is_some_and(|d| began.elapsed() >= d);
        if over && ending.is_none() {
            ending = Some(Instant::now());
            instance.stop();
            // what comes before it has been recorded before
            instance
                .mark(&format!("{MARK}state={END}"))
                .map_err(fault)?;
        }
        let late = ending.is_some_and(|since| since.elapsed() >= DRAIN);
        if late || session.full() || session.seen.ended {
            return Ok(true);
        }
        let Some(pipe) = instance.pipe() else {
            return Ok(true);
        };
        let got = match pipe.read(&mut buffer) {
            Ok(got) => got,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => 0,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err((format!("the kernel's trace: {e}"), cli::UNREADABLE)),
        };
        if got == 0 {
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                if !instance.has_events() {
                    say("the module was unloaded");
                    return Ok(true);
                }
            }
            thread::sleep(PAUSE);
            continue;
        }
        let bytes = buffer.get(..got).unwrap_or(&[]);
        if let Some((name, file)) = save {
            let written = file.write_all(bytes);
            written.map_err(|e| (format!("{name}: {e}"), cli::UNREADABLE))?;
        }
        let mut result = Ok(());
        lines.push(bytes, |line| {
            if result.is_ok() {
                result = session.line(line);
            }
        });
        if !goes_on(result.and_then(|()| session.flush()))? {
            return Ok(false);
        }
    }
}
