// SPDX-License-Identifier: GPL-2.0
//! Signing and encryption of SMB 3.x (MS-SMB2 3.1.4.1 to 3.1.4.3).

use aes::{Aes128, Aes256};
use aes_gcm::aead::{AeadInPlace, KeyInit as _};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use ccm::consts::{U11, U16};
use ccm::Ccm;
use cmac::Cmac;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};

/// Signs with AES-128-CMAC.
#[derive(Clone)]
pub struct Signer {
    key: [u8; 16],
}

impl Signer {
    /// The key for signing from the session's key: of 3.0 and 3.0.2, or with
    /// the hash over the first messages of 3.1.1.
    pub fn new(session_key: &[u8; 16], preauth: Option<&[u8; 64]>) -> Self {
        let mut key = [0; 16];
        match preauth {
            None => derive(session_key, b"SMB2AESCMAC\0", b"SmbSign\0", &mut key),
            Some(hash) => derive(session_key, b"SMBSigningKey\0", hash, &mut key),
        }
        Signer { key }
    }

    fn signature(&self, message: &[u8]) -> [u8; 16] {
        let mut mac = <Cmac<Aes128> as Mac>::new(&self.key.into());
        mac.update(&message[..48]);
        mac.update(&[0; 16]);
        mac.update(&message[64..]);
        mac.finalize().into_bytes().into()
    }

    /// Set the flag and the signature of a complete message.
    pub fn sign(&self, message: &mut [u8]) {
        message[16] |= 8;
        let signature = self.signature(message);
        message[48..64].copy_from_slice(&signature);
    }

    /// Is the message's signature right?
    pub fn verify(&self, message: &[u8]) -> bool {
        message.len() >= 64 && self.signature(message) == message[48..64]
    }
}

/// The key derivation of NIST SP 800-108 in counter mode, for up to 256 bits.
fn derive(key: &[u8; 16], label: &[u8], context: &[u8], out: &mut [u8]) {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("any length is a key of HMAC");
    mac.update(&1u32.to_be_bytes());
    mac.update(label);
    mac.update(&[0]);
    mac.update(context);
    mac.update(&(out.len() as u32 * 8).to_be_bytes());
    let made = mac.finalize().into_bytes();
    out.copy_from_slice(&made[..out.len()]);
}

/// The pre-authentication hash of 3.1.1 (MS-SMB2 3.2.5.2): one message more.
pub fn extend(hash: &[u8; 64], message: &[u8]) -> [u8; 64] {
    Sha512::new()
        .chain_update(hash)
        .chain_update(message)
        .finalize()
        .into()
}

/// The ciphers of SMB 3.1.1 (MS-SMB2 2.2.3.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    Aes128Ccm,
    Aes128Gcm,
    Aes256Ccm,
    Aes256Gcm,
}

impl Cipher {
    pub fn nonce_len(self) -> usize {
        match self {
            Cipher::Aes128Ccm | Cipher::Aes256Ccm => 11,
            Cipher::Aes128Gcm | Cipher::Aes256Gcm => 12,
        }
    }

    fn key_len(self) -> usize {
        match self {
            Cipher::Aes128Ccm | Cipher::Aes128Gcm => 16,
            Cipher::Aes256Ccm | Cipher::Aes256Gcm => 32,
        }
    }
}

/// Length of the tag of all of them.
pub const TAG: usize = 16;

/// The keys of an encrypted session. Nonces are counted, so none comes twice.
pub struct Sealer {
    pub cipher: Cipher,
    ours: [u8; 32],
    theirs: [u8; 32],
    count: u64,
}

impl Sealer {
    /// For 3.1.1, from the session's key and the hash over its first messages.
    pub fn new(cipher: Cipher, session_key: &[u8; 16], preauth: &[u8; 64]) -> Self {
        let (mut ours, mut theirs) = ([0; 32], [0; 32]);
        let n = cipher.key_len();
        derive(session_key, b"SMBC2SCipherKey\0", preauth, &mut ours[..n]);
        derive(session_key, b"SMBS2CCipherKey\0", preauth, &mut theirs[..n]);
        Sealer {
            cipher,
            ours,
            theirs,
            count: 0,
        }
    }

    fn nonce(&mut self) -> Vec<u8> {
        self.count += 1;
        let mut nonce = self.count.to_le_bytes().to_vec();
        nonce.resize(self.cipher.nonce_len(), 0);
        nonce
    }

    /// Encrypt `data` in place: the nonce and the tag.
    pub fn seal(&mut self, aad: &[u8], data: &mut [u8]) -> (Vec<u8>, [u8; TAG]) {
        let nonce = self.nonce();
        let tag = self.seal_with(&nonce, aad, data);
        (nonce, tag)
    }

    fn seal_with(&self, nonce: &[u8], aad: &[u8], data: &mut [u8]) -> [u8; TAG] {
        let key = &self.ours[..self.cipher.key_len()];
        macro_rules! with {
            ($cipher:ty) => {
                <$cipher>::new_from_slice(key)
                    .expect("a key of the cipher's length")
                    .encrypt_in_place_detached(nonce.into(), aad, data)
            };
        }
        let tag = match self.cipher {
            Cipher::Aes128Ccm => with!(Ccm<Aes128, U16, U11>),
            Cipher::Aes256Ccm => with!(Ccm<Aes256, U16, U11>),
            Cipher::Aes128Gcm => with!(Aes128Gcm),
            Cipher::Aes256Gcm => with!(Aes256Gcm),
        };
        tag.expect("a message below the cipher's limit").into()
    }

    /// Decrypt what the server has sealed; false if it is not what it sealed.
    #[must_use]
    pub fn open(&self, nonce: &[u8], tag: &[u8], aad: &[u8], data: &mut [u8]) -> bool {
        if nonce.len() != self.cipher.nonce_len() || tag.len() != TAG {
            return false;
        }
        let key = &self.theirs[..self.cipher.key_len()];
        macro_rules! with {
            ($cipher:ty) => {
                <$cipher>::new_from_slice(key)
                    .expect("a key of the cipher's length")
                    .decrypt_in_place_detached(nonce.into(), aad, data, tag.into())
                    .is_ok()
            };
        }
        match self.cipher {
            Cipher::Aes128Ccm => with!(Ccm<Aes128, U16, U11>),
            Cipher::Aes256Ccm => with!(Ccm<Aes256, U16, U11>),
            Cipher::Aes128Gcm => with!(Aes128Gcm),
            Cipher::Aes256Gcm => with!(Aes256Gcm),
        }
    }

    /// A message behind a TRANSFORM_HEADER (MS-SMB2 2.2.41).
    pub fn wrap(&mut self, session_id: u64, mut message: Vec<u8>) -> Vec<u8> {
        let nonce = self.nonce();
        let mut head = vec![0; 52];
        head[..4].copy_from_slice(b"\xfdSMB");
        head[20..20 + nonce.len()].copy_from_slice(&nonce);
        head[36..40].copy_from_slice(&(message.len() as u32).to_le_bytes());
        head[42] = 1;
        head[44..52].copy_from_slice(&session_id.to_le_bytes());
        let tag = self.seal_with(&nonce, &head[20..], &mut message);
        head[4..20].copy_from_slice(&tag);
        head.extend(message);
        head
    }

    /// The message behind a TRANSFORM_HEADER; None if it was not sealed so.
    pub fn unwrap(&self, message: &[u8]) -> Option<Vec<u8>> {
        let (head, body) = message.split_at_checked(52)?;
        let mut body = body.to_vec();
        let nonce = &head[20..20 + self.cipher.nonce_len()];
        self.open(nonce, &head[4..20], &head[20..], &mut body)
            .then_some(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_and_nothing_else() {
        for cipher in [
            Cipher::Aes128Ccm,
            Cipher::Aes128Gcm,
            Cipher::Aes256Ccm,
            Cipher::Aes256Gcm,
        ] {
            let mut one = Sealer::new(cipher, &[7; 16], &[9; 64]);
            let mut other = Sealer::new(cipher, &[7; 16], &[9; 64]);
            std::mem::swap(&mut other.ours, &mut other.theirs);
            let mut sealed = one.wrap(5, b"a message".to_vec());
            assert_eq!(other.unwrap(&sealed).as_deref(), Some(&b"a message"[..]));
            sealed[52] ^= 1;
            assert_eq!(other.unwrap(&sealed), None);
            assert_eq!(other.unwrap(&sealed[..51]), None);
        }
    }
}
