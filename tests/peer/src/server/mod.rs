// SPDX-License-Identifier: GPL-2.0
//! A server with a share in memory, in one thread, whose manners a case decides.

mod accept;
mod answer;
mod connection;
mod info;
mod packet;
mod session;
mod share;

use std::net::IpAddr;
use std::time::{Duration, Instant};

pub use connection::Connection;
pub use packet::{command, Data, Request};
pub use share::Share;

use crate::smbd::wire::NegotiateRequest;
use crate::smbd::{Link, Offer};
use crate::stop::{Stop, Try};
use crate::transcript::Transcript;
use crate::verbs::{Listener, Port, Request as Asked};

/// What becomes of a message after a case has seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is answered as usual.
    Answer,
    /// The case has done what there is to do.
    Done,
}

type Negotiate<'a> = Box<dyn FnMut(&mut Link, &NegotiateRequest, u32) -> Try<Next> + 'a>;
type Message<'a> = Box<dyn FnMut(&mut Connection, &mut Share, &[u8]) -> Try<Next> + 'a>;

/// How the server behaves. What is not set is as it should be.
pub struct Manner<'a> {
    /// What it offers in its negotiation.
    pub offer: Offer,
    /// Accept this connection (by number, from 1)?
    pub accepts: Box<dyn FnMut(u32) -> bool + 'a>,
    /// Called with each negotiate request.
    pub negotiate: Negotiate<'a>,
    /// Called with each message of SMB2.
    pub message: Message<'a>,
}

impl Manner<'_> {
    /// Everything as it should be.
    pub fn good() -> Self {
        let mut offer = Offer::new(255, 1364, 1364, 1 << 20);
        // the whole of a directory listing comes in one message
        offer.receives = 63;
        Manner {
            offer,
            accepts: Box::new(|_| true),
            negotiate: Box::new(|_, _, _| Ok(Next::Answer)),
            message: Box::new(|_, _, _| Ok(Next::Answer)),
        }
    }
}

/// The server.
pub struct Server {
    /// None when it is closed.
    listener: Option<Listener>,
    iwarp: bool,
    pub log: Transcript,
    pub share: Share,
    pub connections: Vec<Connection>,
    /// Connections that negotiate or shall never be answered.
    waiting: Vec<(Link, u32)>,
    /// Connection requests that are not answered.
    ignored: Vec<Asked>,
    /// Connections so far.
    pub count: u32,
    /// When connections ended and how, by number.
    pub ended: Vec<(u32, Instant, String)>,
}

impl Server {
    pub fn new(log: &Transcript, at: IpAddr, port: Port) -> Try<Self> {
        let listener = Listener::new(at, port)
            .map_err(|e| Stop::Failed(format!("cannot listen at {at}: {e}")))?;
        Ok(Server {
            iwarp: listener.is_iwarp(),
            listener: Some(listener),
            log: log.clone(),
            share: Share::new(),
            connections: Vec::new(),
            waiting: Vec::new(),
            ignored: Vec::new(),
            count: 0,
            ended: Vec::new(),
        })
    }

    pub fn is_iwarp(&self) -> bool {
        self.iwarp
    }

    /// When connection `number` ended, if it has.
    pub fn end_of(&self, number: u32) -> Option<Instant> {
        self.ended.iter().find(|e| e.0 == number).map(|e| e.1)
    }

    /// End all connections and listen no more.
    pub fn close(&mut self) {
        self.drop_connections();
        self.listener = None;
    }

    /// End all connections without a word.
    pub fn drop_connections(&mut self) {
        self.connections.clear();
        self.waiting.clear();
        self.ignored.clear();
    }

    /// Do what there is to do, for a moment.
    pub fn step(&mut self, manner: &mut Manner) -> Try<()> {
        while let Some(asked) = self.listener.as_ref().map_or(Ok(None), Listener::request)? {
            self.count += 1;
            if !(manner.accepts)(self.count) {
                self.log.line(0, "-- a connection request is not answered");
                self.ignored.push(asked);
                continue;
            }
            match Link::accept(&self.log, asked, manner.offer) {
                Ok(link) => self.waiting.push((link, self.count)),
                Err(Stop::Gone(how)) => self.ended.push((self.count, Instant::now(), how)),
                Err(other) => return Err(other),
            }
        }
        let all = self.waiting.len() + self.connections.len();
        if all == 0 {
            std::thread::sleep(Duration::from_millis(5));
            return Ok(());
        }
        let wait = Duration::from_millis(20) / all as u32;
        for (link, number) in std::mem::take(&mut self.waiting) {
            self.welcome(link, number, manner, wait)?;
        }
        for mut connection in std::mem::take(&mut self.connections) {
            match self.serve(&mut connection, manner, wait) {
                Ok(()) => self.connections.push(connection),
                Err(Stop::Gone(how)) => {
                    self.ended.push((connection.number, Instant::now(), how));
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    /// A connection before its negotiation.
    fn welcome(
        &mut self,
        mut link: Link,
        number: u32,
        manner: &mut Manner,
        wait: Duration,
    ) -> Try<()> {
        let mut talk = || -> Try<bool> {
            if link.server.max_receive_size != 0 {
                // it was left without an answer: see whether it ends
                link.poll_data(wait)?;
                return Ok(false);
            }
            let Some(request) = link.negotiate_request(wait)? else {
                return Ok(false);
            };
            if (manner.negotiate)(&mut link, &request, number)? == Next::Answer {
                let response = link.agreement(&request)?;
                link.respond(&response)?;
            }
            Ok(link.promised > 0)
        };
        match talk() {
            Ok(true) => self.connections.push(Connection::new(link, number)?),
            Ok(false) => self.waiting.push((link, number)),
            Err(Stop::Gone(how)) => self.ended.push((number, Instant::now(), how)),
            Err(other) => return Err(other),
        }
        Ok(())
    }

    fn serve(&mut self, c: &mut Connection, manner: &mut Manner, wait: Duration) -> Try<()> {
        let Some(message) = c.message(wait)? else {
            return Ok(());
        };
        if (manner.message)(c, &mut self.share, &message)? == Next::Done {
            return Ok(());
        }
        if let Some(reply) = c.answer(&mut self.share, &message)? {
            c.send(&reply)?;
        }
        Ok(())
    }
}
