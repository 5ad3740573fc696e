// SPDX-License-Identifier: GPL-2.0
//! An SMB2 session with a tree and files, over any transport.

mod credits;

use smb_dtyp::Guid;
use smb_msg::{
    Dialect, EncryptionCapabilities, EncryptionCipher, GlobalCapabilities, HashAlgorithm,
    NegotiateCapabilities, NegotiateContext, NegotiateContextValue, NegotiateDialect,
    NegotiateRequest, NegotiateResponse, NegotiateSecurityMode, PreauthIntegrityCapabilities,
    RdmaTransformCapabilities, RdmaTransformId, SessionSecurityMode, SessionSetupRequest,
    SessionSetupResponse, SetupRequestFlags, SigningAlgorithmId, SigningCapabilities,
    TreeConnectRequest,
};

use super::crypto::{extend, Cipher, Sealer, Signer};
use super::messages::{body_of, status, Response, HEADER};
use super::ntlm;
use crate::smbd::Link;
use crate::stop::Try;
use crate::{ensure, ensure_eq, fail};

/// What carries SMB2 messages.
pub trait Pipe {
    fn send(&mut self, message: &[u8]) -> Try<()>;
    /// A message and the keys that were invalidated with it.
    fn receive(&mut self, what: &str) -> Try<(Vec<u8>, Vec<u32>)>;
}

impl Pipe for Link {
    fn send(&mut self, message: &[u8]) -> Try<()> {
        self.send_message(message)
    }

    fn receive(&mut self, what: &str) -> Try<(Vec<u8>, Vec<u32>)> {
        self.receive_message(what)
    }
}

impl Pipe for Box<dyn Pipe> {
    fn send(&mut self, message: &[u8]) -> Try<()> {
        (**self).send(message)
    }

    fn receive(&mut self, what: &str) -> Try<(Vec<u8>, Vec<u32>)> {
        (**self).receive(what)
    }
}

/// Who the session is for.
#[derive(Clone, Debug)]
pub enum Credentials {
    Guest,
    User { name: String, password: String },
}

/// The dialects that are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialects {
    /// 3.0, 3.0.2 and 3.1.1.
    All,
    /// 3.0 only.
    V300,
}

/// The biggest reads and writes that the server reported.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    pub read: u32,
    pub write: u32,
}

/// The session; its transport is open to the cases.
pub struct Session<P> {
    pub pipe: P,
    pub limits: Limits,
    pub session_id: u64,
    pub tree_id: u32,
    pub dialect: Option<Dialect>,
    /// The RDMA transforms that the server does (MS-SMB2 2.2.3.1.6); None if it
    /// said nothing about them.
    pub transforms: Option<Vec<RdmaTransformId>>,
    /// Whether NEGOTIATE says that the client knows multichannel.
    pub announce_channels: bool,
    guid: [u8; 16],
    next_id: u64,
    credits: u32,
    /// Those that it asks for: enough for the biggest operations, with some in flight.
    wanted: u32,
    preauth: [u8; 64],
    session_key: Option<[u8; 16]>,
    signer: Option<Signer>,
    /// Messages are encrypted if there is one.
    pub sealer: Option<Sealer>,
    cipher: Cipher,
}

impl<P: Pipe> Session<P> {
    pub fn new(pipe: P) -> Self {
        let mut guid = *b"smbd-peer-\0\0\0\0\0\0";
        let seed = std::time::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default()
            .as_nanos() as u64;
        guid[8..].copy_from_slice(&(seed ^ u64::from(std::process::id()) << 32).to_le_bytes());
        Session {
            pipe,
            limits: Limits::default(),
            session_id: 0,
            tree_id: 0,
            dialect: None,
            transforms: None,
            announce_channels: true,
            guid,
            next_id: 0,
            credits: 0,
            wanted: 1024,
            preauth: [0; 64],
            session_key: None,
            signer: None,
            sealer: None,
            cipher: Cipher::Aes128Gcm,
        }
    }

    /// Negotiate, set the session up, connect to the share.
    pub fn open(pipe: P, dialects: Dialects, who: &Credentials, share: &str) -> Try<Self> {
        let mut this = Self::new(pipe);
        this.negotiate(dialects)?;
        this.setup(who)?;
        this.tree_connect(share)?;
        Ok(this)
    }

    /// The next request as bytes, signed if the session is; `size` is what it
    /// or its response carries, which decides how many credits it costs.
    pub fn request(&mut self, command: u16, body: &[u8], size: u32) -> Vec<u8> {
        let mut out = self.unsigned(command, body, size);
        if let Some(sealer) = &mut self.sealer {
            return sealer.wrap(self.session_id, out);
        }
        if let Some(signer) = &self.signer {
            signer.sign(&mut out);
        }
        out
    }

    fn unsigned(&mut self, command: u16, body: &[u8], size: u32) -> Vec<u8> {
        let charge = if self.dialect.is_some() {
            size.div_ceil(65536).max(1)
        } else {
            1
        };
        let mut out = Vec::with_capacity(HEADER + body.len());
        out.extend_from_slice(b"\xfeSMB");
        out.extend_from_slice(&64u16.to_le_bytes());
        out.extend_from_slice(&(charge as u16).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&command.to_le_bytes());
        let missing = self.wanted.saturating_sub(self.credits);
        let ask = (missing + charge).min(512);
        out.extend_from_slice(&(ask as u16).to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&self.next_id.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.tree_id.to_le_bytes());
        out.extend_from_slice(&self.session_id.to_le_bytes());
        out.extend_from_slice(&[0; 16]);
        out.extend_from_slice(body);
        self.next_id += u64::from(charge);
        self.credits = self.credits.saturating_sub(charge);
        out
    }

    /// Requests in one message, each but the first related to the one before it
    /// (MS-SMB2 3.2.4.1.4); the status of each.
    pub fn chain(&mut self, requests: &[(u16, Vec<u8>)]) -> Try<Vec<u32>> {
        ensure!(self.sealer.is_none(), "chains are not encrypted here");
        let mut message = Vec::new();
        for (i, (command, body)) in requests.iter().enumerate() {
            let mut part = self.unsigned(*command, body, 0);
            if i > 0 {
                part[16] |= 4;
            }
            if i + 1 < requests.len() {
                part.resize(part.len().next_multiple_of(8), 0);
                let next = part.len() as u32;
                part[20..24].copy_from_slice(&next.to_le_bytes());
            }
            if let Some(signer) = &self.signer {
                signer.sign(&mut part);
            }
            message.extend(part);
        }
        self.pipe.send(&message)?;
        let (mut rest, _) = self.pipe.receive("the responses to a chain")?;
        let mut out = Vec::new();
        loop {
            let next = rest
                .get(20..24)
                .map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize);
            ensure!(next <= rest.len(), "a chain's NextCommand is {next}");
            let after = if next == 0 {
                Vec::new()
            } else {
                rest.split_off(next)
            };
            let response = Response::read(rest, Vec::new())?;
            self.credits += u32::from(response.credits);
            out.push(response.status);
            if after.is_empty() {
                break;
            }
            rest = after;
        }
        ensure_eq!("the length of the chain", out.len(), requests.len());
        Ok(out)
    }

    /// The response that comes next, whatever its status; interim ones are read.
    pub fn response(&mut self, what: &str) -> Try<Response> {
        loop {
            let (mut bytes, keys) = self.pipe.receive(what)?;
            if bytes.starts_with(b"\xfdSMB") {
                let Some(plain) = self.sealer.as_ref().and_then(|s| s.unwrap(&bytes)) else {
                    fail!("{what} came encrypted, and does not open");
                };
                bytes = plain;
            }
            let response = Response::read(bytes, keys)?;
            self.credits += u32::from(response.credits);
            if response.status != status::PENDING {
                return Ok(response);
            }
        }
    }

    /// Send a request that `request` made.
    pub fn send(&mut self, message: &[u8]) -> Try<()> {
        self.pipe.send(message)
    }

    /// Send a request and take the response to it.
    pub fn call(&mut self, command: u16, body: &[u8], size: u32, what: &str) -> Try<Response> {
        let id = self.next_id;
        let request = self.request(command, body, size);
        self.pipe.send(&request)?;
        let response = self.response(&format!("the response to {what}"))?;
        ensure_eq!(
            format!("the message id of the response to {what}"),
            response.message_id,
            id
        );
        ensure_eq!(
            format!("the command of the response to {what}"),
            response.command,
            command
        );
        let signed = response.bytes[16] & 8 != 0;
        if let Some(signer) = self.signer.as_ref().filter(|_| signed) {
            ensure!(
                signer.verify(&response.bytes),
                "the signature of the response to {what} is wrong"
            );
        }
        Ok(response)
    }

    pub(super) fn must(
        &mut self,
        command: u16,
        body: &[u8],
        size: u32,
        what: &str,
    ) -> Try<Response> {
        let response = self.call(command, body, size, what)?;
        ensure!(
            response.status == status::SUCCESS,
            "{what}: the server answers {:#010x}",
            response.status
        );
        Ok(response)
    }

    /// A NEGOTIATE request (MS-SMB2 2.2.3). With 3.1.1 it ends in a context that
    /// offers these RDMA transforms, if any shall be offered.
    pub fn negotiate_message(
        &mut self,
        dialects: Dialects,
        transforms: Option<Vec<RdmaTransformId>>,
    ) -> Try<Vec<u8>> {
        let cipher = match self.cipher {
            Cipher::Aes128Ccm => EncryptionCipher::Aes128Ccm,
            Cipher::Aes128Gcm => EncryptionCipher::Aes128Gcm,
            Cipher::Aes256Ccm => EncryptionCipher::Aes256Ccm,
            Cipher::Aes256Gcm => EncryptionCipher::Aes256Gcm,
        };
        let mut contexts: Vec<NegotiateContext> = vec![
            PreauthIntegrityCapabilities {
                hash_algorithms: vec![HashAlgorithm::Sha512],
                salt: self.guid.to_vec(),
            }
            .into(),
            EncryptionCapabilities {
                ciphers: vec![cipher],
            }
            .into(),
            SigningCapabilities {
                signing_algorithms: vec![SigningAlgorithmId::AesCmac],
            }
            .into(),
        ];
        contexts
            .extend(transforms.map(|transforms| RdmaTransformCapabilities { transforms }.into()));
        let request = NegotiateRequest {
            security_mode: NegotiateSecurityMode::new().with_signing_enabled(true),
            capabilities: GlobalCapabilities::new()
                .with_large_mtu(true)
                .with_multi_channel(self.announce_channels)
                .with_leasing(true),
            client_guid: Guid::from(self.guid),
            dialects: match dialects {
                Dialects::All => vec![Dialect::Smb030, Dialect::Smb0302, Dialect::Smb0311],
                Dialects::V300 => vec![Dialect::Smb030],
            },
            negotiate_context_list: (dialects == Dialects::All).then_some(contexts),
        };
        Ok(self.request(0, &body_of(&request)?, 0))
    }

    /// Negotiate, with all RDMA transforms offered.
    pub fn negotiate(&mut self, dialects: Dialects) -> Try<()> {
        self.negotiate_offering(
            dialects,
            Some(vec![RdmaTransformId::Encryption, RdmaTransformId::Signing]),
        )
    }

    pub fn negotiate_offering(
        &mut self,
        dialects: Dialects,
        transforms: Option<Vec<RdmaTransformId>>,
    ) -> Try<()> {
        let message = self.negotiate_message(dialects, transforms)?;
        self.preauth = extend(&self.preauth, &message);
        self.pipe.send(&message)?;
        let response = self.response("the response to NEGOTIATE")?;
        self.preauth = extend(&self.preauth, &response.bytes);
        ensure_eq!("the status of NEGOTIATE", response.status, status::SUCCESS);
        let got: NegotiateResponse = response.parse()?;
        self.dialect = Some(match got.dialect_revision {
            NegotiateDialect::Smb030 => Dialect::Smb030,
            NegotiateDialect::Smb0302 => Dialect::Smb0302,
            NegotiateDialect::Smb0311 => Dialect::Smb0311,
            other => fail!("the server chose dialect {other:?}"),
        });
        self.limits = Limits {
            read: got.max_read_size,
            write: got.max_write_size,
        };
        let contexts = got.negotiate_context_list.unwrap_or_default();
        self.transforms = contexts.into_iter().find_map(|c| match c.data {
            NegotiateContextValue::RdmaTransformCapabilities(t) => Some(t.transforms),
            _ => None,
        });
        Ok(())
    }

    /// SESSION_SETUP in two rounds (MS-SMB2 2.2.5).
    pub fn setup(&mut self, who: &Credentials) -> Try<()> {
        self.authenticate(who, None)
    }

    /// Bind this connection to a session of another one, which gave it this
    /// identifier and key (MS-SMB2 3.2.4.2.3).
    pub fn bind(&mut self, who: &Credentials, to: &Session<impl Pipe>) -> Try<()> {
        let Some(key) = to.session_key else {
            fail!("a guest's session cannot be bound");
        };
        self.session_id = to.session_id;
        self.authenticate(who, Some(key))
    }

    /// The same identity as another connection has, needed before `bind`.
    pub fn same_client(&mut self, as_of: &Session<impl Pipe>) {
        self.guid = as_of.guid;
    }

    fn authenticate(&mut self, who: &Credentials, bound: Option<[u8; 16]>) -> Try<()> {
        let (user, password) = match who {
            Credentials::Guest => ("nobody-at-all", None),
            Credentials::User { name, password } => (name.as_str(), Some(password.as_str())),
        };
        let modern = self.dialect == Some(Dialect::Smb0311);
        if let Some(key) = &bound {
            // these are signed with the key of the session
            self.signer = Some(Signer::new(key, modern.then_some(&self.preauth)));
        }
        let first = self.setup_round(ntlm::negotiate(), bound.is_some())?;
        ensure_eq!(
            "the status of the first SESSION_SETUP",
            first.status,
            status::MORE_PROCESSING
        );
        self.preauth = extend(&self.preauth, &first.bytes);
        self.session_id = first.session_id;
        let challenge: SessionSetupResponse = first.parse()?;
        let challenge = ntlm::Challenge::read(&challenge.buffer)?;
        let (token, key) = ntlm::authenticate(&challenge, user, password);
        let last = self.setup_round(token, bound.is_some())?;
        ensure!(
            last.status == status::SUCCESS,
            "SESSION_SETUP as {user}: the server answers {:#010x}",
            last.status
        );
        let got: SessionSetupResponse = last.parse()?;
        match password {
            None => ensure!(
                got.session_flags.is_guest_or_null_session(),
                "the server knows no guests: is `map to guest = bad user` set?"
            ),
            Some(_) => ensure!(
                !got.session_flags.is_guest_or_null_session(),
                "the server took {user} for a guest: does it have such a user?"
            ),
        }
        if let Some(key) = key {
            // a channel's own key comes from its own authentication
            // (MS-SMB2 3.3.5.5.3); the session keeps its key
            self.session_key = bound.or(Some(key));
            self.signer = Some(Signer::new(&key, modern.then_some(&self.preauth)));
        }
        Ok(())
    }

    fn setup_round(&mut self, token: Vec<u8>, binding: bool) -> Try<Response> {
        let request = SessionSetupRequest::new(
            token,
            SessionSecurityMode::new().with_signing_enabled(true),
            SetupRequestFlags::new().with_binding(binding),
            NegotiateCapabilities::new(),
        );
        let message = self.request(1, &body_of(&request)?, 0);
        self.preauth = extend(&self.preauth, &message);
        self.pipe.send(&message)?;
        self.response("the response to SESSION_SETUP")
    }

    /// The cipher to offer; before `negotiate`.
    pub fn offer_cipher(&mut self, cipher: Cipher) {
        self.cipher = cipher;
    }

    /// From here on all messages are encrypted.
    pub fn encrypt(&mut self) -> Try<()> {
        let Some(key) = &self.session_key else {
            fail!("a guest's session cannot be encrypted");
        };
        ensure_eq!("the dialect", self.dialect, Some(Dialect::Smb0311));
        self.sealer = Some(Sealer::new(self.cipher, key, &self.preauth));
        Ok(())
    }

    pub fn tree_connect(&mut self, share: &str) -> Try<()> {
        let response = self.try_tree_connect(share)?;
        ensure!(
            response.status == status::SUCCESS,
            "TREE_CONNECT {share}: the server answers {:#010x}",
            response.status
        );
        self.tree_id = response.tree_id;
        Ok(())
    }

    /// TREE_CONNECT; any status, and the session's tree stays what it was.
    pub fn try_tree_connect(&mut self, share: &str) -> Try<Response> {
        let request = TreeConnectRequest::new(&format!(r"\\server\{share}"));
        self.call(3, &body_of(&request)?, 0, &format!("TREE_CONNECT {share}"))
    }

    pub fn tree_disconnect(&mut self) -> Try<()> {
        self.must(4, &[4, 0, 0, 0], 0, "TREE_DISCONNECT").map(drop)
    }
}
