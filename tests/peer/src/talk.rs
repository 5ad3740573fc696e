// SPDX-License-Identifier: GPL-2.0
//! A session whose requests somebody else chooses, one line a time.

use std::io::{BufRead, Write};
use std::net::{IpAddr, SocketAddr};

use clap::{Args, ValueEnum};

use crate::fail;
use crate::smb2::{Credentials, Dialects, Pipe, Place, Session, Tcp};
use crate::smbd::{Link, Offer};
use crate::stop::Try;
use crate::transcript::Transcript;
use crate::verbs::Port;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Transport {
    Tcp,
    Rdma,
}

#[derive(Args)]
pub struct Options {
    /// The server's address
    #[arg(long, short)]
    server: IpAddr,
    /// The transport of the first channel and, given again, of further ones
    #[arg(long, required = true)]
    channel: Vec<Transport>,
    #[arg(long, default_value = "share")]
    share: String,
    /// A file of the share, which is written to
    #[arg(long, default_value = "talk")]
    file: String,
    /// User of the session; without, it is a guest's
    #[arg(long, requires = "password")]
    user: Option<String>,
    #[arg(long, requires = "user")]
    password: Option<String>,
    /// Do not announce multichannel
    #[arg(long)]
    no_multichannel: bool,
}

type Channel = Session<Box<dyn Pipe>>;

struct Talk {
    options: Options,
    log: Transcript,
    who: Credentials,
    channels: Vec<Channel>,
    place: Option<Place>,
}

impl Talk {
    fn open(options: Options) -> Try<Self> {
        let who = match (&options.user, &options.password) {
            (Some(name), Some(password)) => Credentials::User {
                name: name.clone(),
                password: password.clone(),
            },
            _ => Credentials::Guest,
        };
        let mut talk = Talk {
            options,
            log: Transcript::new(),
            who,
            channels: Vec::new(),
            place: None,
        };
        for transport in talk.options.channel.clone() {
            talk.add(transport)?;
        }
        Ok(talk)
    }

    /// One more channel; the first one sets the session up, which the others are bound to. It is in the tree of the first.
    fn add(&mut self, transport: Transport) -> Try<()> {
        let mut channel = Session::new(self.connect(transport)?);
        channel.announce_channels = !self.options.no_multichannel;
        if let Some(first) = self.channels.first() {
            channel.same_client(first);
            channel.negotiate(Dialects::All)?;
            channel.bind(&self.who, first)?;
            channel.tree_id = first.tree_id;
        } else {
            channel.negotiate(Dialects::All)?;
            channel.setup(&self.who)?;
        }
        self.channels.push(channel);
        Ok(())
    }

    fn connect(&self, transport: Transport) -> Try<Box<dyn Pipe>> {
        let to = SocketAddr::new(self.options.server, 0);
        Ok(match transport {
            Transport::Tcp => Box::new(Tcp::connect(&self.log, to)?),
            Transport::Rdma => {
                let mut link = Link::connect(&self.log, to, Port::ByDevice, Offer::usual())?;
                link.negotiate()?;
                Box::new(link)
            }
        })
    }

    /// `CHANNEL REQUEST`: what came of it, in words.
    fn answer(&mut self, line: &str) -> Try<String> {
        let Some((number, what)) = line.trim().split_once(' ') else {
            fail!("'{line}' is not CHANNEL REQUEST");
        };
        if let Some(transport) = what.strip_prefix("bind ") {
            match <Transport as ValueEnum>::from_str(transport, false) {
                Ok(transport) => self.add(transport)?,
                Err(why) => fail!("{transport}: {why}"),
            }
            return Ok("bound".into());
        }
        let index = number.parse::<usize>().unwrap_or(0).wrapping_sub(1);
        let Some(channel) = self.channels.get_mut(index) else {
            fail!("there is no channel '{number}'");
        };
        match (what, &self.place) {
            ("enter" | "visit", None) => {
                let (share, file) = (&self.options.share, &self.options.file);
                self.place = Some(match what {
                    "enter" => channel.enter(share, file)?,
                    _ => channel.visit(share, file)?,
                });
                let tree = channel.tree_id;
                for other in &mut self.channels {
                    other.tree_id = tree;
                }
                Ok("entered".into())
            }
            ("leave", Some(place)) => {
                channel.leave(place)?;
                self.place = None;
                Ok("left".into())
            }
            ("interfaces", _) => channel.probe_interfaces(),
            (_, Some(place)) if what.starts_with("smuggle ") => {
                channel.probe_smuggle(place, what.trim_start_matches("smuggle "))
            }
            ("all", Some(place)) => channel.probe_all(place),
            (_, Some(place)) => channel.probe(place, what),
            (_, None) => fail!("enter comes before '{what}'"),
        }
    }
}

/// Answer each line of the standard input with one, until it is `bye`; true if there
/// was no error.
pub fn run(options: Options) -> Result<bool, String> {
    let mut talk = Talk::open(options).map_err(|e| e.to_string())?;
    let mut good = true;
    say("ready")?;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|e| e.to_string())?;
        if line == "bye" {
            break;
        }
        let answer = talk.answer(&line).unwrap_or_else(|why| {
            good = false;
            format!("error: {why}")
        });
        say(&answer)?;
    }
    Ok(good)
}

fn say(line: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|e| e.to_string())
}
