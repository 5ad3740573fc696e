// SPDX-License-Identifier: GPL-2.0

//! What an administrator can set: names, ranges, and the spelling of values.
//!
//! The table is the one of `Documentation/steering.md`, 1. The kernel module and `smbdirectctl` use this same code, so they cannot disagree.

use core::fmt;

/// Whether a share is served over RDMA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Over both.
    #[default]
    Auto,
    /// Not over RDMA.
    Off,
    /// Data only over RDMA.
    Required,
}

impl Mode {
    /// All, in the order of their documentation.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Off, Self::Required];

    /// The word in configuration files and configfs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Off => "off",
            Self::Required => "required",
        }
    }

    /// The mode of that name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.name().eq_ignore_ascii_case(name))
    }
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Connections.
    Connections,
    /// Messages.
    Messages,
    /// Bytes; the suffixes K, M and G are allowed.
    Bytes,
    /// Seconds.
    Seconds,
}

impl Unit {
    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Messages => "messages",
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
        }
    }
}

/// A numeric setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Server connections at once.
    MaxConnections,
    /// Server connections at once from one source.
    MaxConnectionsPerAddress,
    /// Connections of a listener that are not accepted yet.
    MaxHalfOpen,
    /// `recv_credit_max`.
    ReceiveCredits,
    /// `send_credit_target`.
    SendCredits,
    /// `max_send_size`.
    MaxSendSize,
    /// `max_recv_size`.
    MaxReceiveSize,
    /// `max_fragmented_recv_size`.
    MaxFragmentedSize,
    /// `max_read_write_size`.
    MaxReadWriteSize,
    /// `keepalive_interval_msec`.
    KeepaliveInterval,
    /// `negotiate_timeout_msec`.
    NegotiateTimeout,
    /// A server's wait for one credit.
    CreditTimeout,
}

/// Number of numeric settings.
pub const NUMBERS: usize = 12;

/// What there is to know about a numeric setting.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Its name in configuration files, without the `smb direct` in front.
    pub name: &'static str,
    /// Its name in configfs.
    pub attribute: &'static str,
    /// Smallest value.
    pub min: u32,
    /// Largest value.
    pub max: u32,
    /// The value if it is not set and the consumer says nothing else; `None`: computed.
    pub default: Option<u32>,
    /// What it counts.
    pub unit: Unit,
}

impl Number {
    /// All, in the order of their documentation.
    pub const ALL: [Self; NUMBERS] = [
        Self::MaxConnections,
        Self::MaxConnectionsPerAddress,
        Self::MaxHalfOpen,
        Self::ReceiveCredits,
        Self::SendCredits,
        Self::MaxSendSize,
        Self::MaxReceiveSize,
        Self::MaxFragmentedSize,
        Self::MaxReadWriteSize,
        Self::KeepaliveInterval,
        Self::NegotiateTimeout,
        Self::CreditTimeout,
    ];

    /// Name, range, default, unit.
    #[must_use]
    pub const fn spec(self) -> Spec {
        use Unit::{Bytes, Connections, Messages, Seconds};
        const fn of(
            name: &'static str,
            attribute: &'static str,
            (min, max): (u32, u32),
            default: Option<u32>,
            unit: Unit,
        ) -> Spec {
            Spec {
                name,
                attribute,
                min,
                max,
                default,
                unit,
            }
        }
        match self {
            Self::MaxConnections => of(
                "max connections",
                "max_connections",
                (0, 65_536),
                Some(4096),
                Connections,
            ),
            Self::MaxConnectionsPerAddress => of(
                "max connections per address",
                "max_connections_per_address",
                (0, 65_536),
                Some(512),
                Connections,
            ),
            Self::MaxHalfOpen => of(
                "max half open",
                "max_half_open",
                (8, 192),
                Some(128),
                Connections,
            ),
            Self::ReceiveCredits => of(
                "receive credits",
                "receive_credits",
                (8, 1024),
                Some(255),
                Messages,
            ),
            Self::SendCredits => of(
                "send credits",
                "send_credits",
                (8, 1024),
                Some(255),
                Messages,
            ),
            Self::MaxSendSize => of(
                "max send size",
                "max_send_size",
                (512, 8136),
                Some(1364),
                Bytes,
            ),
            Self::MaxReceiveSize => of(
                "max receive size",
                "max_receive_size",
                (512, 8136),
                Some(1364),
                Bytes,
            ),
            Self::MaxFragmentedSize => of(
                "max fragmented size",
                "max_fragmented_size",
                (131_072, 16_777_215),
                None,
                Bytes,
            ),
            Self::MaxReadWriteSize => of(
                "max read write size",
                "max_read_write_size",
                (65_536, 16_777_216),
                Some(8_388_608),
                Bytes,
            ),
            Self::KeepaliveInterval => of(
                "keepalive interval",
                "keepalive_interval",
                (1, 3600),
                Some(120),
                Seconds,
            ),
            Self::NegotiateTimeout => of(
                "negotiate timeout",
                "negotiate_timeout",
                (1, 120),
                Some(5),
                Seconds,
            ),
            Self::CreditTimeout => of(
                "credit timeout",
                "credit_timeout",
                (1, 300),
                Some(5),
                Seconds,
            ),
        }
    }

    /// The value that a text stands for, if it is in range.
    pub fn parse(self, text: &str) -> Result<u32, NumberError> {
        let spec = self.spec();
        let value = parse_number(text, spec.unit == Unit::Bytes)?;
        match u32::try_from(value) {
            Ok(value) if (spec.min..=spec.max).contains(&value) => Ok(value),
            _ => Err(NumberError::Range),
        }
    }
}

/// Why a text is no value of a numeric setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberError {
    /// It does not begin with a digit.
    NoNumber,
    /// Digits, and then something that is no suffix.
    Rest,
    /// A suffix where only bytes have one.
    Suffix,
    /// A leading zero: ksmbd would read it as octal.
    LeadingZero,
    /// Not in the range of the setting.
    Range,
}

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoNumber => "not a number",
            Self::Rest => "not a number: something follows the digits",
            Self::Suffix => "K, M and G are for sizes only",
            Self::LeadingZero => "a number does not begin with 0",
            Self::Range => "out of range",
        })
    }
}

/// Decimal digits and, if allowed, one of K, M, G. What does not fit a `u64` is out of every range.
fn parse_number(text: &str, suffixes: bool) -> Result<u64, NumberError> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    if digits.is_empty() {
        return Err(NumberError::NoNumber);
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(NumberError::LeadingZero);
    }
    let shift = match rest {
        "" => 0,
        "K" | "k" => 10,
        "M" | "m" => 20,
        "G" | "g" => 30,
        _ => return Err(NumberError::Rest),
    };
    if shift != 0 && !suffixes {
        return Err(NumberError::Suffix);
    }
    let number: u64 = digits.parse().map_err(|_| NumberError::Range)?;
    number.checked_mul(1 << shift).ok_or(NumberError::Range)
}

/// All numeric settings; what is `None` is not set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers([Option<u32>; NUMBERS]);

impl Numbers {
    /// Nothing is set.
    #[must_use]
    pub const fn new() -> Self {
        Self([None; NUMBERS])
    }

    /// The value of a setting, if it is set.
    #[must_use]
    pub fn get(&self, number: Number) -> Option<u32> {
        self.0.get(number as usize).copied().flatten()
    }

    /// Sets or unsets a setting. `false`: the value is out of range, and nothing changed.
    #[must_use]
    pub fn set(&mut self, number: Number, value: Option<u32>) -> bool {
        let spec = number.spec();
        let fits = value.is_none_or(|v| (spec.min..=spec.max).contains(&v));
        if let (true, Some(slot)) = (fits, self.0.get_mut(number as usize)) {
            *slot = value;
        }
        fits
    }

    /// Two settings that contradict each other, if there are such.
    #[must_use]
    pub fn contradiction(&self) -> Option<(Number, Number)> {
        let all = self.get(Number::MaxConnections)?;
        let each = self.get(Number::MaxConnectionsPerAddress)?;
        (all != 0 && (each == 0 || each > all))
            .then_some((Number::MaxConnectionsPerAddress, Number::MaxConnections))
    }
}
