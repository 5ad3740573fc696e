// SPDX-License-Identifier: GPL-2.0
//! What a case is given: the server's address, and ways to connect to it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use crate::smb2::{Credentials, Dialects, File, Session, Tcp};
use crate::smbd::{Link, Offer};
use crate::stop::{Stop, Try};
use crate::transcript::Transcript;
use crate::verbs::Port;

/// How the server is reached, the same for all cases.
#[derive(Clone, Debug)]
pub struct Config {
    pub server: IpAddr,
    pub port: Port,
    pub share: String,
    pub user: Option<(String, String)>,
    /// Another address of the server, on an interface without RDMA.
    pub second: Option<IpAddr>,
    /// Where the kernel's client mounts our server, in its cases.
    pub mount: Option<PathBuf>,
}

/// For one run of one case.
pub struct Context {
    pub config: Arc<Config>,
    pub log: Transcript,
    /// What a reader of the results may want to know.
    pub notes: Vec<String>,
    id: &'static str,
}

impl Context {
    pub fn new(config: Arc<Config>, id: &'static str) -> Self {
        Context {
            config,
            log: Transcript::new(),
            notes: Vec::new(),
            id,
        }
    }

    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// The case's identifier.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// An RDMA connection, nothing said yet.
    pub fn connect(&self, offer: Offer) -> Try<Link> {
        let to = SocketAddr::new(self.config.server, 0);
        Link::connect(&self.log, to, self.config.port, offer)
    }

    /// One that has negotiated. Only cases about negotiation judge the numbers
    /// (`judged`), so that one fault of a server does not hide the others.
    pub fn negotiated(&self, offer: Offer) -> Try<Link> {
        let mut link = self.connect(offer)?;
        link.negotiate()?;
        Ok(link)
    }

    /// One that has negotiated, and the answer is right in all its fields.
    pub fn judged(&self, offer: Offer) -> Try<Link> {
        let mut link = self.connect(offer)?;
        link.negotiate_and_judge()?;
        Ok(link)
    }

    /// The server is not damaged: a new connection negotiates.
    pub fn still_there(&self) -> Try<()> {
        self.negotiated(Offer::basic())
            .map(drop)
            .map_err(|e| match e {
                Stop::Skipped(why) => Stop::Skipped(why),
                other => Stop::Failed(format!("a new connection after that: {other}")),
            })
    }

    /// A session over RDMA; as the configured user if there is one.
    pub fn session(&self, offer: Offer, dialects: Dialects) -> Try<Session<Link>> {
        let link = self.negotiated(offer)?;
        Session::open(link, dialects, &self.credentials(), &self.config.share)
    }

    pub fn credentials(&self) -> Credentials {
        match &self.config.user {
            Some((name, password)) => Credentials::User {
                name: name.clone(),
                password: password.clone(),
            },
            None => Credentials::Guest,
        }
    }

    /// Credentials of a session that can be bound: a guest's cannot.
    pub fn user(&self) -> Try<Credentials> {
        match self.credentials() {
            Credentials::Guest => Err(Stop::Skipped(
                "only a user's session can be bound: give --user and --password".into(),
            )),
            user => Ok(user),
        }
    }

    pub fn second(&self) -> Try<IpAddr> {
        self.config
            .second
            .ok_or_else(|| Stop::Skipped("the server has no second address: give --second".into()))
    }

    pub fn tcp(&self, to: IpAddr) -> Try<Tcp> {
        Tcp::connect(&self.log, SocketAddr::new(to, 445))
    }

    /// A name for a file that no other case uses.
    pub fn file_name(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let n = NUMBER.fetch_add(1, Ordering::Relaxed);
        format!("peer-{}-{}-{n}", self.id, std::process::id())
    }

    /// A session with a new file open.
    pub fn with_file(&self, offer: Offer, dialects: Dialects) -> Try<(Session<Link>, File)> {
        let mut session = self.session(offer, dialects)?;
        let file = session.create(&self.file_name())?;
        Ok((session, file))
    }
}
