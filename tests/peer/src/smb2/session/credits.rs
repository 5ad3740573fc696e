// SPDX-License-Identifier: GPL-2.0
//! SMB2 credits (MS-SMB2 3.2.4.1.2): each request costs some, each response brings some.

use super::{Pipe, Session};
use crate::ensure;
use crate::stop::Try;

impl<P: Pipe> Session<P> {
    /// Requests that the server has given credits for and that were not sent.
    pub fn credits(&self) -> u32 {
        self.credits
    }

    /// Asks the server, by ECHO, until it has given `n`, and for as many from here on.
    pub fn collect(&mut self, n: u32) -> Try<()> {
        self.wanted = n;
        let mut before = None;
        while self.credits < n {
            ensure!(
                before.replace(self.credits) != Some(self.credits),
                "the server gives {} credits, should be {n}: is `smb2 max credits` set?",
                self.credits
            );
            self.must(13, &[4, 0, 0, 0], 0, "ECHO")?;
        }
        Ok(())
    }

    /// A response that was read by somebody else gave so many.
    pub fn earn(&mut self, credits: u16) {
        self.credits += u32::from(credits);
    }
}
