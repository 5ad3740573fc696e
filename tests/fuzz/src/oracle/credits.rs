// SPDX-License-Identifier: GPL-2.0

//! Credits (3.1.4.2, 3.1.5.8, 3.1.5.9) as bounds: what a message may grant, must grant, and when an
//! empty message for it is allowed or due. Numbers are signed, so one that should not get below
//! zero can be seen to do so.

/// Both directions of one side.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// ReceiveCreditMax.
    pub max: i64,
    /// What the caller cares to provide.
    pub limit: i64,
    /// ReceiveCreditTarget.
    pub target: i64,
    /// Receives on the queue pair.
    pub posted: i64,
    /// Credits that the peer holds.
    pub granted: i64,
    /// Credits that we hold.
    pub send: i64,
    /// An answer is due.
    pub reply: bool,
    /// The peer sent payload since our last grant.
    pub payload: bool,
}

impl Model {
    /// Posted receives that are not promised to the peer.
    fn free(&self) -> i64 {
        self.posted - self.granted
    }

    /// What the peer should hold.
    pub fn goal(&self) -> i64 {
        self.target.min(self.max).min(self.limit).max(1)
    }

    /// What always holds: a credit is a promise of a posted receive, and no queue is made for more
    /// than one receive beyond max.
    pub fn check(&self) {
        assert!(0 <= self.send, "{self:?}");
        assert!(0 <= self.granted, "{self:?}");
        assert!(self.granted <= self.posted, "{self:?}");
        assert!(self.posted <= self.max + 1, "{self:?}");
    }

    /// True if a message that grants `n` keeps the rules.
    pub fn check_grant(&self, n: i64) {
        let last = self.send == 1;
        let after = self.granted + n;
        assert!(0 <= n && n <= self.free(), "grant {n}: {self:?}");
        // One more than wanted is only given where it has to be, two at most to a peer without.
        let extra = if n == 0 {
            0
        } else if last && self.granted == 0 && !self.payload {
            self.goal().max(2)
        } else if last || (self.reply && self.granted < self.max) {
            self.goal().max(self.granted + 1)
        } else {
            self.goal()
        };
        assert!(n == 0 || after <= extra, "grant {n}: {self:?}");
        assert!(n == 0 || after <= self.max || last, "grant {n}: {self:?}");
        // All that the peer wants and that is there goes along (3.1.5.9).
        let usual = self.free().min(self.goal() - self.granted);
        assert!(n >= usual, "grant {n}: {self:?}");
        if self.reply && self.free() > 0 && self.granted < self.max {
            assert!(n > 0, "an answer grants nothing: {self:?}");
        }
        if last && self.free() > 0 {
            assert!(n > 0, "a receive is there for the last credit: {self:?}");
        }
    }

    /// The last credit is not spent on a message that grants nothing (3.1.4.2), and no message goes
    /// without a credit.
    pub fn check_spend(&self, n: i64) {
        assert!(self.send >= 1, "a message without a credit: {self:?}");
        assert!(
            self.send >= 2 || n >= 1,
            "the last credit for nothing: {self:?}"
        );
    }

    /// An empty message is due for nothing but a grant. `n` is what can be granted.
    pub fn check_grant_due(&self, n: i64, due: bool) {
        if due {
            assert!(n > 0, "nothing to grant: {self:?}");
            let low = self.granted * 4 < self.goal() && n * 2 >= self.goal();
            assert!(self.granted == 0 || low, "the peer has enough: {self:?}");
            // Else two peers would answer each other for ever.
            assert!(n > 1 || self.send > 1 || self.payload, "{self:?}");
        } else if self.granted == 0 && n > 0 && (n > 1 || self.send > 1 || self.payload) {
            panic!("the peer cannot ask: {self:?}");
        }
    }

    /// A message with a grant of `n` goes out.
    pub fn send(&mut self, n: i64) {
        self.check_grant(n);
        self.check_spend(n);
        self.granted += n;
        self.send -= 1;
        self.reply = false;
        if n > 0 {
            self.payload = false;
        }
        self.check();
    }

    /// A message comes in; false if the peer had no credit for it.
    pub fn receive(&mut self, requested: u64, granted: u64, most: i64) -> bool {
        if self.granted == 0 {
            return false;
        }
        self.granted -= 1;
        self.posted -= 1;
        self.target = (requested as i64).min(self.max);
        self.send = (self.send + granted as i64).min(most);
        true
    }
}
