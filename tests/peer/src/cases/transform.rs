// SPDX-License-Identifier: GPL-2.0
//! E and S: RDMA transforms (MS-SMB2 2.2.43). They concern SMB2 alone: the
//! transport carries other payload. They are tried only as far as it takes to
//! see whether the server has them.

use super::{case, Case, Context};
use crate::smb2::{Dialects, Session};
use crate::smbd::Offer;
use crate::stop::{Stop, Try};
use smb_msg::RdmaTransformId;

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    case("E-01", "BVT_Smb2OverRdmaChannelTransform_Encryption_ReadLargeFile_AES128CCM", transforms),
    case("E-02", "Smb2OverRdmaChannelTransform_Encryption_ReadLargeFile_AES128GCM", transforms),
    case("E-03", "Smb2OverRdmaChannelTransform_Encryption_ReadLargeFile_AES256CCM", transforms),
    case("E-04", "Smb2OverRdmaChannelTransform_Encryption_ReadLargeFile_AES256GCM", transforms),
    case("E-05", "Smb2OverRdmaChannelTransform_Encryption_ReadMultipleOperation", transforms),
    case("E-06", "BVT_Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_AES128CCM", transforms),
    case("E-07", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_AES128GCM", transforms),
    case("E-08", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_AES256CCM", transforms),
    case("E-09", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_AES256GCM", transforms),
    case("E-10", "Smb2OverRdmaChannelTransform_Encryption_WriteMultipleOperation", transforms),
    case("E-11", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_NoTransformIds_Fails", transforms),
    case("E-12", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_ZeroTransformCount_Fails", transforms),
    case("E-13", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_MultipleEncryptionStructure_Fails", transforms),
    case("E-14", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_EncryptionAndSigningStructure_Fails", transforms),
    case("E-15", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_BufferNotAligned_Fails", transforms),
    case("E-16", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_IncreaseSignatureLength_Fails", transforms),
    case("E-17", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_IncreaseNonceLength_AES128CCM_Fails", transforms),
    case("E-18", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_IncreaseNonceLength_AES128GCM_Fails", transforms),
    case("E-19", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_IncreaseNonceLength_AES256CCM_Fails", transforms),
    case("E-20", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_IncreaseNonceLength_AES256GCM_Fails", transforms),
    case("E-21", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_DecreaseNonceLength_AES128CCM_Fails", transforms),
    case("E-22", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_DecreaseNonceLength_AES128GCM_Fails", transforms),
    case("E-23", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_DecreaseNonceLength_AES256CCM_Fails", transforms),
    case("E-24", "Smb2OverRdmaChannelTransform_Encryption_WriteLargeFile_DecreaseNonceLength_AES256GCM_Fails", transforms),
    case("S-01", "Smb2OverRdmaChannelTransform_Signing_ReadLargeFile_AES_GMAC", transforms),
    case("S-02", "Smb2OverRdmaChannelTransform_Signing_ReadLargeFile_AES_CMAC", transforms),
    case("S-03", "Smb2OverRdmaChannelTransform_Signing_WriteLargeFile_AES_GMAC", transforms),
    case("S-04", "Smb2OverRdmaChannelTransform_Signing_WriteLargeFile_AES_CMAC", transforms),
    case("S-05", "Smb2OverRdmaChannelTransform_Signing_WriteLargeFile_FlagsSignedNotSet_Fails", transforms),
    case("S-06", "Smb2OverRdmaChannelTransform_Signing_WriteLargeFile_SigningStructure_EncryptionId_Fails", transforms),
    case("S-07", "Smb2OverRdmaChannelTransform_Signing_WriteLargeFile_InvalidSignature_Fails", transforms),
    case("S-08", "Smb2OverRdmaChannelTransform_Signing_WriteLargeFile_NoTransformIds_Fails", transforms),
    case("S-09", "Smb2OverRdmaChannelTransform_Signing_WriteLargeFile_ZeroTransformCount_Fails", transforms),
];

fn transforms(c: &mut Context) -> Try<()> {
    let mut session = Session::new(c.negotiated(Offer::usual())?);
    session.negotiate(Dialects::All)?;
    let signing = c.id().starts_with('S');
    let wanted = if signing {
        RdmaTransformId::Signing
    } else {
        RdmaTransformId::Encryption
    };
    Err(Stop::Skipped(match &session.transforms {
        None => {
            "the server answers no RDMA transform capabilities (SMB2 negotiate context 7)".into()
        }
        Some(has) if !has.contains(&wanted) => {
            format!("the server does not support this: of {wanted:?} among others it took {has:?}")
        }
        Some(_) => "the server supports this, but this peer does not encrypt sessions yet".into(),
    }))
}
