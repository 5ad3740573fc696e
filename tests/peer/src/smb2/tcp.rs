// SPDX-License-Identifier: GPL-2.0
//! SMB2 over TCP (MS-SMB2 2.1): each message after its length in four bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::session::Pipe;
use crate::ensure;
use crate::stop::{Stop, Try};
use crate::transcript::{self, Transcript};

/// A connection to port 445.
pub struct Tcp {
    stream: TcpStream,
    log: Transcript,
    number: u32,
}

impl Tcp {
    pub fn connect(log: &Transcript, mut to: SocketAddr) -> Try<Tcp> {
        to.set_port(445);
        let number = log.next_link();
        log.line(number, &format!("connecting by TCP to {}", to.ip()));
        let stream = TcpStream::connect_timeout(&to, Duration::from_secs(10))
            .map_err(|e| Stop::Failed(format!("no TCP connection to {}: {e}", to.ip())))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.set_write_timeout(Some(Duration::from_secs(60)))?;
        stream.set_nodelay(true)?;
        Ok(Tcp {
            stream,
            log: log.clone(),
            number,
        })
    }
}

impl Pipe for Tcp {
    fn send(&mut self, message: &[u8]) -> Try<()> {
        self.log
            .line(self.number, &format!("> {}", transcript::smb2(message)));
        self.stream
            .write_all(&(message.len() as u32).to_be_bytes())?;
        Ok(self.stream.write_all(message)?)
    }

    fn receive(&mut self, what: &str) -> Try<(Vec<u8>, Vec<u32>)> {
        let in_vain = |e: std::io::Error| Stop::Failed(format!("waiting for {what}: {e}"));
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).map_err(in_vain)?;
        let len = u32::from_be_bytes(head) as usize;
        ensure!(
            len <= 16 << 20,
            "the server announces a message of {len} bytes"
        );
        let mut message = vec![0; len];
        self.stream.read_exact(&mut message).map_err(in_vain)?;
        self.log
            .line(self.number, &format!("< {}", transcript::smb2(&message)));
        Ok((message, Vec::new()))
    }
}
