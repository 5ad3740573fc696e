// SPDX-License-Identifier: GPL-2.0
//! One request of every kind on an open file and directory, to see which of them a
//! server refuses. What is asked changes nothing that the next one needs.

use smb_msg::FileId;

use super::files::{close_body, create_body, File};
use super::messages::{
    ioctl_body, ioctl_output, status, Interface, IoctlRequest, ReadRequest, WriteRequest,
    FSCTL_DUPLICATE_EXTENTS_TO_FILE, FSCTL_SET_ZERO_DATA, FSCTL_SRV_COPYCHUNK,
    FSCTL_SRV_COPYCHUNK_WRITE, FSCTL_SRV_REQUEST_RESUME_KEY,
};
use super::session::{Pipe, Session};
use crate::fail;
use crate::stop::Try;

/// Where requests are tried: a share with a file of one byte, and its root, open.
#[derive(Clone, Debug)]
pub struct Place {
    share: String,
    name: String,
    file: FileId,
    root: FileId,
}

/// `served`, `denied`, or the status if it is another one than this server gives
/// to such a request that it serves.
fn word(got: u32, served: u32) -> String {
    match got {
        status::ACCESS_DENIED => "denied".into(),
        _ if got == served => "served".into(),
        other => format!("{other:#010x}"),
    }
}

impl<P: Pipe> Session<P> {
    /// Connect to the share, open its root and a file with a byte in it.
    pub fn enter(&mut self, share: &str, name: &str) -> Try<Place> {
        let place = self.visit(share, name)?;
        self.write_inline(File(place.file), 0, b"x")?;
        Ok(place)
    }

    /// The same without data: nothing is written into the file.
    pub fn visit(&mut self, share: &str, name: &str) -> Try<Place> {
        self.tree_connect(share)?;
        let File(file) = self.create(name)?;
        let File(root) = self.open_root()?;
        Ok(Place {
            share: share.into(),
            name: name.into(),
            file,
            root,
        })
    }

    /// Give all of it back.
    pub fn leave(&mut self, place: &Place) -> Try<()> {
        self.close(File(place.file))?;
        self.close(File(place.root))?;
        self.tree_disconnect()
    }

    /// All kinds of requests, each with a word for what came of it.
    pub fn probe_all(&mut self, place: &Place) -> Try<String> {
        let mut out = Vec::new();
        for what in [
            "tree",
            "create",
            "list",
            "info",
            "set",
            "flush",
            "lock",
            "notify",
            "key",
            "read",
            "write",
            "copy",
            "copywrite",
            "clone",
            "zero",
        ] {
            out.push(format!("{what}={}", self.probe(place, what)?));
        }
        Ok(out.join(" "))
    }

    /// One of them.
    pub fn probe(&mut self, place: &Place, what: &str) -> Try<String> {
        let file = place.file;
        let ioctl = |code| IoctlRequest::without_input(code, file).body();
        // the copies and the zeroing have no input, which is looked at after everything else
        let (command, body, size, served) = match what {
            "tree" => return self.probe_tree(place),
            "create" => return self.probe_create(place),
            "lock" => return self.probe_lock(place),
            "chain" => return self.probe_chain(place),
            "list" => (14, list_body(place.root), 4096, status::SUCCESS),
            "info" => (16, info_body(file), 1024, status::SUCCESS),
            "set" => (17, set_body(file), 0, status::SUCCESS),
            "flush" => (7, flush_body(file), 0, status::SUCCESS),
            "notify" => (15, notify_body(), 4096, status::NOTIFY_CLEANUP),
            "read" => (8, ReadRequest::new(file, 0, 1).body(), 1, status::SUCCESS),
            "write" => (
                9,
                WriteRequest::inline(file, 0, b"x").body(),
                1,
                status::SUCCESS,
            ),
            "key" => (
                11,
                ioctl(FSCTL_SRV_REQUEST_RESUME_KEY),
                65536,
                status::SUCCESS,
            ),
            "copy" => (
                11,
                ioctl(FSCTL_SRV_COPYCHUNK),
                65536,
                status::INVALID_PARAMETER,
            ),
            "copywrite" => (
                11,
                ioctl(FSCTL_SRV_COPYCHUNK_WRITE),
                65536,
                status::INVALID_PARAMETER,
            ),
            "clone" => (
                11,
                ioctl(FSCTL_DUPLICATE_EXTENTS_TO_FILE),
                65536,
                status::INVALID_PARAMETER,
            ),
            "zero" => (
                11,
                ioctl(FSCTL_SET_ZERO_DATA),
                65536,
                status::INVALID_PARAMETER,
            ),
            other => fail!("no request is called '{other}'"),
        };
        let response = self.call(command, &body, size, what)?;
        Ok(word(response.status, served))
    }

    /// A second connection to the share, given back at once.
    fn probe_tree(&mut self, place: &Place) -> Try<String> {
        let response = self.try_tree_connect(&place.share)?;
        if response.status == status::SUCCESS {
            let before = std::mem::replace(&mut self.tree_id, response.tree_id);
            self.tree_disconnect()?;
            self.tree_id = before;
        }
        Ok(word(response.status, status::SUCCESS))
    }

    fn probe_create(&mut self, place: &Place) -> Try<String> {
        let response = self.call(5, &create_body(&place.name, false)?, 0, "CREATE")?;
        if response.status == status::SUCCESS {
            let got: smb_msg::CreateResponse = response.parse()?;
            self.close(File(got.file_id))?;
        }
        Ok(word(response.status, status::SUCCESS))
    }

    /// An exclusive lock, taken away at once.
    fn probe_lock(&mut self, place: &Place) -> Try<String> {
        const EXCLUSIVE_NOW: u32 = 0x12;
        const UNLOCK: u32 = 4;
        let response = self.call(10, &lock_body(place.file, EXCLUSIVE_NOW), 0, "LOCK")?;
        if response.status == status::SUCCESS {
            self.must(10, &lock_body(place.file, UNLOCK), 0, "an unlock")?;
        }
        Ok(word(response.status, status::SUCCESS))
    }

    /// CREATE, READ and CLOSE in one message: a word for each.
    fn probe_chain(&mut self, place: &Place) -> Try<String> {
        let requests = [
            (5, create_body(&place.name, false)?),
            (8, ReadRequest::new(FileId::FULL, 0, 1).body()),
            (6, close_body(FileId::FULL)?),
        ];
        let words: Vec<_> = self
            .chain(&requests)?
            .into_iter()
            .map(|got| word(got, status::SUCCESS))
            .collect();
        Ok(words.join(","))
    }

    /// A byte of the file is copied by the server into a file of another share, on
    /// whose tree this is asked.
    pub fn probe_smuggle(&mut self, place: &Place, into: &str) -> Try<String> {
        let body = IoctlRequest::without_input(FSCTL_SRV_REQUEST_RESUME_KEY, place.file).body();
        let response = self.call(11, &body, 65536, "FSCTL_SRV_REQUEST_RESUME_KEY")?;
        if response.status != status::SUCCESS {
            return Ok(format!(
                "no key: {}",
                word(response.status, status::SUCCESS)
            ));
        }
        let Some(key) = ioctl_output(&response).and_then(|out| out.get(..24)) else {
            fail!("the answer has no resume key");
        };
        // one chunk of one byte, from the beginning to the beginning
        let mut input = key.to_vec();
        input.extend(Body(Vec::new()).u32(1).u32(0).u64(0).u64(0).u32(1).u32(0).0);
        let before = self.tree_id;
        self.tree_connect(into)?;
        let File(target) = self.create(&format!("{}.copy", place.name))?;
        let body = ioctl_body(FSCTL_SRV_COPYCHUNK, target, &input);
        let copied = self.call(11, &body, 65536, "FSCTL_SRV_COPYCHUNK")?;
        self.close(File(target))?;
        self.tree_disconnect()?;
        self.tree_id = before;
        Ok(word(copied.status, status::SUCCESS))
    }

    /// Whether any interface can do RDMA (1 or 0), as the server says on IPC$.
    pub fn probe_interfaces(&mut self) -> Try<String> {
        let before = self.tree_id;
        self.tree_connect("IPC$")?;
        let response = self.query_interfaces()?;
        self.tree_disconnect()?;
        self.tree_id = before;
        if response.status != status::SUCCESS {
            return Ok(word(response.status, status::SUCCESS));
        }
        let list = Interface::list(&response)?;
        let capable = list.iter().any(|i| i.rdma_capable);
        Ok(usize::from(capable).to_string())
    }
}

/// Little-endian fields one after the other.
struct Body(Vec<u8>);

impl Body {
    fn new(size: u16) -> Self {
        Body(size.to_le_bytes().to_vec())
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    fn file(self, file: FileId) -> Self {
        self.u64(file.persistent).u64(file.volatile)
    }
}

/// Where what follows the fixed part of 32 bytes begins.
const AFTER_32: [u8; 2] = [96, 0];

/// QUERY_DIRECTORY (MS-SMB2 2.2.33): names, from the beginning, `*`.
fn list_body(file: FileId) -> Vec<u8> {
    Body::new(33)
        .bytes(&[12, 1])
        .u32(0)
        .file(file)
        .bytes(&AFTER_32)
        .bytes(&[2, 0])
        .u32(4096)
        .bytes(b"*\0")
        .0
}

/// QUERY_INFO (2.2.37): FileStandardInformation.
fn info_body(file: FileId) -> Vec<u8> {
    Body::new(41)
        .bytes(&[1, 5])
        .u32(1024)
        .u32(0)
        .u64(0)
        .u32(0)
        .file(file)
        .bytes(&[0])
        .0
}

/// SET_INFO (2.2.39): FileEndOfFileInformation, one byte.
fn set_body(file: FileId) -> Vec<u8> {
    Body::new(33)
        .bytes(&[1, 20])
        .u32(8)
        .bytes(&AFTER_32)
        .bytes(&[0; 6])
        .file(file)
        .u64(1)
        .0
}

/// FLUSH (2.2.17).
fn flush_body(file: FileId) -> Vec<u8> {
    Body::new(24).bytes(&[0; 6]).file(file).0
}

/// LOCK (2.2.26): the first byte.
fn lock_body(file: FileId, flags: u32) -> Vec<u8> {
    Body::new(48)
        .bytes(&[1, 0])
        .u32(0)
        .file(file)
        .u64(0)
        .u64(1)
        .u32(flags)
        .u32(0)
        .0
}

/// CHANGE_NOTIFY (2.2.35) without a file, which ksmbd ends at once.
fn notify_body() -> Vec<u8> {
    Body::new(32)
        .bytes(&[0, 0])
        .u32(4096)
        .file(FileId::FULL)
        .u32(1)
        .u32(0)
        .0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_their_sizes() {
        let file = FileId::FULL;
        assert_eq!(list_body(file).len(), 32 + 2);
        assert_eq!(info_body(file).len(), 40 + 1);
        assert_eq!(set_body(file).len(), 32 + 8);
        assert_eq!(flush_body(file).len(), 24);
        assert_eq!(lock_body(file, 0).len(), 48);
        assert_eq!(notify_body().len(), 32);
    }

    #[test]
    fn words() {
        assert_eq!(word(status::SUCCESS, status::SUCCESS), "served");
        assert_eq!(word(status::ACCESS_DENIED, status::SUCCESS), "denied");
        assert_eq!(
            word(status::INVALID_PARAMETER, status::SUCCESS),
            "0xc000000d"
        );
    }
}
