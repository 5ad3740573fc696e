// SPDX-License-Identifier: GPL-2.0
//! E and S: RDMA transforms (MS-SMB2 2.2.43): data that is encrypted or signed
//! by SMB2 while it travels by RDMA. To the transport it is data like any other.

use smb_msg::RdmaTransformId;

use super::pattern;
use super::{case, Case, Context};
use crate::smb2::{
    check_written, status, whole, Channel, Cipher, Dialects, File, ReadResponse, Response, Session,
    TAG,
};
use crate::smbd::wire::{descriptors, Descriptor};
use crate::smbd::{Link, Offer};
use crate::stop::{Stop, Try};
use crate::verbs::Rights;
use crate::{ensure, ensure_eq};

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    case("E-01", "BVT_Smb2OverRdmaChannelTransform_Encryption_ReadLargeFile_AES128CCM", |c| read_large(c, Cipher::Aes128Ccm)),
    case("E-02", "Smb2OverRdmaChannelTransform_Encryption_ReadLargeFile_AES128GCM", |c| read_large(c, Cipher::Aes128Gcm)),
    case("E-03", "Smb2OverRdmaChannelTransform_Encryption_ReadLargeFile_AES256CCM", |c| read_large(c, Cipher::Aes256Ccm)),
    case("E-04", "Smb2OverRdmaChannelTransform_Encryption_ReadLargeFile_AES256GCM", |c| read_large(c, Cipher::Aes256Gcm)),
    case("E-05", "Smb2OverRdmaChannelTransform_Encryption_ReadMultipleOperation", read_many),
    case("E-06", "BVT_Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_AES128CCM", |c| write_large(c, Cipher::Aes128Ccm)),
    case("E-07", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_AES128GCM", |c| write_large(c, Cipher::Aes128Gcm)),
    case("E-08", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_AES256CCM", |c| write_large(c, Cipher::Aes256Ccm)),
    case("E-09", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_AES256GCM", |c| write_large(c, Cipher::Aes256Gcm)),
    case("E-10", "Smb2OverRdmaChannelTransform_Encryption_WriteMultipleOperation", write_many),
    case("E-11", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_NoTransformIds_Fails", nothing_negotiated),
    case("E-12", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_ZeroTransformCount_Fails", |c| refused(c, |s| s.count = 0)),
    case("E-13", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_MultipleEncryptionStructure_Fails", |c| refused(c, |s| s.again(2))),
    case("E-14", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_EncryptionAndSigningStructure_Fails", |c| refused(c, |s| s.again(3))),
    case("E-15", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_BufferNotAligned_Fails", |c| refused(c, |s| s.aligned = false)),
    case("E-16", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_IncreaseSignatureLength_Fails", |c| mismatch(c, Cipher::Aes128Gcm, |s| s.parts[0].signature.push(0))),
    case("E-17", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_IncreaseNonceLength_AES128CCM_Fails", |c| mismatch(c, Cipher::Aes128Ccm, |s| s.parts[0].nonce.push(0))),
    case("E-18", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_IncreaseNonceLength_AES128GCM_Fails", |c| mismatch(c, Cipher::Aes128Gcm, |s| s.parts[0].nonce.push(0))),
    case("E-19", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_IncreaseNonceLength_AES256CCM_Fails", |c| mismatch(c, Cipher::Aes256Ccm, |s| s.parts[0].nonce.push(0))),
    case("E-20", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_IncreaseNonceLength_AES256GCM_Fails", |c| mismatch(c, Cipher::Aes256Gcm, |s| s.parts[0].nonce.push(0))),
    case("E-21", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_DecreaseNonceLength_AES128CCM_Fails", |c| mismatch(c, Cipher::Aes128Ccm, Shape::shorter_nonce)),
    case("E-22", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_DecreaseNonceLength_AES128GCM_Fails", |c| mismatch(c, Cipher::Aes128Gcm, Shape::shorter_nonce)),
    case("E-23", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_DecreaseNonceLength_AES256CCM_Fails", |c| mismatch(c, Cipher::Aes256Ccm, Shape::shorter_nonce)),
    case("E-24", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_DecreaseNonceLength_AES256GCM_Fails", |c| mismatch(c, Cipher::Aes256Gcm, Shape::shorter_nonce)),
    case("S-01", "Smb2OverRdmaChannelTransform_Signing_ReadLargeFile_AES_GMAC", signing),
    case("S-02", "Smb2OverRdmaChannelTransform_Signing_ReadLargeFile_AES_CMAC", signing),
    case("S-03", "Smb2OverRdmaChannelTransform_Signing_WriteLargeFile_AES_GMAC", signing),
    case("S-04", "Smb2OverRdmaChannelTransform_Signing_WriteLargeFile_AES_CMAC", signing),
    case("S-05", "Smb2OverRdmaChannelTransform_Signing_WriteLargeFile_FlagsSignedNotSet_Fails", signing),
    case("S-06", "Smb2OverRdmaChannelTransform_Signing_WriteLargeFile_SigningStructure_EncryptionId_Fails", signing_not_negotiated),
    case("S-07", "Smb2OverRdmaChannelTransform_Signing_WriteLargeFile_InvalidSignature_Fails", signing),
    case("S-08", "Smb2OverRdmaChannelTransform_Signing_WriteLargeFile_NoTransformIds_Fails", nothing_negotiated),
    case("S-09", "Smb2OverRdmaChannelTransform_Signing_WriteLargeFile_ZeroTransformCount_Fails", signing),
];

const ENCRYPTION: u16 = 1;
const SIGNING: u16 = 2;

/// SMB2_RDMA_CRYPTO_TRANSFORM (2.2.43.1).
struct Part {
    kind: u16,
    signature: Vec<u8>,
    nonce: Vec<u8>,
}

impl Part {
    fn put(&self, out: &mut Vec<u8>) {
        for n in [
            self.kind,
            self.signature.len() as u16,
            self.nonce.len() as u16,
            0,
        ] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        out.extend_from_slice(&self.signature);
        out.extend_from_slice(&self.nonce);
    }
}

/// SMB2_RDMA_TRANSFORM (2.2.43) with what follows it.
struct Shape {
    count: u16,
    parts: Vec<Part>,
    /// Descriptors begin at a multiple of 8.
    aligned: bool,
}

impl Shape {
    fn one(kind: u16, signature: Vec<u8>, nonce: Vec<u8>) -> Self {
        Shape {
            count: 1,
            parts: vec![Part {
                kind,
                signature,
                nonce,
            }],
            aligned: true,
        }
    }

    /// The same structure a second time, with this number of them announced.
    fn again(&mut self, count: u16) {
        let Part {
            kind,
            signature,
            nonce,
        } = &self.parts[0];
        let second = Part {
            kind: *kind,
            signature: signature.clone(),
            nonce: nonce.clone(),
        };
        self.parts.push(second);
        self.count = count;
    }

    fn shorter_nonce(&mut self) {
        self.parts[0].nonce.pop();
    }

    fn info(&self, list: &[Descriptor]) -> Vec<u8> {
        let mut parts = Vec::new();
        for part in &self.parts {
            part.put(&mut parts);
            if self.aligned {
                parts.resize(parts.len().next_multiple_of(8), 0);
            }
        }
        let list = descriptors(list);
        let mut out = Vec::new();
        out.extend_from_slice(&(16 + parts.len() as u16).to_le_bytes());
        out.extend_from_slice(&(list.len() as u16).to_le_bytes());
        out.extend_from_slice(&(Channel::RdmaV1 as u32).to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&[0; 6]);
        out.extend(parts);
        out.extend(list);
        out
    }
}

/// A session with the transforms offered; skipped if the server has not the
/// wanted one.
fn set_up(
    c: &Context,
    cipher: Cipher,
    offer: Option<Vec<RdmaTransformId>>,
    wanted: Option<RdmaTransformId>,
) -> Try<Session<Link>> {
    let who = c.user()?;
    let mut session = Session::new(c.negotiated(Offer::usual())?);
    session.offer_cipher(cipher);
    session.negotiate_offering(Dialects::All, offer)?;
    if let Some(wanted) = wanted {
        let has = session.transforms.as_deref().unwrap_or_default();
        if !has.contains(&wanted) {
            return Err(Stop::Skipped(format!(
                "the server has no RDMA transform {wanted:?} (it answers {:?})",
                session.transforms
            )));
        }
    }
    session.setup(&who)?;
    Ok(session)
}

/// An encrypted session with a file.
fn encrypted(c: &Context, cipher: Cipher) -> Try<(Session<Link>, File)> {
    let both = vec![RdmaTransformId::Encryption, RdmaTransformId::Signing];
    let mut session = set_up(c, cipher, Some(both), Some(RdmaTransformId::Encryption))?;
    session.encrypt()?;
    session.tree_connect(&c.config.share)?;
    let file = session.create(&c.file_name())?;
    Ok((session, file))
}

/// WRITE with the data encrypted; `change` may spoil what is said of it.
fn write(
    session: &mut Session<Link>,
    file: File,
    offset: u64,
    data: &[u8],
    after: &[u8],
    change: impl FnOnce(&mut Shape),
) -> Try<(Response, Vec<u8>)> {
    let Some(sealer) = &mut session.sealer else {
        return Err(Stop::Failed("the session is not encrypted".into()));
    };
    let mut secret = data.to_vec();
    let (nonce, tag) = sealer.seal(&[], &mut secret);
    let region = session.pipe.register(data.len(), Rights::Read)?;
    region.buffer.put(0, &secret);
    let mut shape = Shape::one(ENCRYPTION, tag.to_vec(), nonce);
    change(&mut shape);
    let mut info = shape.info(&[whole(&region)]);
    info.extend_from_slice(after);
    let len = data.len() as u32;
    let response = session.write_info(file, offset, len, Channel::RdmaTransform, info.clone())?;
    Ok((response, info))
}

/// READ by RDMA; the response says how the data is encrypted.
fn read(session: &mut Session<Link>, file: File, offset: u64, len: u32) -> Try<Vec<u8>> {
    let region = session.pipe.register(len as usize, Rights::Write)?;
    let response = session.read_by(file, offset, len, Channel::RdmaV1, &[whole(&region)])?;
    ensure!(
        response.status == status::SUCCESS,
        "READ of {len} bytes: the server answers {:#010x}",
        response.status
    );
    let got: ReadResponse = response.body()?;
    ensure_eq!(
        "DataRemaining of the READ response",
        got.data_remaining,
        len
    );
    ensure_eq!("DataOffset of the READ response", got.data_offset, 80);
    ensure!(
        got.data_length != 0,
        "DataLength of the READ response is 0: no transform"
    );
    ensure_eq!("Flags of the READ response", got.flags, 1);
    let info = response
        .bytes
        .get(80..80 + got.data_length as usize)
        .unwrap_or_default();
    let n = session.sealer.as_ref().map_or(0, |s| s.cipher.nonce_len());
    ensure!(
        info.len() >= 24 + TAG + n,
        "the transform of the response has {} bytes",
        info.len()
    );
    let word = |at: usize| u16::from_le_bytes([info[at], info[at + 1]]);
    ensure_eq!("TransformCount", word(8), 1);
    ensure_eq!("TransformType", word(16), ENCRYPTION);
    ensure_eq!("SignatureLength", usize::from(word(18)), TAG);
    ensure_eq!("NonceLength", usize::from(word(20)), n);
    let mut data = region.buffer.take(0, len as usize);
    let (tag, nonce) = (&info[24..24 + TAG], &info[24 + TAG..24 + TAG + n]);
    let opened = session
        .sealer
        .as_ref()
        .is_some_and(|s| s.open(nonce, tag, &[], &mut data));
    ensure!(
        opened,
        "the data does not decrypt with the tag and nonce of the response"
    );
    Ok(data)
}

fn read_large(c: &mut Context, cipher: Cipher) -> Try<()> {
    let (mut session, file) = encrypted(c, cipher)?;
    let data = pattern::bytes(41, session.limits.read as usize);
    let most = session.limits.write as usize;
    for (i, piece) in data.chunks(most).enumerate() {
        let (done, _) = write(&mut session, file, (i * most) as u64, piece, &[], |_| {})?;
        check_written(&done, piece.len() as u32)?;
    }
    let got = read(&mut session, file, 0, data.len() as u32)?;
    pattern::same("what was read", &got, &data)
}

fn read_many(c: &mut Context) -> Try<()> {
    let (mut session, file) = encrypted(c, Cipher::Aes128Ccm)?;
    let step = session.limits.read.min(session.limits.write) as usize / 64;
    let data = pattern::bytes(42, step);
    let (done, _) = write(&mut session, file, 63 * step as u64, &data, &[], |_| {})?;
    check_written(&done, step as u32)?;
    for i in 0..64 {
        let got = read(&mut session, file, i * step as u64, step as u32)?;
        let want = if i == 63 { data.clone() } else { vec![0; step] };
        pattern::same(&format!("READ {i}"), &got, &want)?;
    }
    Ok(())
}

fn write_large(c: &mut Context, cipher: Cipher) -> Try<()> {
    let (mut session, file) = encrypted(c, cipher)?;
    let len = session.limits.write.min(session.limits.read);
    let data = pattern::bytes(43, len as usize);
    let (done, _) = write(&mut session, file, 0, &data, &[], |_| {})?;
    check_written(&done, len)?;
    let got = read(&mut session, file, 0, len)?;
    pattern::same("the file", &got, &data)
}

/// 64 WRITEs; the structures of all those before follow what is meant.
fn write_many(c: &mut Context) -> Try<()> {
    let (mut session, file) = encrypted(c, Cipher::Aes128Ccm)?;
    let step = session.limits.write.min(session.limits.read) as usize / 64;
    let data = pattern::bytes(44, 64 * step);
    let mut before = Vec::new();
    for (i, piece) in data.chunks(step).enumerate() {
        let at = (i * step) as u64;
        let (done, info) = write(&mut session, file, at, piece, &before, |_| {})?;
        check_written(&done, step as u32)?;
        before = info;
    }
    let mut got = Vec::with_capacity(data.len());
    for i in 0..64 {
        got.extend(read(&mut session, file, i * step as u64, step as u32)?);
    }
    pattern::same("the file", &got, &data)
}

fn must_answer(response: &Response, want: u32) -> Try<()> {
    ensure!(
        response.status == want,
        "the server answers {:#010x}, should be {want:#010x}",
        response.status
    );
    Ok(())
}

/// The size of WRITEs that are refused.
const SIZE: usize = 65536;

fn spoiled(c: &Context, cipher: Cipher, change: fn(&mut Shape), want: u32) -> Try<()> {
    let (mut session, file) = encrypted(c, cipher)?;
    let data = pattern::bytes(45, SIZE);
    let (answer, _) = write(&mut session, file, 0, &data, &[], change)?;
    must_answer(&answer, want)
}

fn refused(c: &mut Context, change: fn(&mut Shape)) -> Try<()> {
    spoiled(c, Cipher::Aes128Gcm, change, status::INVALID_PARAMETER)
}

fn mismatch(c: &mut Context, cipher: Cipher, change: fn(&mut Shape)) -> Try<()> {
    spoiled(c, cipher, change, status::AUTH_TAG_MISMATCH)
}

/// WRITE with a signing structure in a session that is signed.
fn write_signed(session: &mut Session<Link>, c: &Context) -> Try<Response> {
    session.tree_connect(&c.config.share)?;
    let file = session.create(&c.file_name())?;
    let region = session.pipe.register(SIZE, Rights::Read)?;
    let info = Shape::one(SIGNING, vec![0x5a; 16], Vec::new()).info(&[whole(&region)]);
    session.write_info(file, 0, SIZE as u32, Channel::RdmaTransform, info)
}

/// Channel 3 without a word about transforms before.
fn nothing_negotiated(c: &mut Context) -> Try<()> {
    let mut session = set_up(c, Cipher::Aes128Gcm, None, None)?;
    if c.id().starts_with('S') {
        let answer = write_signed(&mut session, c)?;
        return must_answer(&answer, status::INVALID_PARAMETER);
    }
    session.encrypt()?;
    session.tree_connect(&c.config.share)?;
    let file = session.create(&c.file_name())?;
    let (answer, _) = write(
        &mut session,
        file,
        0,
        &pattern::bytes(46, SIZE),
        &[],
        |_| {},
    )?;
    must_answer(&answer, status::INVALID_PARAMETER)
}

fn signing_not_negotiated(c: &mut Context) -> Try<()> {
    let only = vec![RdmaTransformId::Encryption];
    let wanted = Some(RdmaTransformId::Encryption);
    let mut session = set_up(c, Cipher::Aes128Gcm, Some(only), wanted)?;
    let answer = write_signed(&mut session, c)?;
    must_answer(&answer, status::INVALID_PARAMETER)
}

/// What takes a server that signs.
fn signing(c: &mut Context) -> Try<()> {
    let both = vec![RdmaTransformId::Encryption, RdmaTransformId::Signing];
    let wanted = Some(RdmaTransformId::Signing);
    set_up(c, Cipher::Aes128Gcm, Some(both), wanted)?;
    Err(Stop::Skipped(
        "the server signs RDMA data, but this peer does not yet".into(),
    ))
}
