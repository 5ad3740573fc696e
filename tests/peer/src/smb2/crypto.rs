// SPDX-License-Identifier: GPL-2.0
//! Signing of SMB 3.x (MS-SMB2 3.1.4.1, 3.1.4.2).

use aes::Aes128;
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
        let key = match preauth {
            None => derive(session_key, b"SMB2AESCMAC\0", b"SmbSign\0"),
            Some(hash) => derive(session_key, b"SMBSigningKey\0", hash),
        };
        Signer { key }
    }

    fn signature(&self, message: &[u8]) -> [u8; 16] {
        let mut mac = Cmac::<Aes128>::new(&self.key.into());
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

/// The key derivation of NIST SP 800-108 in counter mode, for 128 bits.
fn derive(key: &[u8; 16], label: &[u8], context: &[u8]) -> [u8; 16] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key of HMAC");
    mac.update(&1u32.to_be_bytes());
    mac.update(label);
    mac.update(&[0]);
    mac.update(context);
    mac.update(&128u32.to_be_bytes());
    let out = mac.finalize().into_bytes();
    std::array::from_fn(|i| out[i])
}

/// The pre-authentication hash of 3.1.1 (MS-SMB2 3.2.5.2): one message more.
pub fn extend(hash: &[u8; 64], message: &[u8]) -> [u8; 64] {
    Sha512::new()
        .chain_update(hash)
        .chain_update(message)
        .finalize()
        .into()
}
