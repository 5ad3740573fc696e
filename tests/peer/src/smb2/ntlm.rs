// SPDX-License-Identifier: GPL-2.0
//! NTLM tokens (MS-NLMP): as a guest, with nothing computed, or NTLMv2.

use hmac::{Hmac, Mac};
use md4::{Digest, Md4};
use md5::Md5;

use crate::fail;
use crate::stop::Try;

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
/// Unicode, request target, NTLM, always sign, extended session security, 128.
const FLAGS: u32 =
    0x0000_0001 | 0x0000_0004 | 0x0000_0200 | 0x0000_8000 | 0x0008_0000 | 0x2000_0000;

/// The first token (2.2.1.1).
pub fn negotiate() -> Vec<u8> {
    let mut out = SIGNATURE.to_vec();
    out.extend_from_slice(&1u32.to_le_bytes());
    out.extend_from_slice(&FLAGS.to_le_bytes());
    out.resize(40, 0);
    out
}

/// The server's token (2.2.1.2).
pub struct Challenge {
    nonce: [u8; 8],
    target_info: Vec<u8>,
}

impl Challenge {
    pub fn read(token: &[u8]) -> Try<Self> {
        let field = || {
            let len = u16::from_le_bytes(token.get(40..42)?.try_into().ok()?) as usize;
            let at = u32::from_le_bytes(token.get(44..48)?.try_into().ok()?) as usize;
            Some(token.get(at..at.checked_add(len)?)?.to_vec())
        };
        let nonce = token.get(24..32).and_then(|x| x.try_into().ok());
        match (token.starts_with(SIGNATURE), token.get(8), nonce, field()) {
            (true, Some(2), Some(nonce), Some(target_info)) => Ok(Challenge { nonce, target_info }),
            _ => fail!("the server's NTLM challenge does not parse"),
        }
    }
}

/// The last token (2.2.1.3) and, with a password, the session's key.
pub fn authenticate(
    challenge: &Challenge,
    user: &str,
    password: Option<&str>,
) -> (Vec<u8>, Option<[u8; 16]>) {
    const DOMAIN: &str = "LAB";
    let (response, key) = match password {
        None => (vec![0; 24], None),
        Some(password) => {
            let (response, key) = v2(challenge, user, DOMAIN, password);
            (response, Some(key))
        }
    };
    let parts = [
        vec![0; 24],
        response,
        utf16(DOMAIN),
        utf16(user),
        utf16("PEER"),
        Vec::new(),
    ];
    let mut out = SIGNATURE.to_vec();
    out.extend_from_slice(&3u32.to_le_bytes());
    let mut at = 64;
    for part in &parts {
        out.extend_from_slice(&(part.len() as u16).to_le_bytes());
        out.extend_from_slice(&(part.len() as u16).to_le_bytes());
        out.extend_from_slice(&(at as u32).to_le_bytes());
        at += part.len();
    }
    out.extend_from_slice(&FLAGS.to_le_bytes());
    out.extend(parts.concat());
    (out, key)
}

/// The NTLMv2 response and the session's base key (3.3.2).
fn v2(c: &Challenge, user: &str, domain: &str, password: &str) -> (Vec<u8>, [u8; 16]) {
    let hash = Md4::digest(utf16(password));
    let owner = hmac_md5(&hash, &[&utf16(&user.to_uppercase()), &utf16(domain)]);
    let mut blob = vec![1, 1, 0, 0, 0, 0, 0, 0];
    blob.extend_from_slice(&now().to_le_bytes());
    blob.extend_from_slice(&[0x5a; 8]);
    blob.extend_from_slice(&[0; 4]);
    blob.extend_from_slice(&c.target_info);
    blob.extend_from_slice(&[0; 4]);
    let proof = hmac_md5(&owner, &[&c.nonce, &blob]);
    let key = hmac_md5(&owner, &[&proof]);
    ([proof.to_vec(), blob].concat(), key)
}

/// The time as Windows counts it: 100 ns since 1601.
fn now() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    (since.as_secs() + 11_644_473_600) * 10_000_000
}

fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = Hmac::<Md5>::new_from_slice(key).expect("any length is a key of HMAC");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of MS-NLMP 4.2.4.
    #[test]
    fn the_owner_hash_of_the_specification() {
        let hash = Md4::digest(utf16("Password"));
        let owner = hmac_md5(&hash, &[&utf16("USER"), &utf16("Domain")]);
        let want = [
            0x0c, 0x86, 0x8a, 0x40, 0x3b, 0xfd, 0x7a, 0x93, 0xa3, 0x00, 0x1e, 0xf2, 0x2e, 0xf0,
            0x2e, 0x3f,
        ];
        assert_eq!(owner, want);
    }

    #[test]
    fn a_challenge_that_points_outside_is_refused() {
        let mut token = SIGNATURE.to_vec();
        token.extend_from_slice(&2u32.to_le_bytes());
        token.resize(48, 0xff);
        assert!(Challenge::read(&token).is_err());
        assert!(Challenge::read(&[]).is_err());
    }
}
