// SPDX-License-Identifier: GPL-2.0

//! Credits: the right to send one data message each (3.1.5.9).
//!
//! # Words
//!
//! * *posted*: receives on the queue pair that no message has used yet.
//! * *granted*: credits that the peer holds. A granted credit promises a posted receive, so
//!   `granted <= posted` always; this is why receives are posted first and granted after.
//! * *target*: the total number of credits that the peer would like to hold (CreditsRequested of
//!   its last message). It may fall below what is granted; then nothing is taken back but nothing
//!   is added either.
//! * *max*: the most credits that we give (ReceiveCreditMax).
//!
//! # One more than the target
//!
//! The last send credit may only be spent on a message that grants something (3.1.4.2), else
//! both sides could end up without. If nothing is grantable then, one receive is posted and
//! granted beyond target and max. After that the peer can only give us a credit by sending a
//! message, which uses up one receive; so `granted <= max + 1` and `posted <= max + 1` hold for
//! ever and receive queues are made for `max + 1`. Nothing but the last credit makes the peer
//! hold more than max; so whenever we are down to one credit, there is room for that receive.
//!
//! # Grants on their own
//!
//! Read literally, 3.1.5.8 makes two peers answer each other's empty messages for ever. Here a
//! grant normally travels on data. An empty message is sent for a grant only if the peer runs
//! low: it holds none, or less than a quarter of the target while at least half of the target
//! can be given. And one of these holds: the grant is two or more; or we keep a credit; or the
//! peer has sent payload since our last grant.
//!
//! That ends every exchange of empty messages. A grant of two or more costs the sender one
//! credit, so the credits of both sides together grow, and they are bounded by the two
//! `max + 1`. A grant of one by which the sender keeps a credit leaves neither side without. And
//! payload has to be sent for each of the last kind. For a peer that wants a single credit and a
//! sender that has a single one, the extra receive makes the grant of two possible.

/// Most send credits that are remembered. A peer may grant 65535 with every message for ever;
/// what goes beyond this number is forgotten, which is safe: we only send less than we might.
/// The number fits a signed 32-bit counter and 24 bits.
pub const SEND_CREDIT_LIMIT: u32 = 0x00FF_FFFF;

/// Credits that the peer gave us.
#[derive(Debug, PartialEq, Eq)]
pub struct SendCredits(u32);

impl SendCredits {
    /// Starts with what the negotiation gave.
    #[must_use]
    pub const fn new(initial: u16) -> Self {
        // Lossless; `u32::from` is not const.
        Self(initial as u32)
    }

    /// Messages that may be sent now.
    #[inline]
    #[must_use]
    pub const fn available(&self) -> u32 {
        self.0
    }

    /// A message of the peer granted `n` more.
    #[inline]
    pub fn add(&mut self, n: u16) {
        self.0 = self.0.saturating_add(u32::from(n)).min(SEND_CREDIT_LIMIT);
    }

    /// Spends one; false if there is none.
    #[inline]
    #[must_use]
    pub fn spend(&mut self) -> bool {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => false,
        }
    }
}

/// What the next message to be sent means for the credits that it grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Send credits, with the one that the message will spend.
    pub credits: u32,
    /// The message answers one of the peer that asked for it, and that used a receive.
    pub reply_due: bool,
}

impl Sender {
    #[inline]
    const fn last_credit(self) -> bool {
        self.credits == 1
    }
}

/// Receives that we posted and credits that we gave for them.
#[derive(Debug, PartialEq, Eq)]
pub struct RecvCredits {
    max: u16,
    limit: u16,
    target: u16,
    posted: u16,
    granted: u16,
    payload_since_grant: bool,
}

impl RecvCredits {
    /// Nothing posted, nothing granted.
    #[must_use]
    pub const fn new(max: u16, target: u16) -> Self {
        Self {
            max,
            limit: max,
            target,
            posted: 0,
            granted: 0,
            payload_since_grant: false,
        }
    }

    /// Receives on the queue pair.
    #[inline]
    #[must_use]
    pub const fn posted(&self) -> u16 {
        self.posted
    }

    /// Credits that the peer holds.
    #[inline]
    #[must_use]
    pub const fn granted(&self) -> u16 {
        self.granted
    }

    /// Credits that the peer would like to hold.
    #[inline]
    #[must_use]
    pub const fn target(&self) -> u16 {
        self.target
    }

    /// The number of receives to aim for: what the peer wants, within what we give and what the
    /// caller cares to provide at the moment.
    #[inline]
    fn goal(&self) -> u16 {
        self.target.min(self.max).min(self.limit).max(1)
    }

    /// The number of credits up to which the next message grants: the goal, but two if the peer
    /// has none, its last messages carried nothing and we spend our last credit (see "Grants on
    /// their own").
    #[inline]
    fn grant_up_to(&self, sender: Sender) -> u16 {
        if self.granted == 0 && sender.last_credit() && !self.payload_since_grant {
            self.goal().max(2)
        } else {
            self.goal()
        }
    }

    /// Bounds the number of receives that [`Self::wanted`] asks for, for a caller whose pool of
    /// buffers starts small and grows with use.
    pub fn set_limit(&mut self, limit: u16) {
        self.limit = limit.clamp(1, self.max.max(1));
    }

    /// The peer said how many credits it would like to hold.
    #[inline]
    pub fn set_target(&mut self, requested: u16) {
        self.target = requested.min(self.max);
    }

    /// `n` receives were posted.
    #[inline]
    pub fn add_posted(&mut self, n: u16) {
        self.posted = self.posted.saturating_add(n);
    }

    /// Receives that should be posted now.
    #[inline]
    #[must_use]
    pub fn wanted(&self, sender: Sender) -> u16 {
        self.grant_up_to(sender).saturating_sub(self.posted)
    }

    /// True while one more receive fits the queues.
    #[inline]
    #[must_use]
    pub const fn can_overpost(&self) -> bool {
        self.posted < self.max.saturating_add(1)
    }

    /// Credits that the next message can grant. With the last credit one is granted even beyond
    /// max if a receive for it is posted, in an answer even beyond the target.
    #[inline]
    #[must_use]
    pub fn grantable(&self, sender: Sender) -> u16 {
        let free = self.posted.saturating_sub(self.granted);
        let usual = free.min(self.grant_up_to(sender).saturating_sub(self.granted));
        if usual == 0 && self.may_exceed_target(sender) {
            free.min(1)
        } else {
            usual
        }
    }

    /// True if one more receive than the target asks for is of use to the next message.
    #[inline]
    #[must_use]
    pub const fn may_exceed_target(&self, sender: Sender) -> bool {
        sender.last_credit() || (sender.reply_due && self.granted < self.max)
    }

    /// `n` credits, not more than are grantable, went into a message.
    #[inline]
    pub fn grant(&mut self, n: u16) {
        if n != 0 {
            self.granted = self.granted.saturating_add(n).min(self.posted);
            self.payload_since_grant = false;
        }
    }

    /// The grant of a negotiate response: never more than was asked for.
    #[must_use]
    pub fn grant_initial(&mut self) -> u16 {
        let n = self.posted.min(self.target).saturating_sub(self.granted);
        self.grant(n);
        n
    }

    /// A message of the peer used a receive and a credit; false if the peer had no credit.
    #[inline]
    #[must_use]
    pub fn consume(&mut self) -> bool {
        match (self.granted.checked_sub(1), self.posted.checked_sub(1)) {
            (Some(granted), Some(posted)) => {
                self.granted = granted;
                self.posted = posted;
                true
            }
            _ => false,
        }
    }

    /// The peer sent payload, so it is about more than credits.
    #[inline]
    pub fn note_payload(&mut self) {
        self.payload_since_grant = true;
    }

    /// True if the peer needs a grant so much that an empty message should carry it.
    #[inline]
    #[must_use]
    pub fn grant_due(&self, sender: Sender) -> bool {
        let grantable = self.grantable(sender);
        let worth_it = grantable > 1 || sender.credits > 1 || self.payload_since_grant;
        if grantable == 0 || !worth_it {
            return false;
        }
        let goal = u32::from(self.goal());
        let granted = u32::from(self.granted);
        let low =
            granted.saturating_mul(4) < goal && u32::from(grantable).saturating_mul(2) >= goal;
        granted == 0 || low
    }
}
